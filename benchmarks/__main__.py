"""`make bench`: every benchmark in turn, nothing else running beside it."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "throughput",
    "precision",
    "time_to_quality",
    "memory",
    "prdc",
    "iwae",
    "evaluate",
    "startup",
)


def main() -> None:
    """Runs each in a process of its own, with the options given here, e.g. --quick."""
    for name in NAMES:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
