"""Whether latents tell the factors of variation apart, on data whose factors are known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..data import sprites
from ..metrics.dci import PENALTY, dci
from ..metrics.disentanglement import (
    BATCH,
    BINS,
    QUANTILE,
    VOTES,
    factor_vae_score,
    irs,
    mig,
    modularity,
    sap,
)
from ..models.base import Encoder
from ..records import Record
from ..tensors import mix
from .subject import Subject, dashes

COUNT = 10_000
NAMES = (
    "MIG",
    "SAP",
    "DCI disentanglement",
    "DCI completeness",
    "DCI informativeness",
    "modularity",
    "IRS",
    "FactorVAE score",
)
NOMINAL = (0, 2)
"""The shape has no order, and a rotation no ends."""
HOW: dict[str, dict[str, Any]] = {
    "MIG": {"bins": BINS},
    "SAP": {"bins": BINS},
    "modularity": {"bins": BINS},
    "DCI": {
        "predictor": "lasso, L1 logistic where nominal",
        "penalty": PENALTY,
        "factors weigh": "what is predicted of them",
    },
    "IRS": {"quantile": QUANTILE},
}
"""What each estimator was set to."""
SHORT = ("MIG", "SAP", "DCI completeness", "DCI informativeness")
"""These cannot be 1 here: places have more levels than there are bins, shapes no order, and no linear
classifier names forty rotations."""
SHARES = ("DCI disentanglement", "DCI completeness")
SILENT = 0.02
"""The informativeness below which these are shares of noise, in which some codes are always ahead."""


def factors(subject: Subject) -> list[Record]:
    """MIG, SAP, DCI, modularity, IRS and the FactorVAE score of posterior means on fresh sprites."""
    own = set(subject.dataset.spec.classes) == set(sprites.SHAPES)
    if subject.dataset.name != "sprites" or not own or not subject.pictures:
        return []  # a person's own data may be called so too
    if not isinstance(subject.model, Encoder):
        return dashes(NAMES, f"{subject.family} has no encoder")
    channels, height, width = subject.loaded.spec.shape
    if channels != 1 or height != width:
        return dashes(NAMES, "sprites are drawn in grey on squares alone")
    pictures, known = sprites.sample(COUNT, mix(subject.seed, 4), height)
    codes, truth = subject.loaded.encode(pictures), torch.from_numpy(known)
    if codes.shape[1] < 2:
        return dashes(NAMES, "a single latent has no second to lead by")

    def fixing(factor: int, count: int, seed: int) -> Tensor:
        return subject.loaded.encode(sprites.sample(count, seed, height, factor)[0])

    gaps = mig(codes, truth)
    separated = sap(codes, truth, NOMINAL)
    parts = dci(codes, truth, subject.seed, NOMINAL)
    votes = factor_vae_score(codes, fixing, truth.shape[1], subject.seed)
    names = list(sprites.FACTORS)
    each = {name: round(float(gap), 4) for name, gap in zip(names, gaps.gaps, strict=True)}
    values = {
        "MIG": gaps.score,
        "SAP": separated.score,
        "DCI disentanglement": parts.disentanglement,
        "DCI completeness": parts.completeness,
        "DCI informativeness": parts.informativeness,
        "modularity": modularity(codes, truth),
        "IRS": irs(codes, truth).score,
    }
    settings = {"codes": "posterior mean", "factors": ", ".join(names)}
    reasons: dict[str, str] = {}
    if parts.informativeness < SILENT:
        nothing = f"the codes predict nothing of any factor ({parts.informativeness:.3f})"
        reasons = {name: nothing for name in SHARES}
    made = [
        Record(
            metric=name,
            value=None if name in reasons else value,
            reason=reasons.get(name, ""),
            direction="higher",
            n=COUNT,
            settings={**settings, **HOW.get(name.split()[0], {})},
            reference={} if name in SHORT else {"perfect": 1.0},
        )
        for name, value in values.items()
    ]
    made[0] = made[0].showing(gaps=each)
    score = Record(
        metric="FactorVAE score",
        value=votes.score.value,
        direction="higher",
        n=COUNT,
        settings={**settings, "votes": VOTES, "batch": BATCH},
        reference={"chance": 1 / len(names), "perfect": 1.0},
    )
    return [*made, score.with_interval(votes.score.low, votes.score.high, "95 % Wilson interval")]
