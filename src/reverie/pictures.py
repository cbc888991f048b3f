"""Grids of pictures: tensors in [0, 1] to PIL images and PNG bytes."""

from __future__ import annotations

import io
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from .errors import ConfigError
from .storage import write_bytes

GAP = 2
PAPER = 255
SHEET = 2**24
"""Pixels of a sheet of pictures at most: what a browser shows, and Pillow opens without a word."""


def to_bytes(x: Tensor) -> np.ndarray:
    """`(N, C, H, W)` in [0, 1] to uint8 `(N, H, W, 3)`, as they look on white paper.

    One channel is grey, two are grey and alpha, three are colours, four are colours and alpha. More
    have no such meaning: the first three are shown as colours.
    """
    x = x.detach().float().cpu().clamp(0, 1)
    count = x.shape[1]
    shown = x[:, :3] if count > 2 else x[:, :1].expand(-1, 3, -1, -1)
    if count in (2, 4):
        alpha = x[:, -1:]
        shown = shown * alpha + PAPER / 255 * (1 - alpha)
    return _rounded(shown)


def picture(x: Tensor) -> Image.Image:
    """One picture `(C, H, W)` in [0, 1], pixel for pixel and with its alpha: L, LA, RGB or RGBA.

    Of five channels or more the first three are shown, as in `to_bytes`.
    """
    x = x.detach().float().cpu().clamp(0, 1)[None]
    pixels = _rounded(x if x.shape[1] <= 4 else x[:, :3])[0]
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def grid(x: Tensor, columns: int | None = None, side: int = 56) -> Image.Image:
    """Lays `(N, C, H, W)` pictures in [0, 1] out in rows, small ones enlarged to about `side`."""
    tiles = to_bytes(x)
    count, height, width, _ = tiles.shape
    columns = columns or max(1, math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    # Whole multiples keep every pixel a square, so nothing is blurred that the model did not blur.
    zoom = max(1, round(side / max(height, width)))
    tiles = tiles.repeat(zoom, 1).repeat(zoom, 2)
    height, width = height * zoom, width * zoom
    canvas = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), PAPER, np.uint8
    )
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        canvas[top : top + height, left : left + width] = tile
    return Image.fromarray(canvas if x.shape[1] >= 3 else canvas[..., 0])


def for_a_sheet(x: Tensor) -> Tensor:
    """Pictures `(N, C, H, W)`, smaller where a sheet of all of them would have more than `SHEET` pixels."""
    share = SHEET / (len(x) * x.shape[2] * x.shape[3])
    if share >= 1:
        return x
    size = [max(1, int(side * math.sqrt(share))) for side in x.shape[2:]]
    return interpolate(x.float(), size, mode="area")


def to_png(image: Image.Image) -> bytes:
    """The image as PNG bytes.

    Runs of equal bytes are all that is sought: three to ten times as fast as seeking any repetition, for
    grids of the same size.
    """
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a PNG in one step.

    Raises:
        ConfigError: The name does not end with .png, and would say that it is something else.
        StorageError: It cannot be written.
    """
    check_png(path)
    write_bytes(path, to_png(image))


def check_png(path: Path) -> None:
    """Refuses a name that would say that a picture is something else.

    Raises:
        ConfigError: It does not end with .png.
    """
    if path.suffix.lower() != ".png":
        raise ConfigError(f"{path}: pictures are written as PNG; end the name with .png")


def _rounded(x: Tensor) -> np.ndarray:
    """`(N, C, H, W)` in [0, 1] to uint8 `(N, H, W, C)`."""
    return (x * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()
