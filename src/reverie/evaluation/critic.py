"""How a GAN's players stand: what its critic makes of training, held-out and generated samples."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from ..losses.adversarial import Hinge, NonSaturating
from ..models.gan import GAN
from ..records import Record
from ..training import looking
from .subject import CHUNK, Subject

PAIRS = 2_000


def critic(subject: Subject) -> list[Record]:
    """Whether the critic tells training from held-out data, and real from generated."""
    model = subject.model
    if not isinstance(model, GAN) or not labelled(model, subject):
        return []
    labels = {
        "training": subject.used.train.y,
        "held_out": subject.labels,
        "samples": subject.loaded.labels(subject.count),
    }
    scores = {name: judged(subject, getattr(subject, name), y) for name, y in labels.items()}
    overfit = above(scores["training"], scores["held_out"])
    ahead = above(scores["held_out"], scores["samples"])
    # Of two sets that are alike: Mann & Whitney (1947).
    m, n = len(scores["training"]), len(scores["held_out"])
    deviation = math.sqrt((m + n + 1) / (12 * m * n))
    warnings = ()
    if overfit > max(0.6, 0.5 + 3 * deviation):
        warnings = (
            f"the critic tells training from held-out data ({100 * overfit:.0f} % of pairs): it has "
            "learned the training set by heart; use more data, or stop earlier",
        )
    share = {"n": subject.count, "settings": {"sampling_seed": subject.seed}}
    known = {"uncertainty": deviation, "method": "standard deviation where both are alike"}
    records = [
        Record(
            metric="critic: training above held-out",
            value=overfit,
            direction="none",
            reference={"no memory": 0.5},
            warnings=warnings,
            **known,
            **share,
        ),
        Record(
            metric="critic: held-out above generated",
            value=ahead,
            direction="none",
            reference={"equilibrium": 0.5},
            **known,
            **share,
        ),
    ]
    if isinstance(model.config.game, NonSaturating | Hinge):
        # Only a score whose 0 is the border between real and generated has a sign that means something.
        signs = {name: float(values.sign().mean()) for name, values in scores.items()}
        records.append(
            Record(
                metric="critic: mean sign on training data",
                value=signs["training"],
                direction="none",
                reference={"held-out data": signs["held_out"], "generated": signs["samples"]},
                **share,
            )
        )
    return [*records, batch_diversity(subject)]


def labelled(model: GAN, subject: Subject) -> bool:
    """Whether the data has the labels that the critic needs."""
    return not model.classes or subject.dataset.spec.classes == subject.loaded.classes


def judged(subject: Subject, x: Tensor, y: Tensor | None) -> Tensor:
    """The critic's scores of samples in data units with their labels, `(n,)`."""
    model, device = cast(GAN, subject.model), subject.loaded.device
    chunks = [None] * len(x) if y is None else [part.to(device) for part in y.split(CHUNK)]
    with looking(model):
        parts = [
            model.judge_of(labels)(part).flatten().float().cpu()
            for part, labels in zip(subject.in_range(x), chunks, strict=False)
        ]
    return torch.cat(parts)


def above(a: Tensor, b: Tensor) -> float:
    """P(a > b) + P(a = b) / 2 over all pairs: the area under the ROC curve."""
    order = b.double().sort().values
    a = a.double()
    below = torch.searchsorted(order, a, right=False)
    through = torch.searchsorted(order, a, right=True)
    return float((below + through).double().mean()) / (2 * len(b))


def batch_diversity(subject: Subject) -> Record:
    """The mean distance between two samples, beside that of held-out data."""
    value, real = (spread(x) for x in (subject.samples, subject.held_out))
    warnings = ()
    if value < 0.1 * real:
        warnings = ("samples hardly differ from each other: the generator has collapsed",)
    return Record(
        metric="distance between samples",
        value=value,
        direction="none",
        n=subject.count,
        reference={"held-out data": real},
        warnings=warnings,
        settings={"sampling_seed": subject.seed},
    )


def spread(x: Tensor) -> float:
    """The mean distance of neighbours in the order of the set, `(N, *shape)`."""
    flat = x[:PAIRS].flatten(1).double()
    return float((flat - flat.roll(1, 0)).norm(dim=1).mean())
