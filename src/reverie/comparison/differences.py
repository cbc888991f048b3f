"""Whether two rows differ: a difference with its interval, and a word that several tests may share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..metrics.intervals import (
    holm,
    normal_cdf,
    paired_difference,
    student_t_quantile,
    student_t_tails,
)
from .rows import Row, stacked

LEVEL = 0.05
Z = 1.959964
"""The normal distribution's 97.5 % point."""


@dataclass(frozen=True)
class Difference:
    """The leader of a metric against another row.

    Arguments:
        metric: The metric.
        leader: The row whose value is the best.
        other: The row it is held against.
        value: The leader's value minus the other's.
        low: The lower end of the 95 % interval of `value`; None where no uncertainty is known.
        high: Its upper end.
        p: The p-value of no difference, corrected for all differences of the table (Holm 1979); None
            where no uncertainty is known.
        method: What the interval rests on.
    """

    metric: str
    leader: str
    other: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    method: str

    @property
    def verdict(self) -> str:
        """In words, from the leader's side."""
        if self.p is None:
            return "not distinguishable: no uncertainty is known"
        return "better" if self.p < LEVEL else "not distinguishable at this n"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.__dict__, "verdict": self.verdict}


def compare_rows(rows: list[Row], metric: str) -> list[Difference]:
    """The leader of a metric against every other row; none where neither direction is better."""
    direction = rows[0].each(metric)[0]["direction"]
    if direction == "none":
        return []
    sign = 1 if direction == "lower" else -1
    ranked = sorted(rows, key=lambda row: sign * row.record(metric)["value"])
    return [difference(ranked[0], other, metric) for other in ranked[1:]]


def difference(a: Row, b: Row, metric: str) -> Difference:
    """How far two rows are apart: over seeds, else over samples, else by their standard errors."""
    value = a.record(metric)["value"] - b.record(metric)["value"]
    seeds = [row.each(metric) for row in (a, b)]
    many = min(len(found) for found in seeds) >= 2
    low = high = p = None
    method = ""
    if many and [r["seed"] for r in seeds[0]] == [r["seed"] for r in seeds[1]]:
        found = paired_difference(stacked(a, metric), stacked(b, metric))
        low, high, p = found.low, found.high, found.p
        method = f"paired by seed, {len(seeds[0])} seeds"
    elif many:
        low, high, p = welch(stacked(a, metric), stacked(b, metric))
        method = f"Welch's t over {len(seeds[0])} and {len(seeds[1])} seeds"
    elif (pair := samples_of(a, b, metric)) is not None:
        found = paired_difference(*pair)
        # Values a sample are kept in float32; the records' difference is the one to show.
        low, high, p = (value + found.low - found.value, value + found.high - found.value, found.p)
        method = f"paired over {len(pair[0]):,} samples; seeds are not known"
    else:
        errors = [row.record(metric)["uncertainty"] for row in (a, b)]
        if None not in errors:
            error = math.hypot(*errors)
            low, high = value - Z * error, value + Z * error
            p = 2 * normal_cdf(-abs(value) / error) if error else float(value == 0)
            method = "the values' standard errors; seeds are not known"
    return Difference(metric, a.name, b.name, value, low, high, p, method)


def samples_of(a: Row, b: Row, metric: str) -> tuple[Tensor, Tensor] | None:
    """The values of the same samples under two single runs."""
    if len(a.folders) > 1 or len(b.folders) > 1:
        return None
    name = a.each(metric)[0]["metric"]
    one, two = a.values[0].get(name), b.values[0].get(name)
    if one is None or two is None or one.shape != two.shape or len(one) < 2:
        return None
    for row, values in ((a, one), (b, two)):
        away = float(values.double().mean()) - row.record(metric)["value"]
        # After a crash they may be those of another judgement; float32 keeps seven digits.
        if abs(away) > 1e-5 * float(values.double().abs().mean()):
            return None
    return one.double(), two.double()


def welch(a: Tensor, b: Tensor) -> tuple[float, float, float]:
    """The 95 % interval of the difference of two means, and its p-value. Welch (1947)."""
    parts = [float(x.var()) / len(x) for x in (a, b)]
    error, value = math.sqrt(sum(parts)), float(a.mean() - b.mean())
    if error == 0:
        return value, value, float(value == 0)
    df = sum(parts) ** 2 / sum(
        part**2 / (len(x) - 1) for part, x in zip(parts, (a, b), strict=True)
    )
    reach = student_t_quantile(0.975, df) * error
    return value - reach, value + reach, student_t_tails(value / error, df)


def corrected(differences: list[Difference]) -> list[Difference]:
    """The same with p-values for the whole table."""
    known = [i for i, found in enumerate(differences) if found.p is not None]
    adjusted = holm([differences[i].p or 0.0 for i in known])
    made = list(differences)
    for i, p in zip(known, adjusted, strict=True):
        made[i] = replace(made[i], p=p)
    return made


def leaders(differences: Iterable[Difference]) -> dict[str, str]:
    """The row that is better than every other, by metric."""
    found: dict[str, list[Difference]] = {}
    for each in differences:
        found.setdefault(each.metric, []).append(each)
    return {
        metric: each[0].leader
        for metric, each in found.items()
        if all(one.verdict == "better" for one in each)
    }
