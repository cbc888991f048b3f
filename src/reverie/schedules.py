"""Hyper-parameters that move: functions of the samples seen, never of epochs or batches.

So a schedule means the same at every batch size and on every number of workers.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, model_validator

from .config import Section


class Ramp(Section):
    """Moves from `start` to `end` between two points of the run, and is constant outside them."""

    kind: Literal["linear", "cosine"] = "linear"
    """The form of the way: a straight line, or half a cosine."""
    start: NonNegativeFloat
    """The value before `begin`."""
    end: NonNegativeFloat
    """The value from `until` on."""
    begin: NonNegativeFloat = 0.0
    """Where it starts to move, in `unit`."""
    until: NonNegativeFloat = 1.0
    """Where it arrives, in `unit`."""
    unit: Literal["budget", "samples"] = "budget"
    """Whether `begin` and `until` are fractions of the budget, or samples seen."""

    @model_validator(mode="after")
    def _in_order(self) -> Ramp:
        if self.until <= self.begin:
            raise ValueError(f"a schedule ends (until={self.until}) after its begin={self.begin}")
        if self.unit == "budget" and self.until > 1:
            raise ValueError(f"until={self.until} lies beyond the budget; write at most 1")
        return self


class Sequence(Section):
    """Ramps one after another, e.g. a warm-up and a decay; the last one begun holds."""

    kind: Literal["sequence"] = "sequence"
    parts: Annotated[tuple[Ramp, ...], Field(min_length=1)]
    """The ramps, by rising `begin`."""


Schedule = Annotated[Ramp | Sequence, Field(discriminator="kind")]
Hyper = NonNegativeFloat | Schedule
"""A number, or a schedule of one: a rate or a weight, so never below 0."""


def value_at(hyper: float | Ramp | Sequence, seen: int, total: int) -> float:
    """The value after `seen` samples of a run of `total` samples."""
    if isinstance(hyper, Sequence):
        begun = [ramp for ramp in hyper.parts if seen >= _samples(ramp.begin, ramp, total)]
        hyper = begun[-1] if begun else hyper.parts[0]
    if not isinstance(hyper, Ramp):
        return float(hyper)
    begin, until = _samples(hyper.begin, hyper, total), _samples(hyper.until, hyper, total)
    way = min(1.0, max(0.0, (seen - begin) / max(until - begin, 1e-12)))
    if hyper.kind == "cosine":
        way = 0.5 - 0.5 * math.cos(math.pi * way)
    return hyper.start + way * (hyper.end - hyper.start)


def _samples(point: float, ramp: Ramp, total: int) -> float:
    return point * total if ramp.unit == "budget" else point
