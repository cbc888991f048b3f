"""Peak memory of training on few and on ten times as many images, the same steps.

`data.resident=false` streams batches from a file; memory must not grow with the number of images. The
data is made on the fly: an array of 50,000 and of 500,000 images, opened once beforehand so that only
training is measured, and folders and zip archives of 10,000 and of 100,000 pictures, opened for the
first time, which decodes them, and then from the cache.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from .harness import arguments, in_turns, measure, ratio, table, write

COUNTS, FOLDERS = (50_000, 500_000), (10_000, 100_000)
KINDS = ("peak", "anonymous")
Found = dict[int, list[dict[str, float]]]


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


def pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of pictures of 8 x 8 pixels in ten folders of classes."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for index in range(count):
        buffer = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (8, 8), np.uint8)).save(buffer, "PNG")
        yield f"class-{index % 10}/picture-{index:07}.png", buffer.getvalue()


def make_folder(path: Path, count: int) -> None:
    """Writes them as files."""
    for label in range(10):
        (path / f"class-{label}").mkdir(parents=True)
    for name, content in pictures(count):
        (path / name).write_bytes(content)


def make_zip(path: Path, count: int) -> None:
    """Writes them into one archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in pictures(count):
            archive.writestr(name, content)


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


def growth(found: Found) -> dict[str, float]:
    """How many times the memory for few images that for many is."""
    small, large = found.values()
    return {kind: ratio([f[kind] for f in large], [f[kind] for f in small]) for kind in KINDS}


def measured(
    place: str, counts: tuple[int, int], work: Callable[[Path, int], None], how: tuple[int, int]
) -> tuple[Found, Found]:
    """Peaks of the first opening, and of `how` many steps in so many rounds once it is cached.

    The {} of the place is the number of images.
    """
    steps, rounds = how
    paths = {count: Path(place.format(count)) for count in counts}
    for count, path in paths.items():
        work(path, count)
    first = in_turns(counts, 1, lambda count: measure("memory", 1, "one", paths[count], 1))
    return first, in_turns(
        counts, rounds, lambda count: measure("memory", 1, "one", paths[count], steps)
    )


def main() -> None:
    """Measures both sizes by turns, prints the peaks and keeps them."""
    quick = arguments(__doc__).quick
    counts, folders = ((5_000, 50_000), (1_000, 10_000)) if quick else (COUNTS, FOLDERS)
    how = (300, 1) if quick else (1500, 2)
    with tempfile.TemporaryDirectory() as folder:
        # The package's own cache goes with the data.
        os.environ["XDG_CACHE_HOME"] = folder
        _, mapped = measured(folder + "/{}.npy", counts, make, how)
        decoded, cached = measured(folder + "/{}", folders, make_folder, how)
        unpacked, kept = measured(folder + "/{}.zip", folders, make_zip, how)
    of_folders = {"folder, decoded": decoded, "folder, cached": cached}
    of_zips = {"zip, decoded": unpacked, "zip, cached": kept}
    sides = {"mapped": mapped, **of_folders, **of_zips}
    rows: list[list[object]] = []
    for side, found in sides.items():
        for count, peaks in found.items():
            rows.append([side, count, *(max(peak[kind] for peak in peaks) for kind in KINDS)])
        rows.append([side, "ratio", *growth(found).values()])
    table(["data", "images", "peak MB", "anonymous MB"], rows)
    record = {
        "steps": how[0],
        "megabytes": _by_text(mapped),
        "growth": growth(mapped),
        "pictures": {
            name: {"megabytes": _by_text(found), "growth": growth(found)}
            for name, found in (of_folders | of_zips).items()
        },
    }
    write("memory", quick, record)


def _by_text(found: Found) -> dict[str, list[dict[str, float]]]:
    return {str(count): peaks for count, peaks in found.items()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], int(sys.argv[3]))
    else:
        main()
