"""Numbers of any type to what is stored: bytes or float32 in [0, 1], or a vector's own units.

Real numbers are looked through once before any is used, so that a value that no picture has is
refused with its place and not found in a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .rowfile import RowFile

FLOAT = np.dtype(np.float32)
BYTE = np.dtype(np.uint8)
Convert = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Range:
    """The extremes of all values."""

    low: float
    high: float


def converter(rows: RowFile, vector: bool) -> tuple[Convert, np.dtype]:
    """What brings a block of rows to its stored type, and that type.

    bool becomes 0 or 255; uint16 is scaled by 1/257 to bytes; real numbers stay as float32.

    Raises:
        DataError: Values are NaN or infinite, or lie where no picture's do.
    """
    kind = rows.dtype.kind
    if kind not in "buif":
        raise DataError(f"{rows.where}: holds words; samples must be numbers")
    if vector:
        if kind == "f":
            value_range(rows)
        return _to_float, FLOAT
    if kind == "b":
        return lambda x: x.astype(BYTE) * BYTE.type(255), BYTE
    if rows.dtype == BYTE:
        return lambda x: x, BYTE
    if kind == "u" and rows.dtype.itemsize == 2:
        return lambda x: np.rint(x / 257).astype(BYTE), BYTE
    _refuse_range(rows, value_range(rows))
    return _to_float, FLOAT


def value_range(rows: RowFile) -> Range:
    """The extremes of all values, as they are stored in float32.

    Raises:
        DataError: Some are NaN or infinite; says how many, and where the first is.
    """
    low, high, bad, first, start = np.inf, -np.inf, 0, (), 0
    for block in rows.blocks():
        values = _to_float(block)
        finite = np.isfinite(values)
        if not finite.all():
            places = np.argwhere(~finite)
            first = first or (start + int(places[0][0]), *(int(i) for i in places[0][1:]))
            bad += len(places)
        elif not bad:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        start += len(block)
    if bad:
        raise DataError(
            f"{rows.where}: {bad:,} values are NaN, infinite or beyond float32, the first at "
            f"index {first}; remove or replace them"
        )
    return Range(low, high)


def _refuse_range(rows: RowFile, found: Range) -> None:
    whole = rows.dtype.kind in "ui"
    if not whole and found.low >= 0 and found.high <= 1:
        return
    if whole and found.low >= 0 and found.high <= 1:
        advice = "save it as x.astype(bool)"
    elif found.low >= 0 and found.high <= 255:
        advice = "save it as bytes: x.astype('uint8')" if whole else "divide by 255"
    elif found.low >= 0 and found.high <= 65535 and whole:
        advice = "save it as x.astype('uint16')"
    elif found.low >= -1 and found.high <= 1:
        advice = "write (x + 1) / 2"
    else:
        advice = "scale it, e.g. (x - x.min()) / (x.max() - x.min()), as float32"
    raise DataError(
        f"{rows.where}: holds {rows.dtype} values from {found.low:g} to {found.high:g}; pictures "
        f"hold uint8, uint16, or real numbers in [0, 1]; {advice}"
    )


def _to_float(x: np.ndarray) -> np.ndarray:
    # float64 beyond float32 becomes infinite here, and is refused with the other infinities.
    with np.errstate(over="ignore", invalid="ignore"):
        return x.astype(FLOAT)
