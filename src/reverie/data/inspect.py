"""Looks through data before anything is trained on it: sizes, classes, faults, duplicates."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from ..errors import DataError
from ..pictures import grid
from .config import DataConfig
from .decode import decode
from .entries import BrokenFileError, Entries, printable
from .fit import fit_array
from .open import find
from .source import SPLITS, Origin, Progress, Source
from .stack import refuse_options
from .survey import ALONE, survey_images
from .tally import Show, Tally

THUMBNAIL = 96


@dataclass(frozen=True)
class Sizes:
    """Of the pictures as they lie in their files, in pixels.

    Arguments:
        width: Least, median and greatest.
        height: Least, median and greatest.
        commonest: Width and height.
        commonest_count: Of how many pictures.
        distinct: How many different sizes there are.
    """

    width: tuple[int, int, int]
    height: tuple[int, int, int]
    commonest: tuple[int, int]
    commonest_count: int
    distinct: int


@dataclass(frozen=True)
class Duplicates:
    """Samples that are equal in every value.

    Arguments:
        groups: How many different samples occur more than once.
        extra: How many samples repeat another.
        across: How many groups lie in both splits, where they spoil every test score.
        files: The names of each group's files; empty where samples have no files of their own.
    """

    groups: int
    extra: int
    across: int
    files: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What was found; nothing was changed, and nothing was left out but broken files.

    Arguments:
        name: Of the data set.
        counts: Samples by split.
        sizes: Of pictures; None for vectors.
        modes: How many samples are of each kind of pixels, in Pillow's words, or of which type.
        classes: Samples by split and class.
        broken: The reason by file.
        duplicates: Samples that are equal.
        histogram: How many values lie in each of 32 bins of equal width.
        low: Where the first bin begins.
        high: Where the last bin ends.
        mean: Over all values; pixels count from 0 to 1. None when nothing could be read.
        std: As `mean`.
        notes: What a person should know.
        shown: A few samples of each class, `(C, H, W)`, for the contact sheet.
        columns: Of the contact sheet.
    """

    name: str
    counts: dict[str, int]
    sizes: Sizes | None
    modes: dict[str, int]
    classes: dict[str, dict[str, int]]
    broken: dict[str, str]
    duplicates: Duplicates
    histogram: tuple[int, ...]
    low: float
    high: float
    mean: float | None
    std: float | None
    notes: tuple[str, ...]
    shown: tuple[np.ndarray, ...] = field(default=(), repr=False, compare=False)
    columns: int = 8

    def to_dict(self) -> dict[str, Any]:
        """All but the pictures, ready for JSON."""
        tree = asdict(self)
        return {name: tree[name] for name in tree if name not in ("shown", "columns")}

    def contact_sheet(self) -> Image.Image:
        """A few pictures of each class, a class a row where there are classes.

        Raises:
            DataError: The data holds no pictures.
        """
        if not self.shown:
            raise DataError(f"{self.name}: holds no pictures to show")
        return grid(torch.from_numpy(np.stack(self.shown)), self.columns)


def inspect_source(config: DataConfig, progress: Progress | None = None) -> Inspection:
    """Reads all of the data and reports it; broken files and mixed sizes are findings, not errors.

    Raises:
        DataError: There is no data at all, or it is of no kind that can be read.
    """
    native = config.with_(size=None, color="keep")
    origin = find(native)
    if origin.entries is not None:
        return _inspect_pictures(origin, origin.entries(), config, progress)
    return _inspect_arrays(origin, config, progress)


def _inspect_pictures(
    origin: Origin, entries: Entries, config: DataConfig, progress: Progress | None
) -> Inspection:
    survey = survey_images(entries, progress)
    native = config.with_(size=None, color="keep")
    sizes, total = survey.sizes(), len(survey.readable)
    show = _thumbnailer(config, sizes, "rgb") if sizes else None
    labels = survey.layout.labels
    tally = Tally(survey.layout.classes, 0.0, 1.0, show)
    rows = survey.rows(config)
    alone = np.array_equal(rows["train"], rows["test"])
    for split in SPLITS[:1] if alone else SPLITS:
        for place in map(int, rows[split]):
            try:
                with entries.open(survey.layout.names[place]) as file:
                    pixels = decode(file, native, bool(survey.headers["grey"][place]))
            except BrokenFileError as error:
                survey.broken[place] = str(error)
                continue
            y = None if labels is None else labels[[place]]
            tally.add(split, pixels[None], y, place)
            if progress is not None:
                progress("reading", tally.counts.total(), total)
    survey.headers["ok"][list(survey.broken)] = False
    if alone:
        tally.repeat_train()
    found = _Found(
        _sizes(survey.sizes()),
        dict(Counter(survey.modes[mode] for mode in survey.readable["mode"])),
        {printable(name): reason for name, reason in survey.reasons().items()},
        tuple(
            tuple(printable(survey.layout.names[place]) for place in group)
            for group in tally.equal()
        ),
        (*entries.notes(), *survey.layout.notes, *((ALONE,) if alone and sizes else ())),
    )
    return _report(origin.name, tally, found)


def _inspect_arrays(origin: Origin, config: DataConfig, progress: Progress | None) -> Inspection:
    source = origin.read(progress)
    refuse_options(config, source.spec.shape, origin.place)
    pixels = source.spec.kind == "pixels"
    low, high = (0.0, 1.0) if pixels else _extremes(source)
    size = (source.spec.shape[-1], source.spec.shape[-2]) if pixels else None
    show = _thumbnailer(config, Counter([size]), "keep") if size is not None else None
    tally = Tally(source.spec.classes, low, high, show)
    alone = source.total == 1
    for split in SPLITS[:1] if alone else SPLITS:
        for x, y in source.blocks(split):
            tally.add(split, x, y)
            if progress is not None:
                progress("reading", min(tally.counts.total(), source.total), source.total)
    total = tally.counts.total()
    if alone:
        tally.repeat_train()
    mode = f"{source.dtype}, {source.spec.shape[0]} channels" if pixels else str(source.dtype)
    sizes = _sizes(Counter({size: total})) if size is not None else None
    return _report(origin.name, tally, _Found(sizes, {mode: total}, {}, (), source.notes()))


@dataclass(frozen=True)
class _Found:
    """What the two ways of looking know beside the tally."""

    sizes: Sizes | None
    modes: dict[str, int]
    broken: dict[str, str]
    equal: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def _report(name: str, tally: Tally, found: _Found) -> Inspection:
    shown, columns = tally.shown()
    return Inspection(
        name=name,
        counts=dict(tally.counts),
        sizes=found.sizes,
        modes=found.modes,
        classes={split: dict(by) for split, by in tally.by_class.items() if by},
        broken=found.broken,
        duplicates=Duplicates(*tally.duplicates(), files=found.equal),
        histogram=tuple(int(count) for count in tally.histogram),
        low=tally.low,
        high=tally.high,
        mean=tally.mean,
        std=tally.std,
        notes=found.notes,
        shown=shown,
        columns=columns,
    )


def _sizes(sizes: Counter[tuple[int, int]]) -> Sizes | None:
    if not sizes:
        return None
    widths, heights = ([size[axis] for size in sizes.elements()] for axis in (0, 1))
    commonest, count = sizes.most_common(1)[0]
    return Sizes(
        (min(widths), statistics.median_low(widths), max(widths)),
        (min(heights), statistics.median_low(heights), max(heights)),
        commonest,
        count,
        len(sizes),
    )


def _extremes(source: Source) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for split in SPLITS:
        for x, _ in source.blocks(split):
            low, high = min(low, x.min(initial=np.inf)), max(high, x.max(initial=-np.inf))
    # A histogram needs a width, also where all values are one.
    return float(low), float(high if high > low else low + max(1.0, abs(low)))


def _thumbnailer(
    config: DataConfig, sizes: Counter[tuple[int, int]], color: Literal["keep", "rgb"]
) -> Show:
    """What makes a sample small, in the shape asked for or else the commonest."""
    width, height = config.wh or sizes.most_common(1)[0][0]
    zoom = min(1.0, THUMBNAIL / max(width, height))
    small = (max(1, round(height * zoom)), max(1, round(width * zoom)))
    fitting = DataConfig(size=small, fit=config.fit, color=color)

    def show(x: np.ndarray) -> np.ndarray:
        fitted = fit_array(x, fitting)
        return fitted.astype(np.float32) / (255 if x.dtype == np.uint8 else 1)

    return show
