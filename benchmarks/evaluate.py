"""Seconds of a full `evaluate` of an MNIST run, in all and of each part, on all cores.

With the annealing of a few samples, which only `--chains` asks for: no metric that needs no download is
left out.
The recipe `vae`, trained for 200 steps before the clock starts: how good it is does not matter to the cost.
Features of data are computed anew, as on a machine's first run; they are kept for later ones.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .harness import arguments, in_turns, measure, table, write

STEPS, BAR = 200, 180
CHAINS = 16
"""Held-out samples that are annealed, and as many simulated ones."""
LESS: dict[str, Any] = {"samples": 1_000, "draws": 500, "images": 100}
"""The protocol of a quick trial; the measurement has the defaults."""


def one(quick: bool) -> None:
    """Trains, judges in this process, and prints the seconds of judging and of its parts."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["REVERIE_CACHE"] = cache
        from reverie.evaluation import evaluate
        from reverie.monitor import Listener
        from reverie.runs import RunFolder
        from reverie.verbs import train

        folder = RunFolder(Path(cache) / "run")
        train("vae", data="mnist", steps=STEPS, out=folder.path)
        for kept in (Path(cache) / "features").glob("*"):
            kept.unlink()
        said: list[str] = []

        class Hearing(Listener):
            def said(self, message: str) -> None:
                said.append(message)

        begun = time.perf_counter()
        how: dict[str, Any] = LESS if quick else {}
        evaluate(folder.path, chains=1 if quick else CHAINS, listener=Hearing(), **how)
        seconds = time.perf_counter() - begun
        made = folder.read(folder.metrics)
    found = {"seconds": seconds, "parts": made["seconds"], "protocol": made["protocol"]}
    found["said"] = next(text for text in said if "about" in text)
    print(json.dumps(found))


def main() -> None:
    """Judges a few times, prints the medians of the parts, and keeps all."""
    quick = arguments(__doc__).quick
    rounds, threads = (1 if quick else 3), os.cpu_count() or 1
    taken = in_turns(
        [threads], rounds, lambda count: measure("evaluate", count, "one", int(quick))
    )[threads]
    seconds = [each["seconds"] for each in taken]
    parts = {
        name: statistics.median(each["parts"][name] for each in taken)
        for name in taken[0]["parts"]
    }
    # Opening, the estimate of the cost, pictures and the page.
    parts["all else"] = statistics.median(
        each["seconds"] - sum(each["parts"].values()) for each in taken
    )
    rows = sorted(parts.items(), key=lambda part: -part[1])
    table(["part", "seconds"], [*map(list, rows), ["in all", statistics.median(seconds)]])
    print("said before:", *(each["said"] for each in taken), sep="\n  ")
    print(f"bar: {BAR} s with all metrics on 2 cores; fastest {min(seconds):.0f} s")
    found = {"threads": threads, "bar": BAR, "seconds": seconds, "parts": parts, "rounds": taken}
    write("evaluate", quick, found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(bool(int(sys.argv[2])))
    else:
        main()
