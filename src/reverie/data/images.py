"""A folder or zip of pictures as a source: surveyed once by header, then decoded in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import DataError
from ..spec import Pixels
from .config import DataConfig
from .decode import Header, decode, read_header
from .entries import BrokenFileError, Entries, is_picture_name, printable
from .layout import Layout, arrange
from .source import Block, Progress, SplitName, held_out

BLOCK_BYTES = 8 << 20
LISTED = 10


@dataclass(frozen=True)
class Survey:
    """Every picture's header, or why it has none.

    Arguments:
        layout: Splits and classes.
        headers: By name, of the files that can be used.
        broken: The reason by name, of the files that cannot.
    """

    layout: Layout
    headers: dict[str, Header]
    broken: dict[str, str]


@dataclass(frozen=True)
class ImageSource:
    """Pictures of one size and number of channels, by split.

    Arguments:
        entries: Where the files are.
        config: How to decode them.
        survey: What the headers said; gains what decoding finds to be broken.
        spec: The shape of every sample.
        remarks: Notes known before decoding.
    """

    entries: Entries
    config: DataConfig
    survey: Survey
    spec: Pixels
    remarks: tuple[str, ...]
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.uint8))

    @property
    def total(self) -> int:
        """How many pictures both splits have."""
        return len(self.survey.layout.names)

    def blocks(self, split: SplitName) -> Iterator[Block]:
        """The pictures of a split, decoded, in order of their names."""
        rows: list[np.ndarray] = []
        names: list[str] = []
        for name in self._usable(split):
            if (row := self._decode(name)) is not None:
                rows.append(row)
                names.append(name)
            if rows and len(rows) * rows[0].nbytes >= BLOCK_BYTES:
                yield np.stack(rows), self._labels(names)
                rows, names = [], []
        if rows:
            yield np.stack(rows), self._labels(names)

    def notes(self) -> tuple[str, ...]:
        """What a person should know; refuses broken files unless they are to be skipped."""
        broken = self.survey.broken
        if not broken:
            return self.remarks
        if not self.config.skip_broken:
            healthy = len(self.survey.headers.keys() - broken.keys())
            raise broken_error(self.entries.where, broken, healthy)
        remarks = list(self.remarks)
        if any(map(self._all_broken, split_names(self.survey, self.config).values())):
            remarks.append("too few pictures are left to hold any out: both splits are the same")
        listed = ", ".join(printable(name) for name in sorted(broken)[:LISTED])
        more = ", ..." if len(broken) > LISTED else ""
        return (*remarks, f"{len(broken)} broken files were left out: {listed}{more}")

    def _usable(self, split: SplitName) -> Iterator[str]:
        """The split's names; all names when decoding finds every one of the split broken."""
        names = split_names(self.survey, self.config)
        yield from names[split]
        if self.survey.layout.test is None and self._all_broken(names[split]):
            yield from (n for n in self.survey.headers if n not in self.survey.broken)

    def _all_broken(self, names: Sequence[str]) -> bool:
        return all(name in self.survey.broken for name in names)

    def _decode(self, name: str) -> np.ndarray | None:
        try:
            with self.entries.open(name) as file:
                pixels = decode(file, self.config, self.spec.shape[0] == 1)
            if pixels.shape != self.spec.shape:
                raise BrokenFileError("changed while it was read")
        except BrokenFileError as error:
            self.survey.broken[name] = str(error)
            return None
        return pixels

    def _labels(self, names: Sequence[str]) -> np.ndarray | None:
        label_of = self.survey.layout.label_of
        return np.array([label_of[n] for n in names], np.int64) if label_of else None


def read_images(
    entries: Entries, config: DataConfig, progress: Progress | None = None
) -> ImageSource:
    """Surveys the pictures and settles on their shape.

    Raises:
        DataError: There are none, none can be read, sizes differ and no size was asked for, or
            labels are missing in part.
    """
    survey = survey_images(entries, progress)
    if not survey.headers:
        raise broken_error(entries.where, survey.broken, 0)
    shape, remarks = _shape(survey, config, entries.where)
    spec = Pixels(shape=shape, classes=survey.layout.classes)
    notes = (*entries.notes(), *survey.layout.notes, *remarks)
    return ImageSource(entries, config, survey, spec, notes)


def survey_images(entries: Entries, progress: Progress | None = None) -> Survey:
    """Reads the header of every picture.

    Raises:
        DataError: There are no pictures, or labels are missing in part.
    """
    names = [name for name in entries.names if is_picture_name(name)]
    if not names:
        found = "; ".join(entries.notes()) or "it is empty"
        raise DataError(
            f"{entries.where}: holds no pictures ({found}); give a folder or .zip with PNG, JPEG, "
            "WEBP, BMP, GIF or TIFF files"
        )
    survey = Survey(arrange(names, entries.where), {}, {})
    for done, name in enumerate(names, 1):
        try:
            with entries.open(name) as file:
                survey.headers[name] = read_header(file)
        except BrokenFileError as error:
            survey.broken[name] = str(error)
        if progress is not None and (done % 100 == 0 or done == len(names)):
            progress("looking at pictures", done, len(names))
    return survey


def split_names(survey: Survey, config: DataConfig) -> dict[SplitName, list[str]]:
    """The names by split, without files whose header is broken; one picture stands in both."""
    layout = survey.layout
    train = [n for n in layout.train if n in survey.headers]
    if layout.test is not None:
        return {"train": train, "test": [n for n in layout.test if n in survey.headers]}
    if len(train) < 2:
        return {"train": train, "test": train}
    mask = held_out(train, config.holdout, config.seed)
    return {
        "train": [n for n, held in zip(train, mask, strict=True) if not held],
        "test": [n for n, held in zip(train, mask, strict=True) if held],
    }


def broken_error(where: str, broken: Mapping[str, str], healthy: int) -> DataError:
    """One refusal for all files that cannot be read."""
    lines = [f"  {printable(name)}: {broken[name]}" for name in sorted(broken)[:LISTED]]
    if len(broken) > LISTED:
        lines.append(f"  ... and {len(broken) - LISTED} more")
    total = len(broken) + healthy
    advice = (
        "mend or remove them, or pass --skip-broken (data.skip_broken=true) to leave them out"
        if healthy
        else "none is left; give other pictures"
    )
    return DataError(
        "\n".join([f"{where}: {len(broken)} of {total} pictures cannot be read:", *lines, advice])
    )


def _shape(
    survey: Survey, config: DataConfig, where: str
) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    headers = survey.headers
    notes: list[str] = []
    greys = sum(h.grey for h in headers.values())
    channels = {"grey": 1, "rgb": 3, "keep": 1 if greys == len(headers) else 3}[config.color]
    if config.color == "keep" and 0 < greys < len(headers):
        notes.append(
            f"{greys} of {len(headers)} pictures are grey, the others have colours: all are kept "
            "with three channels (data.color=grey makes it one)"
        )
    if frames := sum(h.frames for h in headers.values()):
        notes.append(f"{frames} files are animations or have pages: the first frame is taken")
    if len(headers) == 1 and survey.layout.test is None:
        notes.append("there is one picture: it stands in both splits")
    if config.hw is None:
        width, height = _one_size(headers, where)
        return (channels, height, width), tuple(notes)
    height, width = config.hw
    notes.extend(_aspect_note(headers, config, (width, height)))
    return (channels, height, width), tuple(notes)


def _one_size(headers: Mapping[str, Header], where: str) -> tuple[int, int]:
    """The size that all pictures have."""
    sizes = Counter(h.size for h in headers.values())
    (width, height), count = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return width, height
    by_area = sorted(headers, key=lambda n: headers[n].size[0] * headers[n].size[1])
    small, large = (
        f"{_size(headers[n].size)} ({printable(n)})" for n in (by_area[0], by_area[-1])
    )
    advice = str(width) if width == height else f"[{height},{width}]"
    raise DataError(
        f"{where}: pictures differ in size: {count:,} of {len(headers):,} are "
        f"{_size((width, height))} (width x height), the smallest is {small}, the largest is "
        f"{large}; write data.size={advice} to bring all to one size (data.fit says how)"
    )


def _aspect_note(
    headers: Mapping[str, Header], config: DataConfig, target: tuple[int, int]
) -> list[str]:
    other = sum(h.size[0] * target[1] != h.size[1] * target[0] for h in headers.values())
    if not other:
        return []
    how = {
        "crop": "cut at their edges (data.fit=crop)",
        "pad": "given black edges (data.fit=pad)",
        "stretch": "distorted (data.fit=stretch)",
    }[config.fit]
    return [f"{other:,} of {len(headers):,} pictures have another aspect and were {how}"]


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
