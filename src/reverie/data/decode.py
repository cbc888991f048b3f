"""Bytes of a picture file to bytes of pixels, upright, opaque and 8 bits deep.

Transparent parts show white. 16 bits are scaled by 1/257, never clipped; of a colour's, Pillow keeps
the high byte, at most one level less. Whole numbers of 32 bits are read as 16, real numbers in [0, 1].
Of an animation or a document of several pages the first is taken. Only six formats are let in, and a
file that claims more pixels than the limit is refused before any is decoded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .config import DataConfig
from .entries import BrokenFileError
from .fit import fit_image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
LARGEST_PIXELS = 64_000_000
_PLUGINS = (
    PngImagePlugin.PngImageFile,
    JpegImagePlugin.JpegImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    GifImagePlugin.GifImageFile,
    TiffImagePlugin.TiffImageFile,
)
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before it is decoded.

    Arguments:
        size: Width and height, upright.
        mode: Pillow's word for the kind of pixels.
        grey: Whether it has no colours.
        frames: Whether it has more than one frame or page.
    """

    size: tuple[int, int]
    mode: str
    grey: bool
    frames: bool


def read_header(file: IO[bytes]) -> Header:
    """The header of a picture file.

    Raises:
        BrokenFileError: It is no picture of the six formats, or claims too many pixels.
    """
    with _as_broken(), _open(file) as image:
        width, height = image.size
        size = (height, width) if _turn(image) >= 5 else (width, height)
        # A phone's MPO holds a second picture as a preview, which nobody misses.
        frames = bool(getattr(image, "is_animated", False)) and image.format != "MPO"
        return Header(size, image.mode, _is_grey(image), frames)


def decode(file: IO[bytes], config: DataConfig, grey: bool) -> np.ndarray:
    """The picture in the size of `config`, grey or in colour: uint8 `(C, H, W)`.

    Raises:
        BrokenFileError: It is truncated, damaged, no picture, or claims too many pixels.
    """
    with _as_broken(), _open(file) as image:
        turn = _turn(image)
        _draft(image, turn, config)
        image.load()
        flat = _flatten(image).convert("L" if grey else "RGB")
        upright = flat.transpose(_TURNS[turn]) if turn in _TURNS else flat
    # Outside, since what goes wrong here is not the file's fault.
    pixels = np.asarray(fit_image(upright, config))
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


@contextmanager
def _as_broken() -> Iterator[None]:
    with warnings.catch_warnings():
        # Pillow warns of what the limit below refuses, and of harmless metadata.
        warnings.simplefilter("ignore")
        try:
            yield
        except BrokenFileError:
            raise
        # A damaged file can make a parser raise anything, from SyntaxError to struct.error.
        except Exception as error:
            raise BrokenFileError(f"cannot be decoded: {error or type(error).__name__}") from error


def _open(file: IO[bytes]) -> Image.Image:
    head = file.read(16)
    file.seek(0)
    if not head:
        raise BrokenFileError("is empty (0 bytes)")
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        size = _claimed_size(file)
    except Image.UnidentifiedImageError:
        looks = "; it looks like text, HTML or SVG" if head.lstrip()[:1] in (b"<", b"{") else ""
        raise BrokenFileError(f"is no {', '.join(FORMATS)} picture{looks}") from None
    else:
        size = image.size
        if size[0] * size[1] <= LARGEST_PIXELS:
            return image
        image.close()
    raise BrokenFileError(
        f"claims {size[0]}x{size[1]} = {size[0] * size[1] / 1e6:,.0f} MP, "
        f"the limit is {LARGEST_PIXELS / 1e6:.0f} MP"
    )


def _claimed_size(file: IO[bytes]) -> tuple[int, int]:
    """The size in a header that Pillow refuses to open, which it does without telling."""
    for plugin in _PLUGINS:
        file.seek(0)
        try:
            return plugin(file).size
        except Exception:  # not of this format, in whatever way
            continue
    raise BrokenFileError("claims more pixels than can be")


def _turn(image: Image.Image) -> int:
    """The EXIF orientation, 1 when upright. Pillow turns a TIFF by itself."""
    if image.format == "TIFF":
        return 1
    try:
        # The method of PNG would decode the whole picture to look for EXIF behind it.
        turn = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:  # metadata that is damaged turns nothing
        return 1
    return turn if turn in _TURNS else 1


def _draft(image: Image.Image, turn: int, config: DataConfig) -> None:
    """Lets JPEG skip detail that the size asked for cannot show; twice the size keeps it sharp."""
    if config.hw is not None:
        height, width = config.hw if turn < 5 else config.hw[::-1]
        image.draft(None, (2 * width, 2 * height))  # type: ignore[arg-type]


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P" and image.palette is not None and image.palette.rawmode in (None, "RGB"):
        colors = bytes(image.palette.palette)
        return colors[0::3] == colors[1::3] == colors[2::3]
    return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")


def _flatten(image: Image.Image) -> Image.Image:
    """The picture as L or RGB, on white."""
    if image.mode == "F":
        return Image.fromarray(_from_float(np.asarray(image)))
    if image.mode == "I" or image.mode.startswith("I;16"):
        return Image.fromarray(_from_deep(np.asarray(image), image.info.get("transparency")))
    if not image.has_transparency_data:
        return image.convert("L" if image.mode in ("1", "L") else "RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _from_float(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        bad = values.size - int(np.isfinite(values).sum())
        raise BrokenFileError(f"holds {bad} values that are NaN or infinite")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        scaled = "divided by 255" if low >= 0 and high <= 255 else "scaled to them"
        raise BrokenFileError(
            f"holds real numbers from {low:g} to {high:g}; they must lie in [0, 1]: save it "
            f"{scaled}, or with 8 or 16 bits a channel"
        )
    return np.rint(values * 255).astype(np.uint8)


def _from_deep(values: np.ndarray, transparent: object) -> np.ndarray:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise BrokenFileError(
            f"holds whole numbers from {low} to {high}; save it with 8 or 16 bits a channel"
        )
    # In a type wider than 16 bits these are most likely bytes, which 1/257 would turn black.
    if values.dtype.itemsize > 2 and 0 < high <= 255:
        raise BrokenFileError(
            f"holds whole numbers from {low} to {high} in {8 * values.dtype.itemsize} bits, of which "
            "65535 is white; save it with 8 or 16 bits a channel"
        )
    if isinstance(transparent, int):
        values = np.where(values == transparent, 65535, values)
    return np.rint(values / 257).astype(np.uint8)
