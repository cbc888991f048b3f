"""How far samples are from held-out data in the features of an extractor, beside what real data scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import DataError
from ..features import distance_name
from ..metrics.frechet import (
    frechet_distance,
    frechet_infinity,
    gaussian_floor,
    moments,
)
from ..metrics.neighbours import EXPECTED_DENSITY, check_balls, expected_coverage, prdc
from ..models.base import Sampler
from ..records import Record, number
from ..tensors import mix
from .subject import GROUPS, Subject

NEIGHBOURS = 5
QUICK = ("FD", "density", "coverage")
OTHERS = ("training", "gaussian")
"""What stands in the samples' place for reference."""
COMPLETE = ("FD[", "FD infinity[", "FID")
"""Metrics whose names say already which extractor they are of."""
PARTS, FEWEST, SMALLEST = 10, 4, 200
"""Disjoint parts whose spread is that of precision, recall, density and coverage, how many will do, and of
how many samples: smaller ones are covered all but whole, and hardly spread."""
ROWS = {"training": "training data", "gaussian": "Gaussian baseline"}
HELD_OUT, TRAINING, BOTH = "held-out split", "training split", "training and held-out splits"
"""What samples are compared with."""
LEFT_OUT = 10
"""Groups of samples that are left out in turn for the spread of other scores."""
Part = tuple[tuple[str, ...], Callable[[Subject], list[Record]]]
"""Metrics, and the function that makes their records."""


def fidelity(subject: Subject) -> list[Record]:
    """Frechet distance, density and coverage of samples against held-out data."""
    if not isinstance(subject.model, Sampler):
        return lacking(subject, QUICK)
    balanced = ("density", "coverage")
    return judged(
        subject,
        [(("FD",), distance), (balanced, lambda s: balls(s, balanced, ("training",)))],
    )


def judged(subject: Subject, parts: list[Part]) -> list[Record]:
    """The records of all parts; metrics that the samples are too few for say so, and the others stand."""
    records: list[Record] = []
    for done, (names, judge) in enumerate(parts):
        subject.listener.worked("judging samples", done, len(parts))
        try:
            records += judge(subject)
        except DataError as error:
            records += [Record(metric=name, value=None, reason=str(error)) for name in names]
    return records


def lacking(subject: Subject, names: tuple[str, ...]) -> list[Record]:
    """The records of a model that does not sample."""
    reason = f"{subject.family} has no prior to sample from"
    return [Record(metric=name, value=None, reason=reason) for name in names]


def settings(subject: Subject, compared_with: str = HELD_OUT, **more: Any) -> dict[str, Any]:
    """What two scores of features must share; `compared_with` is empty where samples stand alone."""
    return {
        "extractor": subject.extractor.record(),
        **({"compared_with": compared_with} if compared_with else {}),
        "sampling_seed": subject.seed,
        **more,
    }


def scored(
    subject: Subject,
    metric: str,
    value: float,
    direction: Any = "lower",
    *,
    uncertainty: float | None = None,
    method: str = "",
    reference: dict[str, float] | None = None,
    warnings: tuple[str, ...] = (),
    **more: Any,
) -> Record:
    """A record of a score of features; `more` are settings, `compared_with` among them."""
    return Record(
        metric=metric if metric.startswith(COMPLETE) else f"{metric}[{subject.extractor.tag}]",
        value=value,
        direction=direction,
        uncertainty=uncertainty,
        method=method,
        n=subject.count,
        reference=reference or {},
        settings=settings(subject, **more),
        warnings=warnings,
    )


def instead(
    subject: Subject, score: Callable[[Tensor], Any], of: tuple[str, ...] = OTHERS
) -> dict[str, Any]:
    """The score of other things in the samples' place."""
    return {ROWS[name]: score(subject.features(name)) for name in there(subject, of)}


def there(subject: Subject, of: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `OTHERS` that there is enough of."""
    return tuple(name for name in of if name != "training" or not subject.too_few)


def distances(
    subject: Subject, score: Callable[[Tensor], float], of: tuple[str, ...]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The Frechet distance of other things in the samples' place, and a warning where one is too small."""
    found: dict[str, float] = {}
    warnings: list[str] = []
    if "training" in of and subject.too_few:
        warnings.append(f"no training data stands beside it: {subject.too_few}")
    for name in there(subject, of):
        try:
            found[ROWS[name]] = score(subject.features(name))
        except DataError as error:
            warnings.append(f"no {ROWS[name]} stands beside it: {error}")
    return found, tuple(warnings)


def distance(subject: Subject) -> list[Record]:
    """FD with its spread, its floor, and other things in the samples' place."""
    held_out, samples = subject.features("held out"), subject.features("samples")
    real, count = moments(held_out), subject.count
    others = ("training",) if subject.protocol.quick else OTHERS
    reference, warnings = distances(subject, lambda x: frechet_distance(moments(x), real), others)
    value, floor = frechet_distance(moments(samples), real), gaussian_floor(real, count)
    biased = f": about {number(floor)} of the distance is bias"
    warnings = (*few_for_features(subject, biased), *warnings)
    spread = None if subject.protocol.quick else subject.distance_spread
    return [
        scored(
            subject,
            distance_name(subject.extractor, count),
            value,
            uncertainty=spread,
            method="grouped jackknife of the samples" if spread is not None else "",
            reference=reference | {"Gaussian floor": floor},
            warnings=warnings,
        ).with_degrees(GROUPS - 1 if spread is not None else None)
    ]


def few_for_features(subject: Subject, so: str = "") -> tuple[str, ...]:
    """A warning where covariances of features have fewer than ten samples a feature, and what of it."""
    dimension = subject.features("held out").shape[1]
    if subject.count >= 10 * dimension:
        return ()
    few = f"{subject.count:,} samples are few for {dimension} features{so}"
    return (f"{few}; {10 * dimension:,} or more are needed",)


def infinity(subject: Subject) -> list[Record]:
    """The Frechet distance at infinitely many samples of both sides."""
    held_out, seed = subject.features("held out"), subject.seed
    found = frechet_infinity(held_out, subject.features("samples"), seed)
    reference, warnings = distances(
        subject, lambda x: frechet_infinity(held_out, x, seed).value, ("training",)
    )
    name = distance_name(subject.extractor, subject.count)
    drawing = subject.distance_spread
    return [
        scored(
            subject,
            "FID infinity" if name == "FID" else name.replace("FD", "FD infinity", 1),
            found.value,
            uncertainty=math.hypot(found.error, drawing) if drawing is not None else None,
            method="standard error of the intercept, and grouped jackknife of the samples",
            reference=reference,
            warnings=warnings,
            subsets=len(found.points),
        ).with_degrees(len(found.points) - 2 if drawing is not None else None)
    ]


BALLS = ("precision", "recall", "density", "coverage")
BEYOND = 3.0
"""Standard errors from which a value is better than that of equal distributions, which nothing is."""


def ranked_up_to(perfect: float, record: Record) -> Record:
    """The record, not to be ranked where it is better than samples of the data's own law would be.

    Samples that keep to the middle of the data lie within most balls and near to most centres.
    """
    sign = 1 if record.direction == "higher" else -1
    ahead = sign * ((record.value or 0.0) - perfect)
    if record.uncertainty is None or ahead <= BEYOND * record.uncertainty:
        return record
    text = (
        f"better than the {number(perfect)} of equal distributions, as samples are that keep to the middle "
        "of the data: it is not ranked; read recall"
    )
    return replace(record, direction="none", warnings=(*record.warnings, text))


def balls(subject: Subject, names: tuple[str, ...], others: tuple[str, ...]) -> list[Record]:
    """Precision, recall, density and coverage, from one pass over the distances."""
    check_balls(subject.count, NEIGHBOURS)
    held_out = subject.features("held out")
    found = prdc(held_out, subject.features("samples"), NEIGHBOURS)
    beside = instead(subject, lambda x: prdc(held_out, x, NEIGHBOURS), others)
    errors: dict[str, float] = {}
    parts = 0
    if not subject.protocol.quick:
        errors, parts = spread_of_parts(held_out, subject.features("samples"), subject.seed)
    equal = {
        "density": EXPECTED_DENSITY,
        "coverage": expected_coverage(len(held_out), subject.count, NEIGHBOURS),
    }
    records = [
        scored(
            subject,
            name,
            getattr(found, name),
            "higher",
            uncertainty=errors.get(name),
            method=f"spread of {parts} disjoint parts" if name in errors else "",
            reference={row: getattr(other, name) for row, other in beside.items()}
            | ({"equal distributions": equal[name]} if name in equal else {}),
            k=NEIGHBOURS,
        ).with_degrees(parts - 1 if name in errors else None)
        for name in names
    ]
    return [
        ranked_up_to(equal[name], record) if name in equal else record
        for name, record in zip(names, records, strict=True)
    ]


def spread_of_parts(real: Tensor, fake: Tensor, seed: int) -> tuple[dict[str, float], int]:
    """One standard error of each of `BALLS` for features `(N, D)` and `(M, D)`, and the parts it is from.

    The spread over disjoint parts of both sets: a bootstrap's copies would lie in each other's balls. Parts
    are drawn by the seed, since samples of classes come class by class in turn. Where a part would be
    below `SMALLEST` there are fewer parts, and below `FEWEST` none, and no errors.
    """
    parts = min(PARTS, min(len(real), len(fake)) // SMALLEST)
    if parts < FEWEST:
        return {}, 0
    generator = torch.Generator().manual_seed(mix(seed, 7))
    real, fake = (
        x[torch.randperm(len(x), generator=generator).to(x.device)] for x in (real, fake)
    )
    found = [prdc(real[i::parts], fake[i::parts], NEIGHBOURS) for i in range(parts)]
    values = {name: torch.tensor([getattr(f, name) for f in found]).double() for name in BALLS}
    return {name: float(x.std()) / math.sqrt(parts) for name, x in values.items()}, parts


def leaving_out(x: Tensor, score: Callable[[Tensor], float], seed: int) -> dict[str, Any]:
    """One standard error of a score from the draw of samples `(N, *shape)`, and how it was made.

    The spread as each of some groups is left out in turn, as for the Frechet distance. Empty where there
    are too few samples for groups of two, or those of one group alone differ from the rest.
    """
    if len(x) < 2 * LEFT_OUT:
        return {}
    generator = torch.Generator().manual_seed(mix(seed, 8))
    group = torch.randperm(len(x), generator=generator).to(x.device) % LEFT_OUT
    try:
        values = [score(x[group != g]) for g in range(LEFT_OUT)]
    except DataError:
        return {}
    spread = float(torch.tensor(values, dtype=torch.float64).std())
    spread *= (LEFT_OUT - 1) / math.sqrt(LEFT_OUT)
    return {"uncertainty": spread, "method": "grouped jackknife of the samples"}
