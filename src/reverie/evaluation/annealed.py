"""The likelihood of a few held-out samples between two sides: annealed from the prior, and back."""

from __future__ import annotations

from torch import Tensor

from ..latent.annealing import Annealed, Annealing, Sandwich, ais, bdmc_of_model, joined, joint_of
from ..models.vae import VAE
from ..records import Record, mean_record
from ..tensors import mix
from .likelihood import refusal
from .subject import FEW, Subject, dashes

HOW = Annealing(steps=500, chains=8)
PART = 16
"""Samples annealed at a time: as often as progress is shown."""


def annealed(subject: Subject) -> list[Record]:
    """AIS on held-out samples, and BDMC on as many that the model made, if they were asked for."""
    count = min(subject.protocol.chains, subject.count)
    if count == 0:
        return []
    model = subject.model
    if not isinstance(model, VAE):
        return dashes(("-log p(x) by AIS", "BDMC gap"), f"{subject.family} has no likelihood")
    rows = subject.subset(count)
    found, both = chains(subject, model, rows)
    nll = -found.bound.cpu()
    gap = (both.upper.bound - both.lower.bound).cpu()
    settings = {
        "likelihood": subject.loaded.config.likelihood.kind,
        "steps": HOW.steps,
        "chains": HOW.chains,
        "leapfrogs": HOW.leapfrogs,
        "sampling_seed": subject.seed,
    }
    record = mean_record(
        "-log p(x) by AIS",
        nll,
        "nats",
        "lower",
        {f"bound of {FEW} draws, the same samples": float(subject.few_bound[rows].mean())},
        **settings,
    ).showing(acceptance=round(float(found.acceptance.mean()), 3))
    if reason := refusal(subject, nll, rows):
        record = Record(metric=record.metric, value=None, reason=reason)
    return [
        record,
        mean_record("BDMC gap", gap, "nats", "none", {"exact": 0.0}, **settings),
    ]


def chains(subject: Subject, model: VAE, rows: Tensor) -> tuple[Annealed, Sandwich]:
    """AIS of these held-out samples, and BDMC of as many simulated ones."""
    law = model.prior, model.decoder, model.likelihood
    seed, found, both = mix(subject.seed, 3), [], []
    for done, x in enumerate(subject.in_range(subject.held_out[rows], PART)):
        subject.listener.worked("annealing", done * PART, len(rows))
        found.append(ais(joint_of(*law), x, HOW, mix(seed, 2 * done)))
        both.append(bdmc_of_model(*law, len(x), HOW, mix(seed, 2 * done + 1)))
    subject.listener.worked("annealing", len(rows), len(rows))
    sides = (joined([part.lower for part in both]), joined([part.upper for part in both]))
    return joined(found), Sandwich(*sides)
