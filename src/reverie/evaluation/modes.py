"""Which modes of the data samples reach: known centres, classes, or clusters of held-out data."""

from __future__ import annotations

import torch

from ..data.toys import GRID_SIGMA, RING_SIGMA, grid_means, ring_means
from ..errors import DataError
from ..metrics.modes import ModeCounts, UnreachedModes, assign_modes, count_modes, unreached_modes
from ..models.base import Sampler
from ..records import Record
from .samples import lacking, scored
from .subject import Subject

CLUSTERS = 50
KNOWN = {"ring": (ring_means, RING_SIGMA), "grid": (grid_means, GRID_SIGMA)}


def modes(subject: Subject) -> list[Record]:
    """Counts of modes; clusters of held-out features stand for modes where no others are known."""
    if not isinstance(subject.model, Sampler):
        return lacking(subject, ("modes reached",))
    records = []
    counts, rows = known_modes(subject)
    if counts is not None:
        records += counted(subject, counts, rows)
    try:
        found = unreached(subject)
    except DataError as error:
        reason = str(error)
        return [*records, Record(metric="clusters reached", value=None, reason=reason)]
    return [*records, clustered(subject, found)]


def known_modes(subject: Subject) -> tuple[ModeCounts | None, str]:
    """How samples fall on modes that have names: a toy's Gaussians, or an extractor's classes."""
    name = subject.dataset.name
    if name in KNOWN and not subject.pictures:
        means, sigma = KNOWN[name]
        centres = torch.as_tensor(means()).float()
        labels, good = assign_modes(subject.samples.flatten(1), centres, sigma)
        return count_modes(labels, len(centres), good), "within 3 sigma of the nearest centre"
    classes = subject.extractor.card.classes
    if (
        not classes
        or subject.dataset.train.y is None
        or len(subject.dataset.spec.classes) != classes
    ):
        return None, ""
    labels = subject.extractor.probabilities(subject.samples).argmax(1)
    shares = subject.dataset.train.y.bincount(minlength=classes).double()
    return count_modes(labels, classes, shares=shares / shares.sum()), "the extractor's class"


def counted(subject: Subject, found: ModeCounts, rule: str) -> list[Record]:
    """The records of modes that have names."""
    total = len(found.counts)
    share = {"n": subject.count, "settings": {"mode": rule, "sampling_seed": subject.seed}}
    lost = tuple(
        f"no sample is of mode {mode}" for mode in (found.counts == 0).nonzero().flatten().tolist()
    )
    records = [
        Record(
            metric="modes reached",
            value=float(found.reached),
            direction="higher",
            reference={"all": float(total)},
            warnings=lost[:3],
            **share,
        ),
        Record(
            metric="modes with a fair share",
            value=float(found.fair),
            direction="higher",
            reference={"all": float(total)},
            **share,
        ),
    ]
    if not subject.pictures:
        good = Record(
            metric="good samples",
            value=found.good.value,
            direction="higher",
            reference={"perfect samples": 0.98889},
            **share,
        )
        records.append(good.with_interval(found.good.low, found.good.high, "95 % Wilson interval"))
    if found.kl is not None:
        records.append(
            Record(
                metric="KL of modes",
                value=found.kl,
                unit="nats",
                direction="lower",
                reference={"perfect samples": found.kl_floor, "at most": found.kl_ceiling},
                **share,
            )
        )
    return records


def unreached(subject: Subject) -> UnreachedModes:
    """Clusters of held-out features, with those that no sample is of."""
    held_out = subject.features("held out")
    clusters = min(CLUSTERS, max(2, len(held_out) // 20))
    return unreached_modes(held_out, subject.features("samples"), clusters, seed=subject.seed)


def clustered(subject: Subject, found: UnreachedModes) -> Record:
    """The record of clusters, which has the rows of those never reached."""
    total = len(found.real)
    missing = len(found.unreached)
    warnings = ()
    if missing > found.expected + 2:
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
        reference={"held-out data": round(total - found.expected, 2), "all": float(total)},
        warnings=warnings,
        clusters=total,
    ).showing(unreached=found.representatives)
