"""A look at the header of every picture before any is decoded, kept in a dozen bytes each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .config import DataConfig
from .decode import read_header
from .entries import BrokenFileError, Entries, printable
from .layout import TEST, TRAIN, Layout, arrange
from .source import Progress, SplitName, held_out

ALONE = "there is one picture: it stands in both splits"
LISTED = 10
HEADER = np.dtype(
    [
        ("width", "u4"),
        ("height", "u4"),
        ("mode", "u1"),
        ("grey", "?"),
        ("frames", "?"),
        ("ok", "?"),
    ]
)
"""A `decode.Header`, its mode as a number, and whether there is one."""


@dataclass(frozen=True)
class Survey:
    """Every picture's header, or why it has none; a picture is known by its place among the names.

    Arguments:
        layout: Names, splits and classes.
        headers: `(N,)` of HEADER.
        modes: Pillow's words for kinds of pixels, by their number in `headers`.
        broken: The reason by place, of files that cannot be used; gains what decoding finds.
    """

    layout: Layout
    headers: np.ndarray
    modes: list[str]
    broken: dict[int, str]

    @property
    def readable(self) -> np.ndarray:
        """The headers that could be read, in order of their names: `(M,)` of HEADER."""
        return self.headers[self.headers["ok"]]

    @property
    def healthy(self) -> int:
        """How many pictures are not known to be broken."""
        return len(self.headers) - len(self.broken)

    def sizes(self) -> Counter[tuple[int, int]]:
        """How many pictures are of each width and height."""
        found = self.readable
        return Counter((int(header["width"]), int(header["height"])) for header in found)

    def reasons(self) -> dict[str, str]:
        """Why files are broken, by name, in order."""
        return {self.layout.names[place]: self.broken[place] for place in sorted(self.broken)}

    def rows(self, config: DataConfig) -> dict[SplitName, np.ndarray]:
        """The places by split, without files whose header is broken; one picture stands in both."""
        train, test = (
            np.flatnonzero((self.layout.parts == part) & self.headers["ok"])
            for part in (TRAIN, TEST)
        )
        if self.layout.tested:
            return {"train": train, "test": test}
        if len(train) < 2:
            return {"train": train, "test": train}
        names = (self.layout.names[int(place)] for place in train)
        mask = held_out(names, config.holdout, config.seed)
        return {"train": train[~mask], "test": train[mask]}


def survey_images(entries: Entries, progress: Progress | None = None) -> Survey:
    """Reads the header of every picture.

    Raises:
        DataError: There are no pictures, or labels are missing in part.
    """
    names = entries.names
    if not len(names):
        found = "; ".join(entries.notes()) or "it is empty"
        raise DataError(
            f"{entries.where}: holds no pictures ({found}); give a folder or .zip with PNG, JPEG, "
            "WEBP, BMP, GIF or TIFF files, or a folder with IDX files named *-images-idx3-ubyte"
        )
    layout = arrange(names, entries.where)
    headers, modes, broken = np.zeros(len(names), HEADER), {}, {}
    for place, name in enumerate(names):
        try:
            with entries.open(name) as file:
                found = read_header(file)
        except BrokenFileError as error:
            broken[place] = str(error)
        else:
            mode = modes.setdefault(found.mode, len(modes))
            headers[place] = (*found.size, mode, found.grey, found.frames, True)
        done = place + 1
        if progress is not None and (done % 100 == 0 or done == len(names)):
            progress("looking at pictures", done, len(names))
    return Survey(layout, headers, list(modes), broken)


def broken_error(where: str, broken: Mapping[str, str], healthy: int) -> DataError:
    """One refusal for all files that cannot be read."""
    lines = [f"  {printable(name)}: {broken[name]}" for name in sorted(broken)[:LISTED]]
    if len(broken) > LISTED:
        lines.append(f"  ... and {len(broken) - LISTED} more")
    total = len(broken) + healthy
    advice = (
        "mend or remove them; reverie train leaves them out with --skip-broken (data.skip_broken=true)"
        if healthy
        else "none is left; give other pictures"
    )
    return DataError(
        "\n".join([f"{where}: {len(broken)} of {total} pictures cannot be read:", *lines, advice])
    )
