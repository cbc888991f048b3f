"""The likelihood of a few held-out samples between two sides: annealed from the prior, and back."""

from __future__ import annotations

from torch import Tensor

from ..latent.annealing import Annealed, Annealing, Sandwich, ais, bdmc_of_model, joined, joint_of
from ..models.vae import VAE
from ..records import Record
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
    (value, error), (gap, gap_error) = found.mean(), both.gap()
    settings = {
        "likelihood": subject.loaded.config.likelihood.kind,
        "steps": HOW.steps,
        "chains": HOW.chains,
        "leapfrogs": HOW.leapfrogs,
    }
    record = Record(
        metric="-log p(x) by AIS",
        value=-value,
        unit="nats",
        direction="lower",
        uncertainty=error,
        method="standard error over samples",
        n=count,
        reference={
            f"bound of {FEW} draws, the same samples": float(subject.few_bound[rows].mean())
        },
        settings=settings,
    ).showing(acceptance=round(float(found.acceptance.mean()), 3))
    if reason := refusal(subject, -found.bound, rows):
        record = Record(metric=record.metric, value=None, reason=reason)
    return [
        record,
        Record(
            metric="BDMC gap",
            value=gap,
            unit="nats",
            direction="none",
            uncertainty=gap_error,
            method="standard error over samples that the model made",
            n=count,
            reference={"exact": 0.0},
            settings=settings,
        ),
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
