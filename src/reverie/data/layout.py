"""What the places of pictures say: which split they belong to, and which class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DataError
from .entries import printable

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing")
VALIDATION_NAMES = ("val", "valid", "validation")

Folders = dict[str, list[str]]
"""The folders that each picture lies in, from the outermost in, by its name."""


@dataclass(frozen=True)
class Layout:
    """Names of pictures by split, and the class of each.

    Arguments:
        train: Of the training split, or of everything where `test` is None.
        test: Of the folder for testing; None where there is none.
        classes: Names of the class folders, sorted; empty without labels.
        label_of: The class of each picture by its name; empty without labels.
        notes: What a person should know.
    """

    train: tuple[str, ...]
    test: tuple[str, ...] | None
    classes: tuple[str, ...]
    label_of: dict[str, int]
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all pictures."""
        return self.train + (self.test or ())


def arrange(names: Sequence[str], where: str) -> Layout:
    """Reads splits and classes off the folders that pictures lie in.

    A folder that holds all pictures says nothing and is passed over.

    Raises:
        DataError: Some pictures lie in class folders and some do not.
    """
    folders = _unwrapped({name: name.split("/")[:-1] for name in sorted(names)})
    splits, notes = _splits(folders)
    if len(splits) > 1:
        folders = {n: folders[n][1:] for part in splits.values() for n in part}
    folders = _unwrapped(folders)
    parts = {
        split: {n: folders[n][0] if folders[n] else None for n in files}
        for split, files in splits.items()
    }
    _refuse_partial(parts, where)
    words = {word for part in parts.values() for word in part.values() if word is not None}
    classes = sorted(words, key=_class_order)
    if "test" in parts:
        _refuse_unknown(parts, where)
    order = {word: i for i, word in enumerate(classes)}
    label_of = {n: order[w] for part in parts.values() for n, w in part.items() if w is not None}
    test = tuple(splits["test"]) if "test" in splits else None
    return Layout(
        tuple(splits["train"]), test, tuple(printable(c) for c in classes), label_of, notes
    )


def _splits(folders: Folders) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Names by split: train, and test where the folders have one."""
    tops: dict[str, list[str]] = {}
    for name, path in folders.items():
        tops.setdefault(path[0].lower() if path else "", []).append(name)
    train = next((n for n in TRAIN_NAMES if n in tops), None)
    test = next((n for n in (*TEST_NAMES, *VALIDATION_NAMES) if n in tops), None)
    if train is None or test is None:
        return {"train": list(folders)}, ()
    unused = {top: files for top, files in tops.items() if top not in (train, test)}
    notes = tuple(
        f"{len(files)} pictures in {printable(top) or 'no folder'} were left out: "
        f"{train} and {test} are the splits"
        for top, files in unused.items()
    )
    return {"train": tops[train], "test": tops[test]}, notes


def _unwrapped(folders: Folders) -> Folders:
    """The folders of each name, without those that all names begin with."""
    depth = 0
    for level in zip(*folders.values(), strict=False):
        if len(set(level)) > 1:
            break
        depth += 1
    return {name: path[depth:] for name, path in folders.items()}


def _refuse_partial(parts: dict[str, dict[str, str | None]], where: str) -> None:
    words = Counter(w for part in parts.values() for w in part.values())
    bare = words.pop(None, 0)
    if not bare or not words:
        return
    example = next(n for part in parts.values() for n, w in part.items() if w is None)
    raise DataError(
        f"{where}: labels are missing in part: {bare} pictures lie in no class folder, e.g. "
        f"{printable(example)}, and {words.total()} lie in {len(words)} of them; move every "
        "picture into a class folder, or all into one folder for no labels"
    )


def _refuse_unknown(parts: dict[str, dict[str, str | None]], where: str) -> None:
    unknown = {w for w in parts["test"].values() if w is not None} - set(parts["train"].values())
    if unknown:
        listed = ", ".join(sorted(printable(w) for w in unknown)[:5])
        raise DataError(
            f"{where}: {len(unknown)} classes are in the test split and not in the training "
            f"split: {listed}; give both the same class folders"
        )


def _class_order(word: str) -> tuple[int, int, str]:
    """Numbers by value, then words by letters."""
    return (0, int(word), word) if word.isascii() and word.isdecimal() else (1, 0, word)
