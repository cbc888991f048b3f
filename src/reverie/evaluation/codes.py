"""What latents carry: how many are in use, how much they say, and what a probe reads from them."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..data.drawing import drawn
from ..data.stream import to_range
from ..errors import DataError
from ..metrics.latents import (
    GRID,
    NEIGHBOURS,
    active_units,
    aggregate_posterior,
    kl_per_dimension,
    knn_accuracy,
    linear_probe,
)
from ..models.base import Encoder
from ..models.vae import VAE
from ..records import Record, number
from ..training import looking
from .doctor import diagnose
from .subject import Subject, dashes

PROBED = 10_000
"""Training samples that probes are fitted to, at most."""
GAP = "aggregate-posterior gap"
SPLIT = ("mutual information", GAP)
"""What the rate is the sum of."""
PROBES = ("linear probe", "kNN probe")


def codes(subject: Subject) -> list[Record]:
    """What the latents of held-out samples carry."""
    if not isinstance(subject.model, Encoder):
        return dashes(("active units", *SPLIT, *PROBES), f"{subject.family} has no encoder")
    return [*posteriors(subject), *probes(subject)]


def posteriors(subject: Subject) -> list[Record]:
    """Active units, and the rate split into information and the gap to the prior."""
    if not isinstance(subject.model, VAE):
        return dashes(("active units", *SPLIT), f"{subject.family} has no posterior")
    mean, log_var = posterior(subject.model, subject)
    try:
        active, kl = active_units(mean), kl_per_dimension(mean, log_var)
    except DataError as error:
        return dashes(("active units", *SPLIT), str(error))
    total = mean.shape[1]
    prior = subject.loaded.config.prior.kind
    normal = prior == "standard_normal"
    # Against another prior, what a latent carries is not this KL.
    above = kl.value - subject.model.least_kl if normal else None
    cause = diagnose(subject, active.count, above)
    units = Record(
        metric="active units",
        value=float(active.count),
        n=len(mean),
        reference={"latents": float(total)},
        settings={"prior": prior, "threshold": active.threshold},
        warnings=(cause,) if cause else (),
    )
    if not normal:
        reason = "estimated against N(0, I) alone, and this prior is another"
        return [units, *dashes(SPLIT, reason)]
    units = units.showing(kl=[round(float(v), 5) for v in kl.value])
    found = aggregate_posterior(mean, log_var, seed=subject.seed)
    nats = partial(
        Record,
        unit="nats",
        method="standard error over samples",
        n=len(mean),
        settings={"prior": prior},
    )
    width = found.information_above - found.mutual_information
    wide = width > found.gap_error
    information = nats(
        metric="mutual information",
        value=found.mutual_information,
        uncertainty=found.information_error,
        reference={
            "cap ln n": found.cap,
            "upper bound": min(found.information_above, found.rate),
            "rate": found.rate,
        },
        warnings=("this is a lower bound, and its upper one is far: more samples",)
        if wide
        else (),
    )
    gap = nats(
        metric=GAP,
        value=found.gap,
        direction="lower",
        uncertainty=found.gap_error,
        reference={"rate": found.rate},
    )
    if wide:
        low, high = max(0.0, found.gap_below), found.gap
        hidden = f"{len(mean):,} samples leave it between {number(low)} and {number(high)} nats"
        [gap] = dashes((GAP,), hidden)
    return [units, information, gap]


def posterior(model: VAE, subject: Subject) -> tuple[Tensor, Tensor]:
    """Mean and log variance of q(z|x) of the held-out samples, `(n, Z)` both."""
    means, log_vars = [], []
    with looking(model):
        for part in subject.in_range(subject.held_out):
            q = model.posterior(part)
            means.append(q.mean.cpu())
            log_vars.append(q.log_var.cpu())
    return torch.cat(means), torch.cat(log_vars)


def probes(subject: Subject) -> list[Record]:
    """How well simple classifiers tell the class of a code."""
    if subject.labels is None or subject.dataset.train.y is None:
        return dashes(PROBES, "the data has no labels")
    part = drawn(subject.dataset.train, PROBED)
    train, labels = subject.loaded.encode(to_range(part.x)), part.y
    assert labels is not None
    test = subject.loaded.encode(subject.held_out)
    settings = {"codes": "without noise", "fitted to": len(train)}
    own = {"strengths": list(GRID)}, {"k": NEIGHBOURS}
    try:
        line = linear_probe(train, labels, test, subject.labels, seed=subject.seed)
        near = knn_accuracy(train, labels, test, subject.labels)
    except DataError as error:
        return dashes(PROBES, str(error))
    reference = {"commonest class": line.majority}
    return [
        Record(
            metric=name,
            value=found.value,
            direction="higher",
            n=len(test),
            reference=reference,
            settings={**settings, **how},
        ).with_interval(found.low, found.high, "95 % Wilson interval")
        for name, found, how in zip(PROBES, (line.accuracy, near), own, strict=True)
    ]
