"""Which modes of the data samples reach: known centres, classes, or clusters of held-out data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..data.toys import GRID_SIGMA, RING_SIGMA, grid_means, ring_means
from ..errors import DataError
from ..metrics.modes import ModeCounts, UnreachedModes, assign_modes, count_modes, unreached_modes
from ..models.base import Sampler
from ..records import Record
from .samples import lacking, scored
from .subject import Subject

CLUSTERS = 50
KNOWN = {"ring": (ring_means, RING_SIGMA), "grid": (grid_means, GRID_SIGMA)}
RIGHT = 0.8
"""The share of held-out samples whose mode a rule must name rightly for its modes to be the data's."""
NAMES = (
    "modes reached",
    "modes with a fair share",
    "good samples",
    "KL of modes",
    "clusters reached",
)
NAMED = 10
"""Lost modes that a warning names, at most."""


@dataclass(frozen=True)
class Naming:
    """A rule for which mode a sample is of.

    Arguments:
        rule: In words.
        mode: The mode of each of `(N, *shape)`, `(N,)`, and which are good; None where all are.
        shares: The data's share of each mode; None for equal ones.
        settings: What else decides which mode a sample is of.
    """

    rule: str
    mode: Callable[[Tensor], tuple[Tensor, Tensor | None]]
    shares: Tensor | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def modes(subject: Subject) -> list[Record]:
    """Counts of modes; clusters of held-out features stand for modes where no others are known."""
    if not isinstance(subject.model, Sampler):
        return lacking(subject, NAMES)
    naming = known_modes(subject)
    records = counted(subject, naming) if naming is not None else []
    try:
        found = unreached(subject)
    except DataError as error:
        reason = str(error)
        return [*records, Record(metric="clusters reached", value=None, reason=reason)]
    return [*records, clustered(subject, found)]


def known_modes(subject: Subject) -> Naming | None:
    """What may name modes: a toy's Gaussians or an extractor's classes, where the data has as many."""
    spec, y = subject.dataset.spec, subject.dataset.train.y
    total = len(spec.classes)
    if y is None or subject.labels is None or not (y.bincount(minlength=total) > 0).all():
        return None
    if subject.dataset.name in KNOWN and tuple(spec.shape) == (2,):
        means, sigma = KNOWN[subject.dataset.name]
        centres = torch.as_tensor(means()).float()
        naming = Naming(
            "within 3 sigma of the nearest centre", lambda x: assign_modes(x, centres, sigma)
        )
        return naming if total == len(centres) else None
    if not total or total != subject.extractor.card.classes:
        return None

    def mode(x: Tensor) -> tuple[Tensor, None]:
        return subject.extractor.probabilities(x).argmax(1), None

    classifier = {"extractor": subject.extractor.record()}
    return Naming("the extractor's class", mode, y.bincount().double() / len(y), classifier)


def counted(subject: Subject, naming: Naming) -> list[Record]:
    """The records of modes that have names; none where the rule does not know those of this data."""
    names = subject.dataset.spec.classes
    total = len(names)
    label, good = naming.mode(subject.held_out)
    hits = label == subject.labels
    right = float((hits if good is None else hits & good).double().mean())
    if right < RIGHT:
        return []
    real = count_modes(label, total, good, naming.shares)
    label, good = naming.mode(subject.samples)
    found = count_modes(label, total, good, naming.shares)
    settings = {
        "mode": naming.rule,
        **naming.settings,
        "named rightly": round(right, 4),
        "sampling_seed": subject.seed,
    }
    lost = [names[mode] for mode in (found.counts == 0).nonzero().flatten().tolist()]
    listed = ", ".join(lost[:NAMED]) + (", ..." if len(lost) > NAMED else "")
    warnings = (f"no sample is of {len(lost)} of {total} modes: {listed}",) if lost else ()
    records = [
        Record(
            metric=metric,
            value=float(value),
            direction="higher",
            n=subject.count,
            reference={"held-out data": float(other), "all": float(total)},
            settings=settings,
            warnings=warnings if metric == "modes reached" else (),
        )
        for metric, value, other in (
            ("modes reached", found.reached, real.reached),
            ("modes with a fair share", found.fair, real.fair),
        )
    ]
    if not subject.pictures:
        within = Record(
            metric="good samples",
            value=found.good.value,
            direction="higher",
            n=subject.count,
            reference={"held-out data": real.good.value, "perfect samples": 0.98889},
            settings=settings,
        )
        ends = found.good.low, found.good.high
        records.append(within.with_interval(*ends, "95 % Wilson interval"))
    counts = dict(zip(names, found.counts.tolist(), strict=True))
    records[0] = records[0].showing(counts=counts)
    return [*records, divergence(subject, found, real, settings)]


def divergence(
    subject: Subject, found: ModeCounts, real: ModeCounts, settings: dict[str, Any]
) -> Record:
    """The record of the mode histogram's divergence from that of the training data."""
    if found.kl is None:
        return Record(metric="KL of modes", value=None, reason="no sample is of any mode")
    reference = {"perfect samples": found.kl_floor, "at most": found.kl_ceiling}
    return Record(
        metric="KL of modes",
        value=found.kl,
        unit="nats",
        direction="lower",
        n=subject.count,
        reference=reference | ({} if real.kl is None else {"held-out data": real.kl}),
        settings=settings,
    )


def unreached(subject: Subject, of: str = "samples") -> UnreachedModes:
    """Clusters of held-out features, with those that no sample is of."""
    held_out = subject.features("held out")
    clusters = min(CLUSTERS, max(2, len(held_out) // 20))
    return unreached_modes(held_out, subject.features(of), clusters, seed=subject.seed)


def clustered(subject: Subject, found: UnreachedModes) -> Record:
    """The record of clusters, which has the rows of those never reached.

    Around outliers there are clusters that no other sample reaches: as many training samples say how many.
    """
    total = len(found.real)
    missing = len(found.unreached)
    reference = {"all": float(total)}
    chance = found.expected
    if not subject.too_few:
        real = len(unreached(subject, "training").unreached)
        reference = {"training data": float(total - real), **reference}
        chance = max(chance, real)
    warnings = ()
    if missing > chance + 2:
        share = float(found.real[found.unreached].sum() / found.real.sum())
        warnings = (
            f"{missing} of {total} clusters of held-out data, {100 * share:.0f} % of it, are never "
            "generated; the report shows one of each",
        )
    return scored(
        subject,
        "clusters reached",
        float(total - missing),
        "higher",
        reference=reference,
        warnings=warnings,
        clusters=total,
    ).showing(unreached=found.representatives)
