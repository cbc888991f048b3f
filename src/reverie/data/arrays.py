"""NumPy files, .npy and .npz, read without pickle and without trusting the shape they claim."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError
from .config import DataConfig
from .rowfile import RowFile, reading
from .stack import Stack, StackSource
from .values import converter

TRAIN_KEYS = ("x_train", "train_x", "train_images", "images_train", "train")
TEST_KEYS = ("x_test", "test_x", "test_images", "images_test", "test")
WHOLE_KEYS = ("x", "images", "data", "image", "arr_0")
LABEL_KEYS: dict[str, tuple[str, ...]] = {
    "train": ("y_train", "train_y", "train_labels", "labels_train"),
    "test": ("y_test", "test_y", "test_labels", "labels_test"),
    "whole": ("y", "labels", "label", "targets", "target"),
}
Opener = Callable[[], IO[bytes]]


def read_arrays(path: Path, config: DataConfig) -> StackSource:
    """A .npy of samples, or a .npz of samples and perhaps labels and a test split.

    Raises:
        DataError: The file is damaged or lies about its shape, needs pickle, has no samples, or
            holds values that no picture and no vector has.
    """
    if path.suffix.lower() != ".npz":
        return _source(config, _plain_rows(path), None, None, None)
    members = _members(path)
    lower = {key.lower(): key for key in members}

    def rows(keys: tuple[str, ...]) -> RowFile | None:
        key = next((lower[k] for k in keys if k in lower), None)
        return npy_rows(members[key], f"{path}[{key}]") if key is not None else None

    train, test = rows(TRAIN_KEYS), rows(TEST_KEYS)
    if train is not None:
        return _source(config, train, rows(LABEL_KEYS["train"]), test, rows(LABEL_KEYS["test"]))
    whole = rows(WHOLE_KEYS)
    if whole is None and len(members) == 1:
        whole = rows(tuple(lower))
    if whole is None:
        raise DataError(
            f"{path}: holds {', '.join(sorted(members)) or 'nothing'}; name the samples x (with "
            "labels y), or x_train and x_test (with y_train and y_test)"
        )
    return _source(config, whole, rows(LABEL_KEYS["whole"]), None, None)


def npy_rows(opener: Opener, where: str, size: int | None = None) -> RowFile:
    """Reads the header of a .npy, and sees that the body is as long as it says.

    Raises:
        DataError: It is no .npy, or one that needs pickle, lies about its shape or is stored
            column by column.
    """
    with reading(where), opener() as file:
        try:
            shape, by_columns, dtype = _read_header(file)
        except ValueError as error:
            raise DataError(f"{where}: is no NumPy file that can be read ({error})") from error
        offset = file.tell()
    if dtype.hasobject:
        raise DataError(
            f"{where}: holds Python objects, which need pickle and could run code; save an array "
            "of numbers of one shape"
        )
    if dtype.names is not None or dtype.kind not in "buifUS":
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
    config: DataConfig,
    train: RowFile,
    train_labels: RowFile | None,
    test: RowFile | None,
    test_labels: RowFile | None,
) -> StackSource:
    notes: list[str] = []
    stacks = [
        _stack(rows, labels, notes)
        for rows, labels in ((train, train_labels), (test, test_labels))
        if rows is not None
    ]
    return StackSource(config, stacks[0], stacks[1] if len(stacks) > 1 else None, tuple(notes))


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
    values = rows.all().reshape(rows.count)
    if rows.dtype.kind != "f":
        return values
    if not np.isfinite(values).all() or (values != np.rint(values)).any():
        raise DataError(
            f"{rows.where}: labels are real numbers; classes are whole numbers or words"
        )
    return values.astype(np.int64)
