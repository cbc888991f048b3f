"""Which arrays of a .npz are samples and which are labels, by their names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ..errors import DataError
from .entries import printable
from .layout import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES

SAMPLES, LABELS = ("x", "images"), ("y", "labels")
WHOLE_SAMPLES = (*SAMPLES, "data", "image", "arr_0")
WHOLE_LABELS = (*LABELS, "label", "targets", "target")
SPLIT_WORDS = (TRAIN_NAMES, TEST_NAMES, VALIDATION_NAMES)
ADVICE = (
    "name the samples x (with labels y), or x_train and x_test or x_val (with y_train and y_test or "
    "y_val)"
)


def chosen(path: Path, members: Collection[str]) -> list[tuple[str, str | None]]:
    """The members that are samples, with their labels: of all, or of training and then of testing.

    Validation is for testing where there is no test split. Members may be left over.

    Raises:
        DataError: There are no samples, or the names leave open which are meant.
    """
    lower = {key.lower(): key for key in members}
    if len(lower) == 1:
        return [(key, None) for key in lower.values()]

    def pick(keys: Iterable[str]) -> str | None:
        return next((lower[key] for key in keys if key in lower), None)

    train, test, validation = (
        (pick(_keys(SAMPLES, words, bare=True)), pick(_keys(LABELS, words)))
        for words in SPLIT_WORDS
    )
    whole = pick(WHOLE_SAMPLES), pick(WHOLE_LABELS)
    held = test if any(test) else validation
    split = [(x, y) for x, y in (train, held) if x is not None]
    mixed = any(whole) and (any(train) or any(held))
    bare = len(split) < any(train) + any(held)
    if mixed or bare or (train[0] is None) == (whole[0] is None):
        found = ", ".join(printable(key) for key in sorted(members)) or "nothing"
        raise DataError(f"{path}: holds {found}; {ADVICE}")
    return split or [(x, y) for x, y in [whole] if x is not None]


def _keys(nouns: Iterable[str], words: Iterable[str], bare: bool = False) -> Iterator[str]:
    """What members of a split may be called, e.g. x_train, train_x; where `bare`, train alone."""
    pairs = [(noun, word) for noun in nouns for word in words]
    yield from (f"{noun}_{word}" for noun, word in pairs)
    yield from (f"{word}_{noun}" for noun, word in pairs)
    yield from words if bare else ()
