"""NumPy files, .npy and .npz, read without pickle and without trusting the shape they claim."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError
from .config import DataConfig
from .entries import printable
from .members import chosen
from .rowfile import UNREADABLE, RowFile, reading
from .stack import Stack, StackSource
from .values import converter

Opener = Callable[[], IO[bytes]]


def read_arrays(path: Path, config: DataConfig) -> StackSource:
    """A .npy of samples, or a .npz of samples and perhaps labels and a test split.

    Of a .npz without a test split, validation is that. What is not read is named in a note.

    Raises:
        DataError: The file is damaged or lies about its shape, needs pickle, has no samples, leaves
            open which are meant, or holds values that no picture and no vector has.
    """
    if path.suffix.lower() != ".npz":
        return _source(config, [(_plain_rows(path), None)], [])
    members = _members(path)
    names = chosen(path, members)

    def rows(key: str) -> RowFile:
        return npy_rows(members[key], f"{path}[{key}]")

    read = [key for pair in names for key in pair if key is not None]
    notes: list[str] = []
    if unread := sorted(members.keys() - set(read)):
        listed = (", ".join(map(printable, keys)) for keys in (unread, read))
        notes.append("{} were not read, the data is {}".format(*listed))
    pairs = [(rows(x), rows(y) if y is not None else None) for x, y in names]
    return _source(config, pairs, notes)


def npy_rows(opener: Opener, where: str, size: int | None = None) -> RowFile:
    """Reads the header of a .npy, and sees that the body is as long as it says.

    Raises:
        DataError: It is no .npy, or one that needs pickle, lies about its shape or is stored
            column by column.
    """
    with reading(where), opener() as file:
        try:
            shape, by_columns, dtype = _read_header(file)
        except UNREADABLE:
            raise
        # NumPy reads a header as Python, which can raise anything, from TokenError to IndexError.
        except Exception as error:
            raise DataError(f"{where}: is no NumPy file that can be read ({error})") from error
        offset = file.tell()
    if dtype.hasobject:
        raise DataError(
            f"{where}: holds Python objects, which need pickle and could run code; save an array "
            "of numbers of one shape"
        )
    if dtype.names is not None or dtype.kind not in "buifUS" or dtype.itemsize == 0:
        raise DataError(f"{where}: holds {dtype}; save numbers, e.g. x.astype('float32')")
    if by_columns and len(shape) > 1:
        raise DataError(
            f"{where}: is stored column by column; save it with "
            "np.save(path, np.ascontiguousarray(x))"
        )
    if not shape or math.prod(shape) == 0:
        raise DataError(f"{where}: has shape {shape}, which holds no samples")
    return RowFile(opener, offset, shape[0], shape[1:], dtype, where).checked(size)


def _plain_rows(path: Path) -> RowFile:
    with reading(str(path)):
        return npy_rows(lambda: path.open("rb"), str(path), path.stat().st_size)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version[0]}.{version[1]} is for tables, not for numbers")


def _members(path: Path) -> dict[str, Opener]:
    with reading(str(path)), zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]

    def opener(name: str) -> Opener:
        def open_() -> IO[bytes]:
            with zipfile.ZipFile(path) as archive:
                return archive.open(name)  # it keeps the archive's file open by itself

        return open_

    return {name.removesuffix(".npy"): opener(name) for name in names}


def _source(
    config: DataConfig, pairs: Iterable[tuple[RowFile, RowFile | None]], notes: list[str]
) -> StackSource:
    stacks = [_stack(rows, labels, notes) for rows, labels in pairs]
    test = stacks[1] if len(stacks) > 1 else None
    return StackSource(config, stacks[0], test, tuple(dict.fromkeys(notes)))


def _stack(rows: RowFile, labels: RowFile | None, notes: list[str]) -> Stack:
    shape, to_sample = _arrange(rows, notes)
    convert, dtype = converter(rows, vector=len(shape) == 1)

    def blocks() -> Iterator[np.ndarray]:
        for block in rows.blocks():
            yield np.ascontiguousarray(to_sample(convert(block)))

    y = _labels(labels) if labels is not None else None
    return Stack(shape, dtype, rows.count, blocks, y, rows.where)


Rearrange = Callable[[np.ndarray], np.ndarray]


def _arrange(rows: RowFile, notes: list[str]) -> tuple[tuple[int, ...], Rearrange]:
    """The shape of a sample, and what brings `(n, *row)` to it."""
    shape = rows.shape
    if len(shape) == 1:
        side = math.isqrt(shape[0])
        if rows.dtype == np.uint8 and side > 1 and side * side == shape[0]:
            notes.append(
                f"rows of {shape[0]} numbers are vectors; save them as (N, {side}, {side}) if "
                "they are pictures"
            )
        return shape, lambda x: x
    if len(shape) == 2:
        return (1, *shape), lambda x: x[:, None]
    if len(shape) == 3:
        first, last = shape[0] <= 4, shape[2] <= 4
        if first and last and shape[0] != shape[2]:
            notes.append(f"pictures of shape {shape} were read as (channels, height, width)")
        channels = shape[0] if first else shape[2]
        if channels in (2, 4) and (first or last):
            colours = "grey" if channels == 2 else "red, green, blue"
            notes.append(
                f"pictures of {channels} channels are shown as {colours} and alpha, on white"
            )
        if first:
            return shape, lambda x: x
        if last:
            return (shape[2], *shape[:2]), lambda x: x.transpose(0, 3, 1, 2)
    raise DataError(
        f"{rows.where}: has shape {(rows.count, *shape)}; pictures are (N, H, W), (N, H, W, C) or "
        "(N, C, H, W) with 1 to 4 channels, vectors are (N, D)"
    )


def _labels(rows: RowFile) -> np.ndarray:
    if math.prod(rows.shape) != 1:
        raise DataError(
            f"{rows.where}: labels have shape {(rows.count, *rows.shape)}, expected one a sample: "
            f"({rows.count},)"
        )
    values, kind = rows.all().reshape(rows.count), rows.dtype.kind
    if kind == "S":
        return _words(values, rows.where)
    if kind in "bU":
        return values
    if kind == "f" and (not np.isfinite(values).all() or (values != np.rint(values)).any()):
        raise DataError(
            f"{rows.where}: labels are real numbers; classes are whole numbers or words"
        )
    low, high = values.min(), values.max()
    if low < -(2.0**63) or high >= 2.0**63:
        raise DataError(
            f"{rows.where}: labels go from {low} to {high}, beyond 64 bits; number the classes from 0"
        )
    # Of one type, since NumPy joins int64 and uint64 of two splits to real numbers.
    return values.astype(np.int64)


def _words(values: np.ndarray, where: str) -> np.ndarray:
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: labels are bytes and no UTF-8 ({error}); save words, e.g. "
            "np.char.decode(y, 'latin-1')"
        ) from None
