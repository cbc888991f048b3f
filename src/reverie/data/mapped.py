"""Samples that stay in their file, of which batches are copied out."""

from __future__ import annotations

import math
import mmap
import os
import sys
import weakref
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import StorageError


class MappedArray:
    """A `.npy` file as a tensor, and a way to read its rows that never counts as memory.

    Touching one row of a map can bring 2 MB around it into the process (Linux 6 keeps files in
    large folios), so batches are read by position instead. `x` is for a look at a few samples.

    Arguments:
        path: The file; C order, written by `cache`.
        offset: Where its values begin, in bytes.
        shape: `(N, *shape)`.
        dtype: Of the stored values.
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)
        self._map = _map(self._file)
        values = np.frombuffer(self._map, dtype, math.prod(shape), offset)
        self.x = torch.from_numpy(values.reshape(shape))
        self._path, self._offset = path, offset
        self._stride = math.prod(shape[1:]) * dtype.itemsize
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_RANDOM)
        if hasattr(mmap, "MADV_RANDOM"):
            self._map.madvise(mmap.MADV_RANDOM)

    def rows(self, index: Tensor) -> Tensor:
        """Copies of the samples at `index` `(B,)`: `(B, *shape)`.

        Raises:
            StorageError: The file was cut short since it was opened.
        """
        if not hasattr(os, "preadv"):
            return self.x[index]
        result = torch.empty((len(index), *self.x.shape[1:]), dtype=self.x.dtype)
        places = result.view(torch.uint8).flatten().numpy().data
        for row, place in enumerate(self._checked(index)):
            start = row * self._stride
            at = self._offset + place * self._stride
            read = os.preadv(self._file, [places[start : start + self._stride]], at)
            if read != self._stride:
                raise StorageError(
                    f"{self._path}: was cut short while it was in use; open the data anew"
                )
        return result

    def _checked(self, index: Tensor) -> list[int]:
        places: list[int] = index.tolist()
        count = len(self.x)
        if places and not -count <= min(places) <= max(places) < count:
            raise IndexError(f"index {min(places)} to {max(places)} of {count} samples")
        return [place % count for place in places]


def _map(file: int) -> mmap.mmap:
    """A private map of a whole file: writable, as torch asks, and what is written stays out of the file.

    Linux promises memory for all of a writable map, and refuses one of more than there is, unless it is
    told that none will be needed.
    """
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        return mmap.mmap(file, 0, access=mmap.ACCESS_COPY)
    unreserved = getattr(mmap, "MAP_NORESERVE", 0x4000) if sys.platform == "linux" else 0
    return mmap.mmap(file, 0, flags=mmap.MAP_PRIVATE | unreserved)
