"""A folder or zip of pictures as a source: surveyed once by header, then decoded in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..errors import DataError
from ..spec import Pixels
from .config import DataConfig
from .decode import decode
from .entries import BrokenFileError, Entries, printable
from .source import Block, Progress, SplitName
from .survey import ALONE, LISTED, Survey, broken_error, survey_images

BLOCK_BYTES, BLOCK_COUNT = 8 << 20, 1024


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
        return self.survey.layout.count

    def blocks(self, split: SplitName) -> Iterator[Block]:
        """The pictures of a split, decoded, in order of their names."""
        pictures: list[np.ndarray] = []
        places: list[int] = []
        for place in self._usable(split):
            if (pixels := self._decode(place)) is not None:
                pictures.append(pixels)
                places.append(place)
            # Arrays of a few pixels take more than their pixels, so their number is bounded too.
            many = len(pictures) >= BLOCK_COUNT
            if pictures and (many or len(pictures) * pictures[0].nbytes >= BLOCK_BYTES):
                yield np.stack(pictures), self._labels(places)
                pictures, places = [], []
        if pictures:
            yield np.stack(pictures), self._labels(places)

    def notes(self) -> tuple[str, ...]:
        """What a person should know; refuses broken files unless they are to be skipped."""
        if not self.survey.broken:
            return self.remarks
        broken = self.survey.reasons()
        if not self.config.skip_broken:
            raise broken_error(self.entries.where, broken, self.survey.healthy)
        remarks = list(self.remarks)
        if any(map(self._all_broken, self.survey.rows(self.config).values())):
            remarks.append("too few pictures are left to hold any out: both splits are the same")
        listed = ", ".join(printable(name) for name in list(broken)[:LISTED])
        more = ", ..." if len(broken) > LISTED else ""
        return (*remarks, f"{len(broken)} broken files were left out: {listed}{more}")

    def _usable(self, split: SplitName) -> Iterator[int]:
        """The split's places; those of all when decoding finds every one of the split broken."""
        rows = self.survey.rows(self.config)[split]
        yield from map(int, rows)
        if not self.survey.layout.tested and self._all_broken(rows):
            everywhere = range(len(self.survey.headers))
            yield from (place for place in everywhere if place not in self.survey.broken)

    def _all_broken(self, rows: np.ndarray) -> bool:
        return all(int(place) in self.survey.broken for place in rows)

    def _decode(self, place: int) -> np.ndarray | None:
        try:
            with self.entries.open(self.survey.layout.names[place]) as file:
                pixels = decode(file, self.config, self.spec.shape[0] == 1)
            if pixels.shape != self.spec.shape:
                raise BrokenFileError("changed while it was read")
        except BrokenFileError as error:
            self.survey.broken[place] = str(error)
            return None
        return pixels

    def _labels(self, places: list[int]) -> np.ndarray | None:
        labels = self.survey.layout.labels
        return None if labels is None else labels[places].astype(np.int64)


def read_images(
    entries: Entries, config: DataConfig, progress: Progress | None = None
) -> ImageSource:
    """Surveys the pictures and settles on their shape.

    Raises:
        DataError: There are none, none can be read, sizes differ and no size was asked for, or
            labels are missing in part.
    """
    survey = survey_images(entries, progress)
    if not survey.healthy:
        raise broken_error(entries.where, survey.reasons(), 0)
    shape, remarks = _shape(survey, config, entries.where)
    spec = Pixels(shape=shape, classes=survey.layout.classes)
    notes = (*entries.notes(), *survey.layout.notes, *remarks)
    return ImageSource(entries, config, survey, spec, notes)


def _shape(
    survey: Survey, config: DataConfig, where: str
) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    headers = survey.readable
    notes: list[str] = []
    greys = int(headers["grey"].sum())
    channels = {"grey": 1, "rgb": 3, "keep": 1 if greys == len(headers) else 3}[config.color]
    if config.color == "keep" and 0 < greys < len(headers):
        notes.append(
            f"{greys} of {len(headers)} pictures are grey, the others have colours: all are kept "
            "with three channels (data.color=grey makes it one)"
        )
    if frames := int(headers["frames"].sum()):
        notes.append(f"{frames} files are animations or have pages: the first frame is taken")
    if len(headers) == 1 and not survey.layout.tested:
        notes.append(ALONE)
    if config.hw is None:
        width, height = _one_size(survey, where)
        return (channels, height, width), tuple(notes)
    height, width = config.hw
    notes.extend(_aspect_note(headers, config, (width, height)))
    return (channels, height, width), tuple(notes)


def _one_size(survey: Survey, where: str) -> tuple[int, int]:
    """The size that all pictures have."""
    sizes = survey.sizes()
    (width, height), count = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return width, height
    small, large = _extremes(survey)
    advice = str(width) if width == height else f"[{height},{width}]"
    raise DataError(
        f"{where}: pictures differ in size: {count:,} of {sizes.total():,} are "
        f"{width}x{height} (width x height), the smallest is {small}, the largest is "
        f"{large}; write data.size={advice} to bring all to one size (data.fit says how)"
    )


def _extremes(survey: Survey) -> tuple[str, str]:
    """The pictures of least and of greatest area, as size and name."""
    headers = survey.headers
    area = headers["width"].astype(np.int64) * headers["height"]
    places = (
        int(np.where(headers["ok"], area, np.iinfo(np.int64).max).argmin()),
        int(area.argmax()),
    )
    names = survey.layout.names
    small, large = (
        f"{headers[i]['width']}x{headers[i]['height']} ({printable(names[i])})" for i in places
    )
    return small, large


def _aspect_note(headers: np.ndarray, config: DataConfig, target: tuple[int, int]) -> list[str]:
    width, height = (headers[side].astype(np.int64) for side in ("width", "height"))
    other = int(np.count_nonzero(width * target[1] != height * target[0]))
    if not other:
        return []
    how = {
        "crop": "cut at their edges (data.fit=crop)",
        "pad": "given black edges (data.fit=pad)",
        "stretch": "distorted (data.fit=stretch)",
    }[config.fit]
    return [f"{other:,} of {len(headers):,} pictures have another aspect and were {how}"]
