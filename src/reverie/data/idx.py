"""IDX, the format of MNIST and its kin: a folder of the four classic files, or one file of images.

http://yann.lecun.com/exdb/mnist/ describes it: two zero bytes, the type, the number of axes, the
axes as big-endian 32-bit numbers, then the values.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError
from .config import DataConfig
from .rowfile import RowFile, read_exactly, reading
from .stack import Stack, StackSource

UBYTE = 0x08
Opener = Callable[[], IO[bytes]]


def is_idx_folder(folder: Path) -> bool:
    """Whether the folder holds IDX files under their classic names."""
    return _find(folder, "train", "images") is not None


def idx_files(path: Path) -> list[Path]:
    """The files that `read_idx` will read, of a folder or a single file of images."""
    if path.is_file():
        labels = _labels_beside(path)
        return [path, labels] if labels else [path]
    found = [_find(path, s, k) for s in ("train", "t10k") for k in ("images", "labels")]
    return [file for file in found if file is not None]


def read_idx(path: Path, config: DataConfig) -> StackSource:
    """A folder of classic names, or one file of images with the labels found beside it.

    Raises:
        DataError: A wrong magic number, a body of another length, labels of another count.
    """
    if path.is_file():
        return StackSource(config, _stack(path, _labels_beside(path)))
    train, test = (
        [_find(path, split, kind) for kind in ("images", "labels")] for split in ("train", "t10k")
    )
    if train[0] is None:
        raise DataError(f"{path}: train-images-idx3-ubyte is missing")
    return StackSource(
        config, _stack(train[0], train[1]), _stack(test[0], test[1]) if test[0] else None
    )


def idx_stack(images: RowFile, labels: RowFile | None) -> Stack:
    """A stack of IDX images `(N, H, W)` as `(N, 1, H, W)`, with their labels."""

    def blocks() -> Iterator[np.ndarray]:
        return (block[:, None] for block in images.blocks())

    if labels is not None and labels.count != images.count:
        raise DataError(
            f"{labels.where}: holds {labels.count:,} labels, {images.where} holds "
            f"{images.count:,} images; the files do not belong together"
        )
    return Stack(
        (1, *images.shape),
        np.dtype(np.uint8),
        images.count,
        blocks,
        labels.all() if labels is not None else None,
        images.where,
    )


def idx_rows(opener: Opener, axes: int, where: str, size: int | None = None) -> RowFile:
    """Reads an IDX header with the given number of axes: 3 for images, 1 for labels.

    Arguments:
        opener: Opens the file, unpacked.
        axes: How many the header should have.
        where: The file, for messages.
        size: Bytes of the file, unpacked, where that is known.

    Raises:
        DataError: It is another kind of file, or its body has another length.
    """
    offset = 4 + 4 * axes
    with reading(where), opener() as file:
        head = read_exactly(file, offset)
    expected = UBYTE << 8 | axes
    kind = {1: "labels", 3: "images"}[axes]
    if len(head) < offset:
        raise DataError(
            f"{where}: holds {len(head)} bytes, an IDX header of {kind} alone takes {offset}; "
            "get the file again"
        )
    magic, *shape = struct.unpack(f">{1 + axes}I", head)
    if magic != expected:
        other = {UBYTE << 8 | 1: ": it holds labels", UBYTE << 8 | 3: ": it holds images"}
        raise DataError(
            f"{where}: the magic number is {magic}{other.get(magic, '')}; IDX {kind} begin "
            f"with {expected}; give a file of {kind}"
        )
    if 0 in shape:
        raise DataError(f"{where}: holds no samples (its header says {shape})")
    rows = RowFile(opener, offset, shape[0], tuple(shape[1:]), np.dtype(np.uint8), where)
    return rows.checked(size)


def _stack(images: Path, labels: Path | None) -> Stack:
    return idx_stack(_rows(images, 3), _rows(labels, 1) if labels is not None else None)


def _rows(path: Path, axes: int) -> RowFile:
    with reading(str(path)), path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        size = path.stat().st_size
    if packed:
        # gzip's type says IO of either kind; "rb" gives bytes.
        return idx_rows(lambda: gzip.open(path, "rb"), axes, str(path))  # type: ignore[arg-type]
    return idx_rows(lambda: path.open("rb"), axes, str(path), size)


def _find(folder: Path, split: str, kind: str) -> Path | None:
    axes = 3 if kind == "images" else 1
    for dash in ("-", "."):
        for end in ("", ".gz"):
            path = folder / f"{split}-{kind}{dash}idx{axes}-ubyte{end}"
            if path.is_file():
                return path
    return None


def _labels_beside(images: Path) -> Path | None:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    stem = name.removesuffix(".gz")
    for candidate in (stem, f"{stem}.gz"):
        path = images.with_name(candidate)
        if path.is_file() and path != images:
            return path
    return None
