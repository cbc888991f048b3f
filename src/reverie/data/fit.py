"""How a picture of one size becomes another size: cut, padded or stretched."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .config import DataConfig

LANCZOS = Image.Resampling.LANCZOS
LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601, as Pillow and JPEG weigh colours."""

Size = tuple[int, int]
"""Width and height, in Pillow's order."""


def crop_box(source: Size, target: Size) -> tuple[float, float, float, float]:
    """The largest centred part of `source` of `target`'s aspect: left, top, right, bottom."""
    # No part is wider than the whole by a rounding: Pillow refuses a box that begins left of 0.
    width = min(source[0], source[1] * target[0] / target[1])
    height = min(source[1], source[0] * target[1] / target[0])
    left, top = (source[0] - width) / 2, (source[1] - height) / 2
    return left, top, min(left + width, source[0]), min(top + height, source[1])


def pad_size(source: Size, target: Size) -> Size:
    """The size of the whole picture inside `target`, at least one pixel a side."""
    scale = min(target[0] / source[0], target[1] / source[1])
    width, height = round(source[0] * scale), round(source[1] * scale)
    return min(max(width, 1), target[0]), min(max(height, 1), target[1])


def fit_image(image: Image.Image, config: DataConfig) -> Image.Image:
    """The picture at the size asked for; as it is when none was asked for."""
    target = config.wh
    if target is None or image.size == target:
        return image
    if config.fit == "stretch":
        return image.resize(target, LANCZOS)
    if config.fit == "crop":
        # Cutting inside the resize keeps a strip of 1x20,000 from growing to millions of columns.
        return image.resize(target, LANCZOS, box=crop_box(image.size, target))
    inner = pad_size(image.size, target)
    canvas = Image.new(image.mode, target, 0)
    canvas.paste(
        image.resize(inner, LANCZOS),
        ((target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2),
    )
    return canvas


def fit_array(x: np.ndarray, config: DataConfig) -> np.ndarray:
    """One picture `(C, H, W)`, uint8 or float32 in [0, 1], in the size and colours asked for."""
    if config.color == "grey" and len(x) == 3:
        grey = np.tensordot(LUMA, x, 1)
        x = (np.rint(grey) if x.dtype == np.uint8 else grey).astype(x.dtype)[None]
    channels = [fit_image(Image.fromarray(channel), config) for channel in x]
    fitted = np.stack([np.asarray(channel) for channel in channels])
    if config.color == "rgb" and len(x) == 1:
        fitted = np.repeat(fitted, 3, axis=0)
    # Lanczos overshoots at edges; bytes saturate by themselves, floats do not.
    return fitted if x.dtype == np.uint8 else fitted.clip(0, 1)
