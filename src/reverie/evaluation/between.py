"""How far samples are from one another."""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.base import Sampler
from ..records import Record
from ..tensors import mix
from .samples import lacking
from .subject import Subject

DISTANCE, PAIRS = "distance between samples", 2_000
"""What the mean distance of so many pairs is called."""


def between(subject: Subject) -> list[Record]:
    """The mean distance between two samples, beside that of held-out data."""
    if not isinstance(subject.model, Sampler):
        return lacking(subject, (DISTANCE,))
    value, real = (spread(x, subject.seed) for x in (subject.samples, subject.held_out))
    warnings = ()
    if value < 0.1 * real:
        warnings = ("samples hardly differ from each other: the model has collapsed",)
    return [
        Record(
            metric=DISTANCE,
            value=value,
            direction="none",
            n=subject.count,
            reference={"held-out data": real},
            warnings=warnings,
            settings={"sampling_seed": subject.seed},
        )
    ]


def spread(x: Tensor, seed: int) -> float:
    """The mean distance of pairs of `(N, *shape)`, drawn by the seed: classes may lie in turn, or apart."""
    generator = torch.Generator().manual_seed(mix(seed, 6))
    flat = x[torch.randperm(len(x), generator=generator)[:PAIRS]].flatten(1).double()
    return float((flat - flat.roll(1, 0)).norm(dim=1).mean())
