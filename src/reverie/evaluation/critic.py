"""How a GAN's players stand: what its critic makes of training, held-out and generated samples."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from ..losses.adversarial import Hinge, NonSaturating
from ..models.gan import GAN
from ..records import Record
from ..training import looking
from .subject import CHUNK, Subject, dashes

OVERFIT = "critic: training above held-out"
AHEAD = "critic: held-out above generated"
SIGN = "critic: mean sign on training data"
NAMES = (OVERFIT, AHEAD, SIGN)


def critic(subject: Subject) -> list[Record]:
    """Whether the critic tells training from held-out data, and real from generated."""
    model = subject.model
    if not isinstance(model, GAN):
        return dashes(NAMES, f"{subject.family} has no critic")
    if not labelled(model, subject):
        reason = "the critic judges samples of a class, and this data has other classes"
        return dashes(NAMES, reason)
    labels = {"held_out": subject.labels, "samples": subject.asked_labels}
    if not subject.unknown:
        labels["training"] = subject.used.train.y
    scores = {name: judged(subject, getattr(subject, name), y) for name, y in labels.items()}
    return [overfit(subject, scores), ahead(subject, scores), signs(subject, model, scores)]


def overfit(subject: Subject, scores: dict[str, Tensor]) -> Record:
    """Whether the critic tells what it was trained on from what it was not."""
    if "training" not in scores:
        return Record(metric=OVERFIT, value=None, reason=subject.unknown)
    deviation = alike(scores["training"], scores["held_out"])
    value = above(scores["training"], scores["held_out"])
    warnings = ()
    if value > max(0.6, 0.5 + 3 * deviation):
        warnings = (
            f"the critic tells training from held-out data ({100 * value:.0f} % of pairs): it has "
            "learned the training set by heart; use more data, or stop earlier",
        )
    record = pairs(subject, OVERFIT, value, deviation, {"no memory": 0.5})
    return replace(record, warnings=warnings)


def ahead(subject: Subject, scores: dict[str, Tensor]) -> Record:
    """Whether the critic tells held-out from generated data."""
    deviation = alike(scores["held_out"], scores["samples"])
    value = above(scores["held_out"], scores["samples"])
    return pairs(subject, AHEAD, value, deviation, {"equilibrium": 0.5})


def pairs(
    subject: Subject, metric: str, value: float, deviation: float, beside: dict[str, float]
) -> Record:
    """The record of a share of pairs."""
    return Record(
        metric=metric,
        value=value,
        uncertainty=deviation,
        method="standard deviation where both are alike",
        n=subject.count,
        reference=beside,
        settings={"sampling_seed": subject.seed},
    )


def signs(subject: Subject, model: GAN, scores: dict[str, Tensor]) -> Record:
    """The mean sign of the critic's scores, where their 0 is the border between real and generated."""
    if not isinstance(model.config.game, NonSaturating | Hinge):
        reason = f"a {model.config.game.kind} critic's scores have no border at 0"
        return Record(metric=SIGN, value=None, reason=reason)
    if "training" not in scores:
        return Record(metric=SIGN, value=None, reason=subject.unknown)
    found = {name: float(values.sign().mean()) for name, values in scores.items()}
    return Record(
        metric=SIGN,
        value=found["training"],
        n=subject.count,
        reference={"held-out data": found["held_out"], "generated": found["samples"]},
        settings={"sampling_seed": subject.seed},
    )


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


def alike(a: Tensor, b: Tensor) -> float:
    """The standard deviation of `above` for two sets of one law: Mann & Whitney (1947)."""
    m, n = len(a), len(b)
    return math.sqrt((m + n + 1) / (12 * m * n))


def above(a: Tensor, b: Tensor) -> float:
    """P(a > b) + P(a = b) / 2 over all pairs: the area under the ROC curve."""
    order = b.double().sort().values
    a = a.double()
    below = torch.searchsorted(order, a, right=False)
    through = torch.searchsorted(order, a, right=True)
    return float((below + through).double().mean()) / (2 * len(b))
