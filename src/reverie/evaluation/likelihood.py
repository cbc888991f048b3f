"""What held-out samples cost: the model's own loss, and bounds on their likelihood."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..metrics.baselines import binarisation_floor, independent_bernoulli
from ..models.base import Batch, Inspectable, Likelihood
from ..models.vae import VAE
from ..records import Record, mean_record
from ..tensors import noise_of
from ..training import looking
from .subject import FEW, Subject


def losses(subject: Subject) -> list[Record]:
    """Each part of the model's own loss on held-out samples."""
    model, noise = subject.model, noise_of(subject.seed, subject.loaded.device)
    if not isinstance(model, Inspectable):
        reason = f"{model.family}'s losses depend on both players and do not measure quality"
        return [Record(metric="held-out loss", value=None, reason=reason)]
    gathered: dict[str, list[Tensor]] = {}
    units: dict[str, str] = {}
    with looking(model):
        for part in subject.in_range(subject.held_out):
            for name, (values, unit) in model.losses(Batch(x=part, noise=noise)).items():
                gathered.setdefault(name, []).append(values.cpu())
                units[name] = unit
    law = subject.loaded.config.likelihood.kind
    return [
        mean_record(
            f"held-out {name}",
            torch.cat(values),
            units[name],
            "lower",
            reference=anchors(subject) if name in ("-elbo", "distortion") else None,
            likelihood=law,
        )
        for name, values in gathered.items()
    ]


def few_draws(subject: Subject) -> list[Record]:
    """The importance-weighted bound of a few draws on every held-out sample."""
    name = f"-log p(x) bound, k={FEW}"
    if not isinstance(subject.model, Likelihood):
        return [Record(metric=name, value=None, reason=f"{subject.family} has no likelihood")]
    values = -subject.loaded.log_likelihood(subject.held_out, draws=FEW, seed=subject.seed)
    return [
        mean_record(
            name,
            values,
            "nats",
            "lower",
            reference=anchors(subject),
            likelihood=subject.loaded.config.likelihood.kind,
            draws=FEW,
        )
    ]


def many_draws(subject: Subject) -> list[Record]:
    """The bound of thousands of draws: on a subset, carried over to all held-out samples.

    The few draws' bound is known of every sample, and what more draws add varies little between them. So
    the mean over all of the first plus the mean over the subset of the second has nearly the error of all
    samples at a tenth of the cost (Cochran 1977, "Sampling Techniques", section 9.8, a difference
    estimator).
    """
    draws = subject.protocol.draws
    name = f"-log p(x) bound, k={draws}"
    model = subject.model
    if not isinstance(model, VAE):
        return [Record(metric=name, value=None, reason=f"{subject.family} has no likelihood")]
    noise = noise_of(subject.seed, subject.loaded.device)
    rows = subject.subset(min(subject.protocol.images, subject.count))
    few, many, ess = [], [], []
    with looking(model):
        for part in subject.in_range(subject.held_out):
            few.append(-model.importance(part, noise, FEW).value.cpu())
        parts = list(subject.in_range(subject.held_out[rows], 50))
        for done, part in enumerate(parts):
            subject.listener.worked(f"drawing {draws:,} latents a sample", done, len(parts))
            found = model.importance(part, noise, draws)
            many.append(-found.value.cpu())
            ess.append(found.ess.cpu())
    subject.listener.worked(f"drawing {draws:,} latents a sample", len(parts), len(parts))
    cheap, dear, weights = torch.cat(few), torch.cat(many), torch.cat(ess)
    gain = dear - cheap[rows]
    spread = gain.var() * (1 / len(rows) - 1 / subject.count) if len(rows) > 1 else 0.0
    error = math.sqrt(float(dear.var() / subject.count + spread))
    bound = cheap + gain.mean()
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
    return [
        Record(
            metric=name,
            value=float(bound.mean()),
            unit="nats",
            direction="lower",
            uncertainty=error,
            method="standard error over samples, of a difference estimator",
            n=subject.count,
            reference=anchors(subject),
            settings=settings,
            warnings=warnings,
            values=bound.float(),
        ),
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
        *bits(subject, bound),
    ]


def bits(subject: Subject, bound: Tensor) -> list[Record]:
    """Bits per dimension, for a likelihood of 8-bit values."""
    law = subject.loaded.config.likelihood.kind
    if not subject.pictures or law == "bernoulli":
        return []
    if law != "discretized_logistic":
        reason = f"a {law} density of values that were never dithered can be as high as one likes"
        return [Record(metric="bits/dim", value=None, reason=reason)]
    record = mean_record("bits/dim", bound * subject.nats_to_bits, "bits", "lower", likelihood=law)
    return [record]


def anchors(subject: Subject) -> dict[str, float]:
    """What no Bernoulli model can be below, and what one without latents reaches, in nats."""
    if subject.loaded.config.likelihood.kind != "bernoulli" or not subject.pictures:
        return {}
    x, train = subject.held_out.flatten(1), subject.training.flatten(1)
    return {
        "hard floor": float(binarisation_floor(x).mean()),
        "independent Bernoulli": float(independent_bernoulli(train, x).mean()),
    }
