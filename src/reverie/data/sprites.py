"""Procedural sprites with known factors, on which disentanglement is measured.

The factors and their sizes are those of dSprites (Matthey et al., 2017), 3 x 6 x 40 x 32 x 32 =
737,280 pictures; the shapes are drawn by the formulas below. Two differences: the 40 angles are
distinct (dSprites has both 0 and 2 pi), and pictures have any size. As there, a square looks the same
after a quarter turn and an ellipse after half a turn, so that rotation is not to be told from pictures
of those shapes. N pictures of S x S pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..errors import DataError

FACTORS = {"shape": 3, "scale": 6, "rotation": 40, "x": 32, "y": 32}
"""How many values each factor has, in the order of the columns of `factors`."""
SHAPES = ("square", "ellipse", "heart")
COUNT = math.prod(FACTORS.values())
"""Pictures in the full grid."""

HALF_SIDE = 0.16
"""Half the side of the largest square, as a share of the picture's side: the unit of length below."""
REACH = math.sqrt(2)
"""How far any shape extends from its centre: the square's corner does."""
AXES = (1.3, 0.75)
HEART_WIDTH, HEART_CENTRE = 1.1, 0.25
SCALES = np.linspace(0.5, 1, FACTORS["scale"])
SMALLEST = 16


def draw(factors: np.ndarray, size: int = 64, binary: bool = True, chunk: int = 256) -> np.ndarray:
    """Draws white sprites on black.

    Arguments:
        factors: `(N, 5)` whole numbers in the order of FACTORS. Scale goes from half to full size in
            even steps; rotation is a counter-clockwise turn by 2 pi / 40 times its number; x goes from
            left to right and y from top to bottom, so far that every sprite is whole.
        size: The side S.
        binary: Pixels are 0 or 255, by whether their centre is inside; otherwise an edge is a ramp one
            pixel wide, which shows moves by less than a pixel.
        chunk: Pictures drawn at a time.

    Returns:
        uint8 pictures `(N, 1, S, S)`.

    Raises:
        DataError: Factors are of another shape or outside their range, or S is below 16.
    """
    factors = _checked(factors)
    if size < SMALLEST:
        raise DataError(
            f"sprites need sides of at least {SMALLEST} pixels, below which shapes cannot be told "
            f"apart; found {size}"
        )
    pictures = np.zeros((len(factors), size * size), np.uint8)
    for shape, distance in enumerate((_square, _ellipse, _heart)):
        rows = np.flatnonzero(factors[:, 0] == shape)
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            pixels, values = _window(factors[part], size, distance, binary)
            pictures[part[:, None, None], pixels] = values
    return pictures.reshape(-1, 1, size, size)


def sample(
    count: int, seed: int, size: int = 64, fixed: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Binary pictures of factors drawn uniformly from the grid, with replacement.

    Arguments:
        count: N.
        seed: Of the draws.
        size: The side S.
        fixed: The column of a factor whose one value, drawn too, all samples share.

    Returns:
        uint8 pictures `(N, 1, S, S)` and int64 factors `(N, 5)`.

    Raises:
        DataError: The fixed factor is none of the five, or S is below 16.
    """
    if fixed is not None and not 0 <= fixed < len(FACTORS):
        raise DataError(f"a fixed factor is one of the columns 0 to 4; found {fixed}")
    random = np.random.default_rng(seed)
    factors = random.integers(list(FACTORS.values()), size=(count, len(FACTORS)))
    if fixed is not None:
        factors[:, fixed] = random.integers(list(FACTORS.values())[fixed])
    return draw(factors, size), factors


def grid_factors(index: np.ndarray) -> np.ndarray:
    """Places in the full grid, `(N,)` from 0 to COUNT - 1, to their factors `(N, 5)`; y runs fastest."""
    index = np.asarray(index)
    if index.size and not (0 <= index.min() and index.max() < COUNT):
        raise DataError(
            f"the grid has places 0 to {COUNT - 1}; found {index.min()} to {index.max()}"
        )
    return np.stack(np.unravel_index(index, tuple(FACTORS.values())), axis=-1)


def _checked(factors: np.ndarray) -> np.ndarray:
    factors = np.asarray(factors)
    if factors.ndim != 2 or factors.shape[1] != len(FACTORS) or factors.dtype.kind not in "iu":
        raise DataError(
            f"factors must be whole numbers of shape (N, {len(FACTORS)}): {', '.join(FACTORS)}; "
            f"found {factors.dtype} of shape {factors.shape}"
        )
    for column, (name, count) in zip(factors.T, FACTORS.items(), strict=True):
        if len(column) and not (0 <= column.min() and column.max() < count):
            raise DataError(
                f"{name} goes from 0 to {count - 1}; found {column.min()} to {column.max()}"
            )
    return factors.astype(np.int64)


def _window(
    factors: np.ndarray,
    size: int,
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    binary: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """The flat places `(N, W, W)` of the pixels about each sprite, and their values.

    The rest of a picture is black: W^2 is a quarter of S^2.
    """
    unit = (HALF_SIDE * size * SCALES[factors[:, 1]]).astype(np.float32)[:, None, None]
    angle = 2 * math.pi * factors[:, 2] / FACTORS["rotation"]
    reach = REACH * HALF_SIDE * size
    steps = factors[:, 3:] / (np.array([FACTORS["x"], FACTORS["y"]]) - 1)
    centre = reach + (size - 2 * reach) * steps
    side = min(2 * math.ceil(reach) + 1, size)
    corner = np.clip(np.floor(centre - side / 2).astype(np.int64), 0, size - side)
    offsets = (corner + 0.5 - centre)[..., None] + np.arange(side)
    across, down = offsets[:, 0, None, :], offsets[:, 1, :, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    # Rows run downwards, so that a counter-clockwise turn has its sign flipped. Products of one axis
    # come before the sum, which alone is of every pixel.
    u = (cos * across).astype(np.float32) - (sin * down).astype(np.float32)
    v = -(sin * across).astype(np.float32) - (cos * down).astype(np.float32)
    signed = unit * distance(u / unit, v / unit)
    coverage = signed <= 0 if binary else (0.5 - signed).clip(0, 1)
    column, row = corner[:, 0, None, None], corner[:, 1, None, None]
    places = (row + np.arange(side)[:, None]) * size + column + np.arange(side)
    return places, np.rint(coverage * np.float32(255)).astype(np.uint8)


# Distances from a shape's edge to first order, f / |grad f|, negative inside; u is to the right and v
# upwards, in units of half the square's side.


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 1


def _ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    a, b = AXES
    p, q = u / a, v / b
    slope = 2 * np.sqrt(np.square(p / a) + np.square(q / b))
    return (p * p + q * q - 1) / np.maximum(slope, 1e-6)


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The sextic (p^2 + q^2 - 1)^3 = p^2 q^3."""
    p, q = u / HEART_WIDTH, v / HEART_WIDTH + HEART_CENTRE
    disc, cube = p * p + q * q - 1, q * q * q
    by_p = 2 * p * (3 * disc * disc - cube)
    by_q = q * (6 * disc * disc - 3 * p * p * q)
    slope = np.sqrt(by_p * by_p + by_q * by_q)
    return HEART_WIDTH * (disc * disc * disc - p * p * cube) / np.maximum(slope, 1e-6)
