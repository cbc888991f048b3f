"""What training tells whoever watches: a terminal, a notebook, a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """One report of a run.

    Arguments:
        step: Steps taken, of `steps`.
        steps: Steps of the whole run.
        seen: Samples seen.
        seconds: Training time so far, earlier sessions included.
        rate: Samples per second since the last report.
        remaining: Seconds left at this rate.
        values: The mean of every logged value since the last report, by `phase/name`.
        units: Their units; empty for pure numbers.
        health: One sentence on how it goes.
    """

    step: int
    steps: int
    seen: int
    seconds: float
    rate: float
    remaining: float
    values: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    health: str = ""

    def line(self) -> dict[str, object]:
        """The report as it stands in log.jsonl, every value with its unit."""
        values = {
            name: {"value": value, "unit": self.units.get(name, "")}
            for name, value in self.values.items()
        }
        return {
            "step": self.step,
            "seen": self.seen,
            "seconds": round(self.seconds, 3),
            "samples_per_second": round(self.rate, 1),
            "values": values,
            "health": self.health,
        }


class Listener:
    """Hears of everything and does nothing; a display overrides what it shows."""

    def said(self, message: str) -> None:
        """A sentence for a person, e.g. what the data was found to be."""

    def worked(self, what: str, done: int, total: int) -> None:
        """Long work other than training went on, e.g. decoding pictures."""

    def began(self, path: Path, step: int, steps: int) -> None:
        """Training begins, or goes on after `step` steps."""

    def progressed(self, progress: Progress) -> None:
        """A report was made."""

    def pictured(self, path: Path) -> None:
        """A picture was written."""

    def ended(self) -> None:
        """Nothing more will be told; a display may let go of the screen."""
