"""Samples that stay in their file: rows are copied out, and the pages they lay in given back."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GIVE_BACK_BYTES = 64 << 20
# Linux maps up to this much around each page that is read, however small the row.
AROUND_BYTES = 64 << 10


class MappedArray:
    """A `.npy` file as a tensor that is read page by page, and never counted twice as memory.

    Arguments:
        path: The file; C order, written by `cache`.
        offset: Where its values begin, in bytes.
        shape: `(N, *shape)`.
        dtype: Of the stored values.
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        with path.open("rb") as file:
            # A private copy-on-write map is writable, as torch asks, and leaves the file alone.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._advise("MADV_RANDOM")
        values = np.frombuffer(self._map, dtype, int(np.prod(shape)), offset)
        self.x = torch.from_numpy(values.reshape(shape))
        self._touched = 0

    def rows(self, index: Tensor) -> Tensor:
        """Copies of the samples at `index` `(B,)`: `(B, *shape)`."""
        result = self.x[index]
        self._touched += len(result) * AROUND_BYTES + result.nbytes
        if self._touched >= GIVE_BACK_BYTES:
            self._advise("MADV_DONTNEED")
            self._touched = 0
        return result

    def _advise(self, name: str) -> None:
        # Advice is a Linux and macOS matter; elsewhere the system decides for itself.
        if hasattr(mmap, name):
            self._map.madvise(getattr(mmap, name))
