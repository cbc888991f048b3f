"""Rows of numbers behind a header, read from a stream: never more at once than one block."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np

from ..errors import DataError

BLOCK_BYTES = 8 << 20
UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,  # zipfile, on a compression it lacks
    RuntimeError,  # zipfile, on an encrypted entry
    UnicodeDecodeError,  # zipfile, on a name that is marked as UTF-8 and is none
)
"""What opening and unpacking a damaged or forbidden file raises."""


@dataclass(frozen=True)
class RowFile:
    """A header, then `count` rows of one shape, then nothing.

    Arguments:
        open: Opens the file, unpacked, at its start.
        offset: Bytes of header.
        count: Rows that the header claims.
        shape: Of a row.
        dtype: Of the numbers, with their byte order.
        where: The file, for messages.
    """

    open: Callable[[], IO[bytes]]
    offset: int
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype
    where: str

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape) * self.dtype.itemsize

    def checked(self, size: int | None = None) -> RowFile:
        """Itself, once the body was found to be as long as the header says.

        Whoever counts on `count`, to split it or to make room, asks for this first.

        Arguments:
            size: Bytes of the whole file, where that is known; else it is unpacked to see.
        """
        if size is None:
            for _ in self.blocks():
                pass
        elif size != self.offset + self.count * self.row_bytes:
            raise self._wrong_length(size - self.offset)
        return self

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows, `(n, *shape)` at a time.

        Raises:
            DataError: The body is shorter or longer than the header says, or cannot be read.
        """
        per_block = max(1, BLOCK_BYTES // max(self.row_bytes, 1))
        with reading(self.where), self.open() as file:
            read_exactly(file, self.offset)
            for start in range(0, self.count, per_block):
                rows = min(per_block, self.count - start)
                data = read_exactly(file, rows * self.row_bytes)
                if len(data) < rows * self.row_bytes:
                    raise self._wrong_length(start * self.row_bytes + len(data))
                yield np.frombuffer(data, self.dtype).reshape(rows, *self.shape)
            if file.read(1):
                raise self._wrong_length(None)

    def all(self) -> np.ndarray:
        """All rows at once `(N, *shape)`, for labels."""
        empty = np.empty((0, *self.shape), self.dtype)
        return np.concatenate([empty, *self.blocks()])

    def _wrong_length(self, found: int | None) -> DataError:
        claimed = self.count * self.row_bytes
        held = "more" if found is None else f"{found:,}"
        return DataError(
            f"{self.where}: the header promises {self.count:,} rows of {self.row_bytes:,} bytes "
            f"({claimed:,} bytes), the body holds {held}; the file is damaged, get it again"
        )


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turns what goes wrong in reading a file into a `DataError` that names it."""
    try:
        yield
    except UNREADABLE as error:
        raise DataError(f"{where}: cannot be read ({reason_of(error)})") from error


def reason_of(error: BaseException) -> str:
    """Why reading failed, in few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def read_exactly(file: IO[bytes], count: int) -> bytes:
    """`count` bytes, or all there are; memory follows what is there, not what is claimed."""
    parts: list[bytes] = []
    while count > 0 and (part := file.read(min(count, BLOCK_BYTES))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
