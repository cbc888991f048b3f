"""Peak memory of training on a memory-mapped file of 50,000 and of 500,000 images, the same steps.

`data.resident=false` streams batches from the file; memory must not grow with the number of images.
The data is made on the fly and opened once beforehand, so that only training is measured.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from .harness import arguments, in_turns, measure, ratio, table, write

COUNTS = (50_000, 500_000)


def make(path: Path, count: int) -> None:
    """Writes `count` random 28 x 28 images, a few thousand at a time."""
    import numpy as np

    generator = np.random.default_rng(0)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, 28, 28, 1))
    for start in range(0, count, 5000):
        file[start : start + 5000] = generator.integers(
            0, 256, (min(5000, count - start), 28, 28, 1), np.uint8
        )
    file.flush()


class EnoughError(Exception):
    """Training has ended."""


def one(path: str, steps: int) -> None:
    """Trains in this process and prints its peaks in megabytes, judging left out.

    The peak of all resident memory is the kernel's; that of anonymous memory, which leaves out pages
    of files that the kernel may drop at any time, is the largest of the values at the reports.
    """
    from reverie.data import DataConfig
    from reverie.monitor import Listener, Progress
    from reverie.verbs import train

    class Watch(Listener):
        anonymous = 0.0

        def progressed(self, progress: Progress) -> None:
            self.anonymous = max(self.anonymous, status("RssAnon"))
            if progress.step == progress.steps:
                raise EnoughError

    watch = Watch()
    data = DataConfig(source=path, resident=False)
    with tempfile.TemporaryDirectory() as folder, suppress(EnoughError):
        train("vae", data=data, steps=steps, out=Path(folder) / "run", listener=watch)
    print(json.dumps({"peak": status("VmHWM"), "anonymous": watch.anonymous}))


def status(field: str) -> float:
    """A field of /proc/self/status in megabytes; 0 where the system has none."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    found = [line for line in lines if line.startswith(field + ":")]
    return float(found[0].split()[1]) / 1024 if found else 0.0


def main() -> None:
    """Measures both sizes by turns, prints the peaks and keeps them."""
    quick = arguments(__doc__).quick
    counts = (5_000, 50_000) if quick else COUNTS
    steps, rounds = (300, 1) if quick else (1500, 2)
    with tempfile.TemporaryDirectory() as folder:
        # The package's own cache goes with the data.
        os.environ["XDG_CACHE_HOME"] = folder
        paths = {count: Path(folder) / f"images-{count}.npy" for count in counts}
        for count, path in paths.items():
            make(path, count)
            measure("memory", 1, "one", path, 1)
        found = in_turns(
            counts, rounds, lambda count: measure("memory", 1, "one", paths[count], steps)
        )
    small, large = (found[count] for count in counts)
    growth = {
        kind: ratio([f[kind] for f in large], [f[kind] for f in small])
        for kind in ("peak", "anonymous")
    }
    rows = [
        [f"{count} images", *(max(f[kind] for f in found[count]) for kind in growth)]
        for count in counts
    ]
    table(["data", "peak MB", "anonymous MB"], [*rows, ["ratio", *growth.values()]])
    peaks = {str(count): found[count] for count in counts}
    write("memory", quick, {"steps": steps, "megabytes": peaks, "growth": growth})


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], int(sys.argv[3]))
    else:
        main()
