"""Reads a source once through, into files or memory, and takes its fingerprint on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Protocol

import numpy as np

from ..errors import DataError
from .source import SPLITS, Progress, Source, SplitName


class Sink(Protocol):
    """Takes samples in order."""

    def add(self, x: np.ndarray) -> None:
        """Takes `(n, *shape)` more."""
        ...

    def close(self) -> None:
        """Ends the split."""
        ...


@dataclass(frozen=True)
class Poured:
    """What was learnt on the way.

    Arguments:
        labels: By split, `(N,)` int64 or None.
        fingerprint: SHA-256 of samples and labels.
        notes: What a person should know.
    """

    labels: dict[SplitName, np.ndarray | None]
    fingerprint: str
    notes: tuple[str, ...]


class FileSink:
    """Appends samples to a `.npy`, whose header learns the number of samples at the end."""

    def __init__(self, file: IO[bytes], source: Source) -> None:
        self._shape, self._dtype = source.spec.shape, source.dtype
        self._count = 0
        self._file = file
        self._write_header()

    def add(self, x: np.ndarray) -> None:
        """Takes `(n, *shape)` more."""
        self._file.write(np.asarray(x, self._dtype).tobytes())
        self._count += len(x)

    def close(self) -> None:
        """Completes the header."""
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        # numpy leaves room for the first axis to grow, so the header keeps its length.
        header = np.lib.format.header_data_from_array_1_0(np.empty((0, *self._shape), self._dtype))
        header["shape"] = (self._count, *self._shape)
        np.lib.format.write_array_header_1_0(self._file, header)


class MemorySink:
    """Gathers samples in memory, up to `limit` bytes."""

    def __init__(self, source: Source, limit: int | None) -> None:
        self._empty = np.empty((0, *source.spec.shape), source.dtype)
        self._blocks: list[np.ndarray] = []
        self._limit, self._bytes = limit, 0

    def add(self, x: np.ndarray) -> None:
        """Takes `(n, *shape)` more."""
        self._blocks.append(np.array(x, self._empty.dtype))
        self._bytes += x.nbytes
        if self._limit is not None and self._bytes > self._limit:
            raise DataError(
                f"the samples take more than {self._limit / 1e9:.0f} GB and the cache cannot be "
                "written; set REVERIE_CACHE to a folder with room"
            )

    def close(self) -> None:
        """Nothing is left to do."""

    def array(self) -> np.ndarray:
        """All samples `(N, *shape)`."""
        return np.concatenate([self._empty, *self._blocks])


def pour(
    source: Source, sinks: Mapping[SplitName, Sink], progress: Progress | None = None
) -> Poured:
    """Sends every sample to the sink of its split.

    Raises:
        DataError: Files cannot be used, or nothing is left of a split.
    """
    digest = hashlib.sha256()
    labels: dict[SplitName, np.ndarray | None] = {}
    counts: dict[SplitName, int] = {}
    for split in SPLITS:
        done = sum(counts.values())
        parts: list[np.ndarray] = []
        count = 0
        for x, y in source.blocks(split):
            sinks[split].add(x)
            digest.update(x.tobytes())
            count += len(x)
            if y is not None:
                parts.append(y)
            if progress is not None:
                progress("reading", min(done + count, source.total), source.total)
        sinks[split].close()
        labels[split] = np.concatenate(parts) if parts else None
        counts[split] = count
    notes = source.notes()
    _refuse_empty(counts)
    _finish(digest, source, counts, labels)
    return Poured(labels, digest.hexdigest(), notes)


def _refuse_empty(counts: Mapping[SplitName, int]) -> None:
    for split, count in counts.items():
        if count == 0:
            raise DataError(f"no sample is left for the {split} split; mend or add files")


def _finish(
    digest: hashlib._Hash,
    source: Source,
    counts: Mapping[SplitName, int],
    labels: Mapping[SplitName, np.ndarray | None],
) -> None:
    for split in SPLITS:
        digest.update(f"{split} {counts[split]} {source.spec.shape} {source.dtype}".encode())
        if (y := labels[split]) is not None:
            digest.update(y.astype("<i8").tobytes())
