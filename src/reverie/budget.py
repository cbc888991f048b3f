"""How long to train: "10 epochs", "5000 steps", "2M samples", or a wall time such as "2m"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from .errors import ConfigError

Unit = Literal["epochs", "steps", "samples", "seconds"]

_UNITS: dict[str, tuple[Unit, float]] = {
    **dict.fromkeys(["epoch", "epochs", "ep"], ("epochs", 1.0)),
    **dict.fromkeys(["step", "steps"], ("steps", 1.0)),
    **dict.fromkeys(["sample", "samples", "images"], ("samples", 1.0)),
    **dict.fromkeys(["s", "sec", "second", "seconds"], ("seconds", 1.0)),
    **dict.fromkeys(["m", "min", "minute", "minutes"], ("seconds", 60.0)),
    **dict.fromkeys(["h", "hour", "hours"], ("seconds", 3600.0)),
}
_PREFIX = {"": 1.0, "k": 1e3, "M": 1e6}
MOST = 1e15
"""Of any unit: more than a machine lives for, and a number of steps that is counted exactly."""

_FORM = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*([kM]?)\s*([a-z]+)\s*")


@dataclass(frozen=True)
class Amount:
    """A budget as a number and a unit."""

    value: float
    unit: Unit

    def steps(self, data: int, per_step: int) -> int:
        """Training steps of this amount for `data` samples, of which each step takes `per_step`.

        A remainder counts as a step. Wall time is no number of steps: it must be measured first.
        """
        if self.unit == "seconds":
            raise AssertionError("a wall time is turned into steps by measuring")
        samples = self.value * {"epochs": data, "samples": 1, "steps": per_step}[self.unit]
        return max(1, math.ceil(samples / per_step - 1e-9))


def parse(text: str) -> Amount:
    """Reads a budget.

    Raises:
        ConfigError: Not a number with a unit, or not above zero.
    """
    match = _FORM.fullmatch(text)
    if match is None or match[3] not in _UNITS:
        raise ConfigError(
            f"train.budget is {text!r}; write a number and a unit: 10 epochs, 5000 steps, 2M samples, "
            "90s, 2m or 1h"
        )
    unit, scale = _UNITS[match[3]]
    value = float(match[1]) * _PREFIX[match[2]] * scale
    if not 0 < value < MOST:
        raise ConfigError(f"train.budget is {text!r}; it must be above zero and below {MOST:g}")
    return Amount(value, unit)


def _checked(text: str) -> str:
    parse(text)
    return text


def _read(given: Any) -> Any:
    # A number alone, read as one, is refused for what it lacks: a unit.
    return str(given) if isinstance(given, int | float) and not isinstance(given, bool) else given


Budget = Annotated[str, BeforeValidator(_read), AfterValidator(_checked)]
