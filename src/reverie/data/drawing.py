"""Which stored samples stand for a split where not all are used."""

from __future__ import annotations

import torch
from torch import Tensor

from .dataset import Split

ORDER = 0
"""The seed of the order in which stored samples are taken: one for all, so that they may be paired."""


def drawn(split: Split, count: int, seed: int = ORDER) -> Split:
    """So many samples of a split, or all, in a random order.

    The first stored ones would not do: folders lie by class, and the first half of MNIST's test split is
    the easier.
    """
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    return Split(split.rows(order), None if split.y is None else split.y[order])


def labels_like(split: Split, count: int, seed: int = ORDER) -> Tensor | None:
    """So many labels `(count,)`, classes as frequent as in a split; None where it has no labels."""
    if split.y is None:
        return None
    generator = torch.Generator().manual_seed(seed)
    return split.y[torch.randint(len(split), (count,), generator=generator)]
