"""What the places of pictures say: which split they belong to, and which class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from ..errors import DataError
from .entries import printable
from .names import Names

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing")
VALIDATION_NAMES = ("val", "valid", "validation")

TRAIN, TEST, UNUSED = 0, 1, -1


@dataclass(frozen=True)
class Layout:
    """The split and the class of each picture, which is known by its place among the names.

    Arguments:
        names: Of all pictures, sorted.
        parts: `(N,)` int8: TRAIN, TEST or UNUSED.
        tested: Whether there is a folder for testing; if not, all are TRAIN.
        classes: Names of the class folders, sorted; empty without labels.
        labels: `(N,)` int32, -1 where a picture is unused; None without labels.
        notes: What a person should know.
    """

    names: Names
    parts: np.ndarray
    tested: bool
    classes: tuple[str, ...]
    labels: np.ndarray | None
    notes: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many pictures are of a split."""
        return int(np.count_nonzero(self.parts != UNUSED))


def arrange(names: Names, where: str) -> Layout:
    """Reads splits and classes off the folders that pictures lie in.

    A folder that holds all pictures says nothing and is passed over.

    Raises:
        DataError: Some pictures lie in class folders and some do not.
    """
    depth = _shared(map(_folders, names))
    parts, tested, notes = _splits(names, depth)
    depth += tested

    def kept() -> Iterator[list[str]]:
        paths = (_folders(name)[depth:] for name in names)
        return (path for path, part in zip(paths, parts, strict=True) if part != UNUSED)

    depth += _shared(kept())
    words: dict[str, int] = {}
    found = (words.setdefault(path[0], len(words)) if path else -1 for path in kept())
    labels = np.full(len(names), -1, np.int32)
    labels[parts != UNUSED] = np.fromiter(found, np.int32)
    classes = sorted(words, key=_class_order)
    layout = Layout(names, parts, tested, tuple(printable(c) for c in classes), None, notes)
    if not words:
        return layout
    _refuse_partial(layout, labels, where)
    _refuse_unknown(layout, labels, list(words), where)
    # By then every picture of a split has a word; the last entry is for those of none.
    place = {word: i for i, word in enumerate(classes)}
    order = np.array([*(place[word] for word in words), -1], np.int32)
    return replace(layout, labels=order[labels])


def _folders(name: str) -> list[str]:
    return name.split("/")[:-1]


def _splits(names: Names, depth: int) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """The part of each, whether the folders have a test split, and what was left out."""
    tops = Counter(_top(name, depth) for name in names)
    train = next((n for n in TRAIN_NAMES if n in tops), None)
    test = next((n for n in (*TEST_NAMES, *VALIDATION_NAMES) if n in tops), None)
    if train is None or test is None:
        return np.full(len(names), TRAIN, np.int8), False, ()
    part_of = {train: TRAIN, test: TEST}
    parts = np.fromiter((part_of.get(_top(name, depth), UNUSED) for name in names), np.int8)
    notes = tuple(
        f"{count} pictures in {printable(top) or 'no folder'} were left out: "
        f"{train} and {test} are the splits"
        for top, count in tops.items()
        if top not in part_of
    )
    return parts, True, notes


def _top(name: str, depth: int) -> str:
    path = _folders(name)
    return path[depth].lower() if len(path) > depth else ""


def _shared(paths: Iterable[list[str]]) -> int:
    """How many folders all paths begin with."""
    shared: list[str] | None = None
    for path in paths:
        pairs = zip(path if shared is None else shared, path, strict=False)
        shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    return len(shared or ())


def _refuse_partial(layout: Layout, labels: np.ndarray, where: str) -> None:
    used = layout.parts != UNUSED
    bare = np.flatnonzero(used & (labels < 0))
    if not len(bare):
        return
    labelled = labels[used & (labels >= 0)]
    raise DataError(
        f"{where}: labels are missing in part: {len(bare)} pictures lie in no class folder, e.g. "
        f"{printable(layout.names[bare[0]])}, and {len(labelled)} lie in "
        f"{len(np.unique(labelled))} of them; move every picture into a class folder, or all into "
        "one folder for no labels"
    )


def _refuse_unknown(layout: Layout, labels: np.ndarray, words: list[str], where: str) -> None:
    train, test = (np.unique(labels[layout.parts == part]) for part in (TRAIN, TEST))
    unknown = sorted(printable(words[i]) for i in np.setdiff1d(test, train))
    if unknown:
        raise DataError(
            f"{where}: {len(unknown)} classes are in the test split and not in the training "
            f"split: {', '.join(unknown[:5])}; give both the same class folders"
        )


def _class_order(word: str) -> tuple[int, int, str]:
    """Numbers by value, then words by letters."""
    return (0, int(word), word) if word.isascii() and word.isdecimal() else (1, 0, word)
