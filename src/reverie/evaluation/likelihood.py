"""What held-out samples cost: the model's own loss, and bounds on their likelihood."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import DataError
from ..metrics.baselines import check_above_floor
from ..models.base import Batch, Inspectable, Likelihood
from ..models.vae import VAE
from ..records import Record, mean_record
from ..tensors import mix, noise_of
from ..training import looking
from .subject import FEW, Subject, dashes

BITS = ("bits/dim",)
LOSSES = ("-elbo", "distortion", "rate")


def losses(subject: Subject) -> list[Record]:
    """Each part of the model's own loss on held-out samples."""
    model, noise = subject.model, noise_of(subject.seed, subject.loaded.device)
    if not isinstance(model, Inspectable):
        reason = f"{model.family}'s losses depend on both players and do not measure quality"
        return dashes((f"held-out {name}" for name in LOSSES), reason)
    gathered: dict[str, list[Tensor]] = {}
    units: dict[str, str] = {}
    with looking(model):
        for part in subject.in_range(subject.held_out):
            for name, (values, unit) in model.losses(Batch(x=part, noise=noise)).items():
                gathered.setdefault(name, []).append(values.cpu())
                units[name] = unit
    records = [loss(subject, name, torch.cat(gathered[name]), units[name]) for name in gathered]
    lacking = (f"held-out {name}" for name in LOSSES if name not in gathered)
    return [*records, *dashes(lacking, f"{model.family} has no posterior")]


def loss(subject: Subject, name: str, values: Tensor, unit: str) -> Record:
    """A part of the loss, `(n,)`.

    A smaller rate is not better by itself, nor is a VAE's distortion, which a small beta buys; and a
    distortion of noisy draws of the posterior is not that of codes without noise.
    """
    law, metric = subject.loaded.config.likelihood.kind, f"held-out {name}"
    drawn = isinstance(subject.model, VAE)
    better = "none" if name == "rate" or (drawn and name == "distortion") else "lower"
    if name == "distortion":
        latents = "posterior draw" if drawn else "code"
        record = cost(subject, metric, values, likelihood=law, latents=latents)
        return replace(record, direction=better)
    if name == "-elbo":
        return cost(subject, metric, values, likelihood=law)
    return mean_record(metric, values, unit, better, likelihood=law)


def few_draws(subject: Subject) -> list[Record]:
    """The importance-weighted bound of a few draws on every held-out sample."""
    name = f"-log p(x) bound, k={FEW}"
    if not isinstance(subject.model, Likelihood):
        return [Record(metric=name, value=None, reason=f"{subject.family} has no likelihood")]
    law = subject.loaded.config.likelihood.kind
    return [cost(subject, name, subject.few_bound, likelihood=law, draws=FEW)]


def many_draws(subject: Subject) -> list[Record]:
    """The bound of thousands of draws: on a subset, carried over to all held-out samples.

    The few draws' bound is known of every sample, and what more draws add varies little between them. So
    the mean over all of the first plus the mean over the subset of the second has nearly the error of all
    samples at a tenth of the cost (Cochran 1977, "Sampling Techniques", section 9.8, a difference
    estimator). Its values a sample have that mean, and as standard error that of the estimator.
    """
    draws = subject.protocol.draws
    name = f"-log p(x) bound, k={draws}"
    model = subject.model
    if not isinstance(model, VAE):
        names = (
            *([name] if draws != FEW else []),
            "effective draws",
            *(BITS if subject.pictures else ()),
        )
        return dashes(names, f"{subject.family} has no likelihood")
    noise = noise_of(mix(subject.seed, 5), subject.loaded.device)
    rows = subject.subset(min(subject.protocol.images, subject.count))
    many, ess = [], []
    with looking(model):
        parts = list(subject.in_range(subject.held_out[rows], 50))
        for done, part in enumerate(parts):
            subject.listener.worked(f"drawing {draws:,} latents a sample", done, len(parts))
            found = model.importance(part, noise, draws)
            many.append(-found.value.cpu())
            ess.append(found.ess.cpu())
    subject.listener.worked(f"drawing {draws:,} latents a sample", len(parts), len(parts))
    weights = torch.cat(ess)
    bound = carried_over(subject.few_bound.double(), torch.cat(many), rows)
    settings = {
        "likelihood": subject.loaded.config.likelihood.kind,
        "draws": draws,
        "images": len(rows),
        "draws_on_all": FEW,
    }
    low = float((weights < 10).double().mean())
    warnings = ()
    if low > 0.1:
        warnings = (
            f"{100 * low:.0f} % of samples rest on fewer than 10 effective draws of {draws:,}: the bound "
            "is loose there; draw more, or anneal (--chains)",
        )
    # The gain is known of these samples alone.
    rest = len(rows) - 1 or None
    record = cost(subject, name, bound, warnings, **settings).with_degrees(rest)
    return [
        *([record] if draws != FEW else []),
        Record(
            metric="effective draws",
            value=float(weights.mean()),
            direction="none",
            uncertainty=float(weights.std()) / math.sqrt(len(rows)) if len(rows) > 1 else None,
            method="standard error over samples",
            n=len(rows),
            reference={"all draws": float(draws)},
            settings=settings,
        ),
        *(record.with_degrees(rest) for record in bits(subject, bound, **settings)),
    ]


def cost(
    subject: Subject, metric: str, nll: Tensor, warnings: tuple[str, ...] = (), **settings: Any
) -> Record:
    """A record of what held-out samples cost, `(n,)` in nats, beside what no model can be below."""
    if reason := refusal(subject, nll):
        return Record(metric=metric, value=None, reason=reason)
    record = mean_record(metric, nll, "nats", "lower", subject.anchors, **settings)
    return replace(record, warnings=warnings)


def refusal(subject: Subject, nll: Tensor, rows: Tensor | None = None) -> str:
    """Why these negative log-likelihoods `(n,)` cannot be right; empty where they can.

    Arguments:
        subject: What is judged.
        nll: In nats.
        rows: Which held-out samples they are of; None for all.
    """
    if subject.floor is None:
        return ""
    floor = subject.floor if rows is None else subject.floor[rows]
    # Of pairs: that some pictures cost more than others, they share with their entropy.
    above = nll.double() - floor
    error = float(above.std()) / math.sqrt(len(above)) if len(above) > 1 else 0.0
    mean = float(floor.mean())
    try:
        # Networks compute in float32, whose rounding a model at the floor is not to be blamed for.
        check_above_floor(float(nll.double().mean()), mean, max(error, 1e-6 * mean))
    except DataError as found:
        return str(found)
    return ""


def carried_over(few: Tensor, many: Tensor, rows: Tensor) -> Tensor:
    """The values `(n,)` of a difference estimator, from `few` `(n,)` and `many` `(m,)`, which is of `rows`.

    Where `many` is known, its gain counts for n / m samples; so the standard error of the values' mean is
    sqrt(var(many) / n + var(gain) (1/m - 1/n)) but for terms of 1/n, and differences of two models may be
    paired.
    """
    gain = many - few[rows]
    values = few + gain.mean()
    values[rows] += len(few) / len(rows) * (gain - gain.mean())
    return values


def bits(subject: Subject, bound: Tensor, **settings: Any) -> list[Record]:
    """Bits per dimension of a bound `(n,)` in nats made with these settings: of 8-bit values alone."""
    law = subject.loaded.config.likelihood.kind
    if not subject.pictures:
        return []
    if law != "discretized_logistic":
        reason = f"a {law} density of values that were never dithered can be as high as one likes"
        if law == "bernoulli":
            reason = "pixels that count as probabilities have no likelihood of 8-bit values"
        return dashes(BITS, reason)
    scale = subject.nats_to_bits
    beside = {name: scale * value for name, value in subject.anchors.items()}
    return [mean_record(BITS[0], bound * scale, "bits", "lower", beside, **settings)]
