"""One value of one metric, with all that is needed to compare it with another: or to refuse to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor

Direction = Literal["lower", "higher", "none"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A value and where it comes from. What is not finite is no value, no uncertainty and no reference.

    Arguments:
        metric: The metric's name; an extractor's name and hash are part of it.
        value: The value; None where the model lacks what the metric asks for.
        unit: Its unit; empty for pure numbers.
        direction: Which way is better.
        uncertainty: One standard error, or None where none is known.
        method: How the uncertainty was made.
        df: Degrees of freedom of the standard error; None where it is as good as known.
        n: Samples it was computed from.
        reference: The same metric of other things: real data, a floor, an expectation.
        settings: What else two values must share to be compared.
        reason: Why there is no value.
        group: The part of the judgement that it belongs to.
        p: The p-value where nothing differs, of a metric that is a test.
        interval: The ends of a 95 % interval, where one is known that a standard error does not give.
        warnings: What a reader of the value must know, in words.
        shown: What its picture or page needs beside the value.
        values: Its value for every sample, `(N,)`, where it is their mean; kept apart from the rest.
    """

    metric: str
    value: float | None
    unit: str = ""
    direction: Direction = "none"
    uncertainty: float | None = None
    method: str = ""
    df: float | None = None
    n: int = 0
    reference: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    group: str = ""
    p: float | None = None
    interval: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    shown: dict[str, Any] = field(default_factory=dict)
    values: Tensor | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        changes: dict[str, Any] = {}
        spread = (*(self.interval or ()), self.uncertainty or 0.0)
        if not all(map(math.isfinite, (self.value or 0.0, *spread))):
            changes = {"uncertainty": None, "interval": None, "method": "", "df": None}
        if self.value is not None and not math.isfinite(self.value):
            changes |= {"value": None, "values": None}
            changes["reason"] = f"it is not finite: found {self.value}"
        known = {name: value for name, value in self.reference.items() if math.isfinite(value)}
        for name, value in {**changes, "reference": known}.items():
            object.__setattr__(self, name, value)

    def to_dict(self, values: bool = False) -> dict[str, Any]:
        """The record as it stands in metrics.json; `values` as a list, if they are wanted."""
        tree = {item.name: getattr(self, item.name) for item in fields(self)}
        kept = tree.pop("values")
        return {**tree, "values": kept.tolist()} if values and kept is not None else tree

    def in_group(self, group: str) -> Record:
        """The same record as part of a group."""
        return replace(self, group=group)

    def with_interval(self, low: float, high: float, method: str) -> Record:
        """The same record with a 95 % interval."""
        return replace(self, interval=(low, high), method=method)

    def with_p(self, p: float) -> Record:
        """The same record of a test, with its p-value."""
        return replace(self, p=p)

    def with_degrees(self, df: float | None) -> Record:
        """The same record, whose standard error has so many degrees of freedom."""
        return replace(self, df=df)

    def showing(self, **shown: Any) -> Record:
        """The same record with what its picture needs."""
        return replace(self, shown={**self.shown, **shown})

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.metric}: - ({self.reason})"
        spread = f" +- {spread_of(self.uncertainty)}" if self.uncertainty is not None else ""
        if self.interval is not None:
            spread = f" [{number(self.interval[0])}, {number(self.interval[1])}]"
        test = f" (p {self.p:.2g})" if self.p is not None else ""
        return f"{self.metric} {number(self.value)}{spread} {self.unit}".rstrip() + test


def record_from(tree: dict[str, Any]) -> Record:
    """The record that `to_dict` gave, back from JSON."""
    known = {item.name for item in fields(Record)}
    given = {name: value for name, value in tree.items() if name in known}
    if given.get("interval") is not None:
        given["interval"] = tuple(given["interval"])
    if given.get("values") is not None:
        given["values"] = torch.tensor(given["values"])
    return Record(**{**given, "warnings": tuple(given.get("warnings", ()))})


def mean_record(
    metric: str,
    values: Tensor,
    unit: str,
    direction: Direction,
    reference: dict[str, float] | None = None,
    **settings: Any,
) -> Record:
    """The mean of one value a sample, `(N,)`, with its standard error over samples."""
    values = values.double()
    count = len(values)
    error = float(values.std()) / math.sqrt(count) if count > 1 else None
    return Record(
        metric=metric,
        value=float(values.mean()),
        unit=unit,
        direction=direction,
        uncertainty=error,
        method="standard error over samples" if error is not None else "",
        df=count - 1 if error is not None else None,
        n=count,
        reference=reference or {},
        settings=settings,
        values=values.float(),
    )


def number(value: float) -> str:
    """Four significant digits, without an exponent where that is readable."""
    return _rounded(value, 4)


def spread_of(error: float) -> str:
    """Two significant digits of a standard error, likewise."""
    return _rounded(error, 2)


def _rounded(value: float, digits: int) -> str:
    if float(value).is_integer() and 1e6 <= abs(value) < 1e12:
        return f"{value:,.0f}"  # a count
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    # Python writes an exponent from 10 to the digits on, which rounding may reach.
    whole = abs(value) >= 10**digits - 0.5
    return f"{value:.0f}" if whole else f"{value:.{digits}g}"
