"""Rates of programs that take turns within one run: each stands still while another works.

A machine that others share is faster and slower by the second. Programs that are measured one after the
other, each for some seconds, meet different moments of it. Here each is a process of its own that is
stopped (SIGSTOP) and let go again (SIGCONT) every half second or so: all of them meet all moments, and
what is left of those shows in the spread of the turns.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import numpy as np

from .harness import ROOT, environment

K = TypeVar("K", bound=Hashable)
CELLS = "REVERIE_BENCHMARK_CELLS"
"""Names the file that a measured process counts its steps in."""


class Tally:
    """Counts this process's steps, and the kernel's seconds for it, where its watcher reads them."""

    def __init__(self) -> None:
        self.cells = np.memmap(os.environ[CELLS], np.float64, "r+", shape=(2,))

    def __call__(self, *_: object) -> bool:
        """One more step; always to be gone on from."""
        self.cells[0] += 1
        self.cells[1] = resource.getrusage(resource.RUSAGE_SELF).ru_stime
        return True


@dataclass(frozen=True)
class Slice:
    """What a process did in one of its turns: steps, seconds, and the kernel's seconds among them."""

    steps: float
    seconds: float
    kernel: float


@dataclass(frozen=True)
class Side:
    """What is measured: `python -m benchmarks.MODULE ARGUMENTS` with so many threads, which never ends."""

    module: str
    threads: int
    arguments: tuple[str, ...]


class Worker:
    """The process of a side. It stands still but for its turns, and ends with the `with` block."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory(prefix="reverie-bench-")
        place, side = Path(self.folder.name), self.side
        self.cells = np.memmap(place / "cells", np.float64, "w+", shape=(2,))
        here = {CELLS: str(place / "cells"), "TMPDIR": str(place)}
        self.log = place / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"benchmarks.{side.module}", *side.arguments],
                env=environment(side.threads) | here,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def warm_up(self, seconds: float) -> None:
        """Waits for the first step, goes on for so long, and stands still."""
        while not self.cells[0]:
            if self.process.poll() is not None:
                self.fail()
            time.sleep(0.01)
        time.sleep(seconds)
        self.stand_still()

    def turn(self, seconds: float) -> Slice:
        """Works for so long."""
        steps, kernel = self.cells.tolist()
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        time.sleep(seconds)
        self.stand_still()
        taken = time.perf_counter() - begun
        return Slice(float(self.cells[0]) - steps, taken, float(self.cells[1]) - kernel)

    def stand_still(self) -> None:
        """Stops the process, and waits until it has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        if not os.WIFSTOPPED(os.waitpid(self.process.pid, os.WUNTRACED)[1]):
            self.fail()

    def fail(self) -> None:
        """Says that the process has ended, which it should not, and what it wrote."""
        raise SystemExit(f"{' '.join(self.side.arguments)} ended:\n{self.log.read_text()[-4000:]}")


def by_slices(
    sides: Mapping[K, Side], rounds: int, turns: int, seconds: float, warmup: float = 2.0
) -> dict[K, list[Slice]]:
    """So many turns of `seconds` for each side, in fresh processes in each round.

    Every other time the order of the sides is turned round, so that none is always the later one.
    """
    found: dict[K, list[Slice]] = {key: [] for key in sides}
    for _ in range(rounds):
        with ExitStack() as all_of_them:
            workers: dict[K, Worker] = {}
            for key, side in sides.items():
                workers[key] = all_of_them.enter_context(Worker(side))
                workers[key].warm_up(warmup)
            for turn in range(turns):
                for key in list(workers)[:: -1 if turn % 2 else 1]:
                    found[key].append(workers[key].turn(seconds))
    return found


def rate(slices: Sequence[Slice]) -> float:
    """Steps a second, over all turns."""
    return sum(each.steps for each in slices) / sum(each.seconds for each in slices)


def times(ours: Sequence[Slice], theirs: Sequence[Slice]) -> dict[str, float]:
    """How many times as fast one side was as the other over all turns, and its standard error.

    The error is the jackknife's over the turns, each left out of both sides at once, since what else the
    machine did then slowed both. Tukey (1958).
    """
    turns = len(ours)
    without = [
        rate([*ours[:i], *ours[i + 1 :]]) / rate([*theirs[:i], *theirs[i + 1 :]])
        for i in range(turns)
    ]
    error = math.sqrt((turns - 1) ** 2 / turns * statistics.variance(without))
    return {"times": rate(ours) / rate(theirs), "error": error}
