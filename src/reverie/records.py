"""One value of one metric, with all that is needed to compare it with another: or to refuse to."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor

Direction = Literal["lower", "higher", "none"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A value and where it comes from.

    Arguments:
        metric: The metric's name; an extractor's name and hash are part of it.
        value: The value; None where the model lacks what the metric asks for.
        unit: Its unit; empty for pure numbers.
        direction: Which way is better.
        uncertainty: One standard error, or None where none is known.
        method: How the uncertainty was made.
        n: Samples it was computed from.
        reference: The same metric of other things: real data, a floor, an expectation.
        settings: What else two values must share to be compared.
        reason: Why there is no value.
    """

    metric: str
    value: float | None
    unit: str = ""
    direction: Direction = "none"
    uncertainty: float | None = None
    method: str = ""
    n: int = 0
    reference: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The record as it stands in metrics.json."""
        return asdict(self)

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.metric}: - ({self.reason})"
        spread = f" +- {self.uncertainty:.2g}" if self.uncertainty is not None else ""
        return f"{self.metric} {number(self.value)}{spread} {self.unit}".rstrip()


def mean_record(
    metric: str, values: Tensor, unit: str, direction: Direction, **settings: Any
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
        n=count,
        settings=settings,
    )


def number(value: float) -> str:
    """Four significant digits, without an exponent where that is readable."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return f"{value:.3e}"
