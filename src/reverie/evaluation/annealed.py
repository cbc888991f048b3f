"""The likelihood of a few held-out samples between two sides: annealed from the prior, and back."""

from __future__ import annotations

import torch

from ..latent.annealing import Annealing, ais, bdmc_of_model, joint_of
from ..models.vae import VAE
from ..records import Record
from ..tensors import mix
from .likelihood import refusal
from .subject import Subject, dashes

HOW = Annealing(steps=500, chains=8)


def annealed(subject: Subject) -> list[Record]:
    """AIS on held-out samples, and BDMC on as many that the model made, if they were asked for."""
    count = min(subject.protocol.chains, subject.count)
    if count == 0:
        return []
    model = subject.model
    if not isinstance(model, VAE):
        return dashes(("-log p(x) by AIS", "BDMC gap"), f"{subject.family} has no likelihood")
    rows = subject.subset(count)
    x = torch.cat(list(subject.in_range(subject.held_out[rows])))
    joint = joint_of(model.prior, model.decoder, model.likelihood)
    seed = mix(subject.seed, 3)
    found = ais(joint, x, HOW, seed)
    value, error = found.mean()
    both = bdmc_of_model(model.prior, model.decoder, model.likelihood, count, HOW, seed)
    gap, gap_error = both.gap()
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
