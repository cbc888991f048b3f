"""IDX, the format of MNIST and its kin: a folder of one data set's files, or one file of images.

http://yann.lecun.com/exdb/mnist/ describes it: two zero bytes, the type, the number of axes, the
axes as big-endian 32-bit numbers, then the values.
"""

from __future__ import annotations

import gzip
import os
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError
from .config import DataConfig
from .layout import TEST_NAMES, TRAIN_NAMES
from .rowfile import RowFile, read_exactly, reading
from .stack import Stack, StackSource

UBYTE = 0x08
TEST_WORDS = ("t10k", *TEST_NAMES)
NAMED = re.compile(r"(.*)(images[-.]idx3|labels[-.]idx1)-ubyte(?:\.gz)?")
ADVICE = (
    "name the files of one data set [NAME-]train-images-idx3-ubyte and [NAME-]test-images-idx3-ubyte "
    "(or t10k), with labels-idx1 for images-idx3, or give one file of images"
)
Opener = Callable[[], IO[bytes]]
Files = dict[tuple[str, str], Path]
"""Of one data set, by split (train, test) and kind (images, labels)."""


def is_idx_folder(folder: Path) -> bool:
    """Whether the folder holds IDX images, by their name: `*-images-idx3-ubyte`, perhaps `.gz`."""
    return any(match[2].startswith("images") for match in _named(folder))


def idx_files(path: Path) -> list[Path]:
    """The files that `read_idx` will read, of a folder or a single file of images."""
    if path.is_file():
        labels = _labels_beside(path)
        return [path, labels] if labels else [path]
    return [file for _, file in sorted(_files(path).items())]


def read_idx(path: Path, config: DataConfig) -> StackSource:
    """A folder of one data set, or one file of images with the labels found beside it.

    Raises:
        DataError: A wrong magic number, a body of another length, labels of another count, or names
            that do not say which files to read.
    """
    if path.is_file():
        return StackSource(config, _stack(path, _labels_beside(path)))
    found = _files(path)
    train, test = (
        _stack(found[split, "images"], found.get((split, "labels")))
        if (split, "images") in found
        else None
        for split in ("train", "test")
    )
    if train is None:
        raise DataError(
            f"{path}: holds {found['test', 'images'].name} and no images to train on; {ADVICE}"
        )
    return StackSource(config, train, test)


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


def _files(folder: Path) -> Files:
    """The files of the one data set in a folder.

    Raises:
        DataError: They are of several, or some would be passed over.
    """
    found: Files = {}
    prefixes: dict[tuple[str, str], str] = {}
    names: set[str] = set()
    matches = _named(folder)
    for match in matches:
        name, split = _meaning(match[1])
        key = split, match[2][:6]
        names.add(name)
        # A file beside its .gz is read instead of it; of two prefixes, neither is passed over.
        found.setdefault(key, folder / match[0])
        if len(names) > 1 or prefixes.setdefault(key, match[1]) != match[1]:
            listed = ", ".join(match[0] for match in matches)
            raise DataError(f"{folder}: holds {listed}, which are of several data sets; {ADVICE}")
    for split, kind in found:
        if (split, "images") not in found:
            raise DataError(
                f"{folder}: holds {found[split, kind].name} and no images of that; {ADVICE}"
            )
    return found


def _named(folder: Path) -> list[re.Match[str]]:
    """The names of IDX files, `-` before `.` and plain before packed."""
    with reading(str(folder)), os.scandir(folder) as found:
        matches = [
            match for entry in found if (match := NAMED.fullmatch(entry.name)) and entry.is_file()
        ]
    return sorted(matches, key=lambda match: match[0])


def _meaning(prefix: str) -> tuple[str, str]:
    """The data set and the split that the part of a name before `images` tells."""
    words = [word for word in re.split(r"[-_.]", prefix.lower()) if word]
    split = "test" if any(word in TEST_WORDS for word in words) else "train"
    return "-".join(w for w in words if w not in (*TEST_WORDS, *TRAIN_NAMES)), split


def _labels_beside(images: Path) -> Path | None:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    if name == images.name:  # its packed twin holds the same images
        return None
    stem = name.removesuffix(".gz")
    for candidate in (stem, f"{stem}.gz"):
        path = images.with_name(candidate)
        if path.is_file():
            return path
    return None
