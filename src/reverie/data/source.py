"""What a reader hands over: samples in blocks, so that no data set need fit in memory."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..spec import Pixels, Vector
from .entries import Entries

SplitName = Literal["train", "test"]
SPLITS: tuple[SplitName, SplitName] = ("train", "test")

Block = tuple[np.ndarray, np.ndarray | None]
"""Samples `(n, *shape)` as they are stored, with their labels `(n,)`, int64, or None."""

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many samples are done, and of how many."""


class Source(Protocol):
    """Samples that can be read once through, split by split."""

    @property
    def spec(self) -> Pixels | Vector:
        """The shape and the classes."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the stored values: uint8 or float32."""
        ...

    @property
    def total(self) -> int:
        """About how many samples both splits have, for progress."""
        ...

    def blocks(self, split: SplitName) -> Iterator[Block]:
        """The samples of a split, in order."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What a person should know, once all was read.

        Raises:
            DataError: Reading found files that cannot be used.
        """
        ...


@dataclass(frozen=True)
class Origin:
    """Where data was found, before any of it is read.

    Arguments:
        name: A short word for run folders.
        place: The absolute path, or the name of a built-in source.
        files: Goes through name, bytes and time of change of every file, by which a change is noticed.
        read: Opens the source, telling its progress.
        kept: Whether it is worth keeping decoded in the cache.
        split: Whether it surely has a test split of its own.
        entries: Opens the files one by one, where the source is made of picture files.
    """

    name: str
    place: str
    files: Callable[[], Iterable[tuple[str, int, int]]]
    read: Callable[[Progress | None], Source]
    kept: bool = True
    split: bool = False
    entries: Callable[[], Entries] | None = None


def held_out(names: Iterable[str], share: float, seed: int) -> np.ndarray:
    """Which samples are held out: a mask `(N,)` with `share` of them, at least one of each kind.

    A sample's place depends on its own name and the seed, so that adding files moves few others.
    """
    draws = np.fromiter((_draw(seed, name) for name in names), np.uint64)
    count = min(max(round(len(draws) * share), 1), len(draws) - 1)
    mask = np.zeros(len(draws), bool)
    mask[draws.argsort(kind="stable")[:count]] = True
    return mask


def slug(name: str) -> str:
    """A file's or folder's name as a short word for folders."""
    name = re.sub(r"(\.(tar|gz|idx|zip|npy|npz|tgz))+$", "", name, flags=re.IGNORECASE)
    name = unicodedata.normalize("NFC", name).lower()
    return re.sub(r"[\W_]+", "-", name).strip("-")[:40] or "data"


def _draw(seed: int, name: str) -> int:
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()
    # Of a million names, two share these 64 bits once in 37 million data sets.
    return int.from_bytes(digest[:8])
