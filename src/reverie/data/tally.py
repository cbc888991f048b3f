"""Counts what passes by: values, classes, duplicates, and keeps a few samples to look at."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from .source import SPLITS, SplitName

BINS = 32
SHOWN = 64
COLUMNS = 8

Show = Callable[[np.ndarray], np.ndarray]


class Tally:
    """What is learnt of samples in one pass, in memory that grows by a digest a sample.

    Arguments:
        classes: Their names; empty without labels.
        low: The least value that a bin of the histogram covers.
        high: The greatest.
        show: Makes a thumbnail of a sample; None where samples are no pictures.
    """

    def __init__(self, classes: Sequence[str], low: float, high: float, show: Show | None) -> None:
        self.low, self.high, self._show = low, high, show
        self.counts: Counter[str] = Counter({split: 0 for split in SPLITS})
        self.by_class: dict[str, Counter[str]] = {
            split: Counter({name: 0 for name in classes}) for split in SPLITS
        }
        self.histogram = np.zeros(BINS, np.int64)
        self._shown: dict[int, list[np.ndarray]] = {}
        self._classes = tuple(classes)
        self._each = max(1, SHOWN // max(1, len(classes)))
        self._copies: dict[bytes, tuple[int, int, int]] = {}
        self._placed: dict[bytes, list[int]] = {}
        self._entries, self._sum, self._squares = 0, 0.0, 0.0

    def add(
        self, split: SplitName, x: np.ndarray, y: np.ndarray | None, place: int | None = None
    ) -> None:
        """Takes samples `(n, *shape)`, bytes or float32, with labels `(n,)` or None.

        One alone may have a place, by which it is known among its equals.
        """
        self.counts[split] += len(x)
        values = x.astype(np.float64) / (255 if x.dtype == np.uint8 else 1)
        self.histogram += np.histogram(values, BINS, (self.low, self.high))[0]
        self._entries += values.size
        self._sum += float(values.sum())
        self._squares += float(np.square(values).sum())
        labels = [0] * len(x) if y is None else y.tolist()
        for row, label in zip(x, labels, strict=True):
            if y is not None:
                self.by_class[split][self._classes[label]] += 1
            self._remember(SPLITS.index(split), row, label, place)

    def repeat_train(self) -> None:
        """Takes the samples of the training split for the other as well: none of them occurs twice."""
        self.counts["test"] = self.counts["train"]
        self.by_class["test"] = self.by_class["train"].copy()

    @property
    def mean(self) -> float | None:
        """Over all values of all samples; None when there are none."""
        return self._sum / self._entries if self._entries else None

    @property
    def std(self) -> float | None:
        """Over all values of all samples; None when there are none."""
        if self.mean is None:
            return None
        return math.sqrt(max(0.0, self._squares / self._entries - self.mean**2))

    def duplicates(self) -> tuple[int, int, int]:
        """Groups of equal samples, samples that repeat another, groups that lie in both splits."""
        groups = [(count, splits) for count, splits, _ in self._copies.values() if count > 1]
        across = sum(splits == 3 for _, splits in groups)
        return len(groups), sum(count - 1 for count, _ in groups), across

    def equal(self) -> list[list[int]]:
        """The places of equal samples, a group each; of those that were given places."""
        return [*self._placed.values()]

    def shown(self) -> tuple[tuple[np.ndarray, ...], int]:
        """Thumbnails, as many of each class, and how many stand in a row."""
        groups = [self._shown[label] for label in sorted(self._shown) if self._shown[label]]
        if len(groups) < 2:
            return tuple(row for group in groups for row in group), COLUMNS
        each = min(len(group) for group in groups)
        return tuple(row for group in groups for row in group[:each]), each

    def _remember(self, split: int, row: np.ndarray, label: int, place: int | None) -> None:
        digest = hashlib.sha256(f"{row.shape}".encode())
        digest.update(row.tobytes())
        key = digest.digest()
        count, splits, first = self._copies.get(key, (0, 0, place or 0))
        self._copies[key] = (count + 1, splits | 1 << split, first)
        if count and place is not None:
            self._placed.setdefault(key, [first]).append(place)
        shown = self._shown.setdefault(label, [])
        if self._show is not None and count == 0 and len(shown) < self._each and label < SHOWN:
            shown.append(self._show(row))
