"""How far reconstructions are from their originals, one value a picture. Pixels go from 0 to 1.

N pictures of C channels, computed in float64 and in chunks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DataError

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
"""(K L)^2 of Wang et al. (2004), section III-B, with range L = 1."""
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Wang et al. (2003), section 3.2: from the finest scale to the coarsest."""


def mse(x: Tensor, y: Tensor, chunk: int = 256) -> Tensor:
    """The mean squared error over the pixels of each picture: two `(N, C, H, W)` to `(N,)`.

    Raises:
        DataError: Pictures are of different or other shapes, of no float type, none at all, not finite,
            or the first ones leave [0, 1].
    """
    check_pictures(x, y)
    return _in_chunks(lambda a, b: (a - b).square().flatten(1).mean(1), x, y, chunk)


def psnr(x: Tensor, y: Tensor, chunk: int = 256) -> Tensor:
    """The peak signal-to-noise ratio of each picture in dB, 10 lg (1 / MSE): two `(N, C, H, W)` to `(N,)`.

    Infinite for equal pictures. The mean over pictures is not the ratio of the mean error.

    Raises:
        DataError: As `mse`.
    """
    return -10 * mse(x, y, chunk).log10()


def ssim(x: Tensor, y: Tensor, chunk: int = 64) -> Tensor:
    """The structural similarity of each picture: two `(N, C, H, W)` to `(N,)`.

    Wang et al. (2004), eq. 13, with their Gaussian window, averaged over pixels and channels. Borders
    are reflected, so that every pixel is the centre of one window: as in torchmetrics, where the
    authors' own program keeps whole windows alone.

    Raises:
        DataError: As `mse`, or a side is below the window's 11 pixels.
    """
    check_pictures(x, y)
    _check_side(x, WINDOW, "SSIM's window")
    return _in_chunks(_reflected_ssim, x, y, chunk)


def ms_ssim(x: Tensor, y: Tensor, scales: int = 5, chunk: int = 16) -> Tensor:
    """The multi-scale structural similarity of each picture: two `(N, C, H, W)` to `(N,)`.

    Wang et al. (2003), eq. 7: luminance at the coarsest scale, contrast and structure at all, from
    whole windows alone, as the authors have it. Between scales, pixels are averaged two by two; an odd
    last row or column counts double. A negative mean of a scale counts as 0, whose power is real.

    Arguments:
        x: The originals.
        y: The reconstructions.
        scales: How many; fewer than 5 have the first weights, scaled to sum to 1, and another meaning.
        chunk: Pictures at a time.

    Raises:
        DataError: As `mse`, scales are not 1 to 5, or a side is too short for so many: they need 11,
            21, 41, 81 and 161 pixels.
    """
    check_pictures(x, y)
    if not 1 <= scales <= len(SCALE_WEIGHTS):
        raise DataError(f"MS-SSIM has 1 to {len(SCALE_WEIGHTS)} scales; found {scales}")
    _check_side(x, (WINDOW - 1) * 2 ** (scales - 1) + 1, f"MS-SSIM with {scales} scales")
    weights = torch.tensor(SCALE_WEIGHTS[:scales], dtype=torch.float64)
    weights = (weights / weights.sum()).tolist()
    return _in_chunks(lambda a, b: _multi_scale(a, b, weights), x, y, chunk)


def check_pictures(x: Tensor, y: Tensor) -> None:
    """Refuses originals `x` and reconstructions `y` that cannot be compared; see `mse`."""
    if x.shape != y.shape or x.ndim != 4:
        raise DataError(
            "originals and reconstructions must be of one shape (N, C, H, W); "
            f"found {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not x.numel():
        raise DataError(f"there are no pixels to compare: found pictures of {tuple(x.shape)}")
    for name, pictures in (("originals", x), ("reconstructions", y)):
        if not pictures.is_floating_point():
            raise DataError(f"{name} must be floats from 0 to 1; found {pictures.dtype}")
        bad = int((~pictures.isfinite()).flatten(1).any(1).sum())
        if bad:
            raise DataError(f"{name} hold NaN or infinite pixels in {bad} of {len(x)} pictures")
    low, high = float(x.min()), float(x.max())
    if low < 0 or high > 1:
        raise DataError(f"originals must have pixels from 0 to 1; found {low:g} to {high:g}")


def _check_side(x: Tensor, least: int, what: str) -> None:
    if min(x.shape[2:]) < least:
        height, width = x.shape[2:]
        raise DataError(
            f"{what} needs pictures of at least {least} x {least} pixels; found {height} x {width}"
        )


def _in_chunks(
    measure: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, chunk: int
) -> Tensor:
    pairs = zip(x.split(chunk), y.split(chunk), strict=True)
    return torch.cat([measure(a.double(), b.double()) for a, b in pairs])


def _blur(x: Tensor) -> Tensor:
    """Weighted means over the window, where it is whole: `(N, C, H, W)` to `(N, C, H - 10, W - 10)`."""
    offsets = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    weights = (-0.5 * (offsets / SIGMA).square()).exp()
    weights = weights / weights.sum()
    channels = x.shape[1]
    down, across = weights.view(1, 1, -1, 1), weights.view(1, 1, 1, -1)
    x = F.conv2d(x, down.expand(channels, -1, -1, -1), groups=channels)
    return F.conv2d(x, across.expand(channels, -1, -1, -1), groups=channels)


def _maps(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance (eq. 6 of 2004), and contrast times structure (eq. 9 and 10 with C3 = C2 / 2)."""
    mean_x, mean_y = _blur(x), _blur(y)
    # Rounding can turn the difference of two equal squares negative.
    var_x = (_blur(x * x) - mean_x.square()).clamp_min(0)
    var_y = (_blur(y * y) - mean_y.square()).clamp_min(0)
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return luminance, (2 * covariance + C2) / (var_x + var_y + C2)


def _reflected_ssim(x: Tensor, y: Tensor) -> Tensor:
    border = (WINDOW // 2,) * 4
    luminance, structure = _maps(F.pad(x, border, "reflect"), F.pad(y, border, "reflect"))
    return (luminance * structure).flatten(1).mean(1)


def _multi_scale(x: Tensor, y: Tensor, weights: list[float]) -> Tensor:
    product = torch.ones(len(x), dtype=x.dtype, device=x.device)
    for scale, weight in enumerate(weights):
        if scale:
            x, y = _halve(x), _halve(y)
        luminance, structure = _maps(x, y)
        last = scale == len(weights) - 1
        similarity = (luminance * structure if last else structure).flatten(1).mean(1)
        product = product * similarity.clamp_min(0) ** weight
    return product


def _halve(x: Tensor) -> Tensor:
    odd_height, odd_width = x.shape[2] % 2, x.shape[3] % 2
    return F.avg_pool2d(F.pad(x, (0, odd_width, 0, odd_height), "replicate"), 2)
