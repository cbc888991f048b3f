"""Whether two rows differ: a difference with its interval, and a word that several tests may share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from torch import Tensor

from ..metrics import intervals
from ..metrics.intervals import Interval, from_errors, holm, paired_difference, welch
from ..metrics.shares import newcombe
from .rows import Row, stacked

LEVEL = 0.05
WILSON = "Wilson"
"""What the method of a share's interval is known by."""


@dataclass(frozen=True)
class Difference:
    """The better of two rows against the other.

    Arguments:
        metric: The metric.
        leader: The row whose value is the better one.
        other: The row it is held against.
        value: The leader's value minus the other's.
        low: The lower end of the 95 % interval of `value`, which stands on its own; None where no
            uncertainty is known.
        high: Its upper end.
        p: The p-value of no difference, corrected for all pairs of rows of all ranked metrics (Holm
            1979); None where no uncertainty is known.
        method: What the interval rests on; empty where nothing is known.
        reason: Why there is no p-value.
    """

    metric: str
    leader: str
    other: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    method: str
    reason: str = ""

    @property
    def verdict(self) -> str:
        """In words, from the leader's side."""
        if self.p is None:
            return f"not distinguishable: {self.reason}"
        return "better" if self.p < LEVEL else "not distinguishable at this n"

    @property
    def of_other(self) -> str:
        """The same from the other row's side, with whom it is held against."""
        if self.p is None:
            return f"not distinguishable from {self.leader}: {self.reason}"
        if self.p < LEVEL:
            return f"worse than {self.leader}"
        return f"not distinguishable from {self.leader} at this n"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.__dict__, "verdict": self.verdict, "of_other": self.of_other}


def compare_rows(rows: list[Row], metric: str) -> list[Difference]:
    """All pairs of rows that may be ranked, those of the row with the best value first."""
    if len(rows) < 2:
        return []
    sign = 1 if rows[0].each(metric)[0]["direction"] == "lower" else -1
    ranked = sorted(rows, key=lambda row: sign * row.record(metric)["value"])
    return [difference(one, other, metric) for one, other in combinations(ranked, 2)]


def difference(a: Row, b: Row, metric: str) -> Difference:
    """How far two rows are apart: over seeds, else over samples, else by their uncertainties."""
    value = a.record(metric)["value"] - b.record(metric)["value"]
    found, method, reason = _tested(a, b, metric)
    if found is None or found.p is None:
        return Difference(metric, a.name, b.name, value, None, None, None, method, reason)
    # Values a sample are kept in float32; the records' difference is the one to show.
    low, high = (value + end - found.value for end in (found.low, found.high))
    return Difference(metric, a.name, b.name, value, low, high, found.p, method)


def _tested(a: Row, b: Row, metric: str) -> tuple[intervals.Difference | None, str, str]:
    """The difference with its p-value, what it rests on, and why it has none where it has none."""
    one, two = a.each(metric), b.each(metric)
    fewest, most = sorted((len(one), len(two)))
    if fewest > 1:
        same = [r["seed"] for r in one] == [r["seed"] for r in two]
        found = (paired_difference if same else welch)(stacked(a, metric), stacked(b, metric))
        method = f"Welch's t over {len(one)} and {len(two)} seeds"
        method = f"paired by seed, {len(one)} seeds" if same else method
        return found, method, "no spread over seeds to judge by"
    if most > 1:
        return None, "", "one seed, which says nothing of its spread over seeds"
    if (pair := samples_of(a, b, metric)) is not None:
        method = f"paired over {len(pair[0]):,} samples; seeds are not known"
        df = min(math.inf if r["df"] is None else r["df"] for r in (*one, *two))
        return paired_difference(*pair, df=df), method, "no spread over samples to judge by"
    return _by_uncertainty(a.record(metric), b.record(metric))


def _by_uncertainty(
    a: dict[str, Any], b: dict[str, Any]
) -> tuple[intervals.Difference | None, str, str]:
    """`_tested`, of two single values that do not share their samples."""
    errors = [
        (record["uncertainty"], math.inf if record["df"] is None else record["df"])
        for record in (a, b)
        if record["uncertainty"] is not None
    ]
    if len(errors) == 2:
        method = "the values' standard errors; seeds are not known"
        return from_errors(a["value"] - b["value"], errors), method, "no spread to judge by"
    shares = [
        Interval(record["value"], *record["interval"])
        for record in (a, b)
        if record["interval"] is not None and WILSON in record["method"]
    ]
    if len(shares) == 2:
        return newcombe(*shares), "the shares' Wilson intervals; seeds are not known", ""
    return None, "", "no uncertainty is known"


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
        # NaN is not below it either.
        if not abs(away) <= 1e-5 * float(values.double().abs().mean()):
            return None
    return one.double(), two.double()


def corrected(differences: list[Difference]) -> list[Difference]:
    """The same with p-values for the whole table."""
    known = [i for i, found in enumerate(differences) if found.p is not None]
    adjusted = holm([differences[i].p or 0.0 for i in known])
    made = list(differences)
    for i, p in zip(known, adjusted, strict=True):
        made[i] = replace(made[i], p=p)
    return made


def leaders(differences: Iterable[Difference]) -> dict[str, str]:
    """The row that is better than every other, by metric, from the differences of the best values."""
    found: dict[str, list[Difference]] = {}
    for each in differences:
        found.setdefault(each.metric, []).append(each)
    return {
        metric: each[0].leader
        for metric, each in found.items()
        if all(one.verdict == "better" for one in each)
    }
