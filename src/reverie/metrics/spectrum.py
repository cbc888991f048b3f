"""The power spectrum of pictures: textures and marks of upsampling that an extractor may not see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError

DECIBEL = 10 / math.log(10)


@dataclass(frozen=True)
class Spectrum:
    """Power over spatial frequency.

    Arguments:
        frequency: Centres of B bins, `(B,)`, in cycles per pixel; the last is at most 1/2.
        powers: Power of each picture in each bin, `(N, B)`; 1 for white noise of variance 1.
    """

    frequency: Tensor
    powers: Tensor

    @property
    def level(self) -> Tensor:
        """The logarithm of the mean power of all pictures, `(B,)`, in decibels."""
        return DECIBEL * self.powers.mean(0).log()

    @property
    def error(self) -> Tensor:
        """The standard error of `level` over pictures, `(B,)`, in decibels; to first order."""
        relative = self.powers.std(0) / self.powers.mean(0)
        return DECIBEL * relative / math.sqrt(len(self.powers))


@dataclass(frozen=True)
class SpectrumDistance:
    """The root mean square difference of two spectra over their bins, in decibels.

    Arguments:
        value: The distance.
        error: Its standard error over pictures of both sides, to first order; meaningful well above
            `floor` alone.
        floor: The distance that two sets of the same distribution and these sizes have by chance.
    """

    value: float
    error: float
    floor: float


def power_spectrum(pictures: Tensor, chunk: int = 500) -> Spectrum:
    """The azimuthally averaged power spectrum of pictures `(N, C, H, W)`, in float64.

    The mean of each channel is removed, and a Hann window keeps the picture's borders, which do not meet,
    from spreading over all frequencies. Power is averaged over channels and over rings of one bin of the
    shorter side; corners beyond 1/2 cycle per pixel are left out. Durall et al. (2020).

    Raises:
        DataError: Fewer than 2 pictures, smaller than 4 x 4, not finite, or all constant.
    """
    if (
        pictures.ndim != 4
        or len(pictures) < 2
        or 0 in pictures.shape
        or min(pictures.shape[2:]) < 4
    ):
        raise DataError(
            "a spectrum needs at least 2 pictures (N, C, H, W) of at least 4 x 4 pixels; "
            f"found {tuple(pictures.shape)}"
        )
    flat = pictures.flatten(1)
    bad = int((~flat.isfinite()).any(1).sum())
    if bad:
        raise DataError(f"NaN or infinite values in {bad} of {len(pictures)} pictures")
    if (pictures == pictures[..., :1, :1]).all():
        raise DataError(f"constant pictures have no spectrum; found {len(pictures)} of them")
    height, width = pictures.shape[2:]
    bins, frequency = _rings(height, width)
    inside = bins >= 0
    rings = torch.zeros(int(inside.sum()), len(frequency), dtype=torch.float64)
    rings[torch.arange(len(rings)), bins[inside]] = 1
    # White noise of variance 1, its mean removed, has sum w^2 - |W|^2 / HW under the window w.
    window = _hann(height)[:, None] * _hann(width)
    white = window.square().sum() - torch.fft.fft2(window).abs().square() / window.numel()
    rings = (rings / rings.sum(0) / white[inside][:, None]).to(pictures.device)
    window, inside = window.to(pictures.device), inside.to(pictures.device)
    powers = []
    for part in pictures.split(chunk):
        x = part.double()
        x = (x - x.mean((2, 3), keepdim=True)) * window
        powers.append(torch.fft.fft2(x).abs().square().mean(1)[:, inside] @ rings)
    return Spectrum(frequency.to(pictures.device), torch.cat(powers))


def spectrum_distance(a: Spectrum, b: Spectrum) -> SpectrumDistance:
    """How far two spectra of pictures of one size are apart.

    The error is that of the first-order expansion of the root mean square in each picture's powers, so that
    it holds for bins that rise and fall together.

    Raises:
        DataError: The bins differ, or one holds no power at all.
    """
    if not torch.equal(a.frequency, b.frequency):
        raise DataError(
            "spectra are compared at the same frequencies; found "
            f"{len(a.frequency)} bins up to {float(a.frequency[-1]):.3g} and "
            f"{len(b.frequency)} up to {float(b.frequency[-1]):.3g} (pictures of another size?)"
        )
    for side in (a, b):
        if not (side.powers.mean(0) > 0).all():
            raise DataError("spectra in decibels need power in every bin; found a bin without any")
    difference = a.level - b.level
    value = float(difference.square().mean().sqrt())
    floor = float((a.error.square() + b.error.square()).mean().sqrt())
    if value == 0:
        return SpectrumDistance(0.0, 0.0, floor)
    variance = 0.0
    for side in (a, b):
        slope = difference / (len(difference) * value) * DECIBEL / side.powers.mean(0)
        variance += float((side.powers @ slope).var()) / len(side.powers)
    return SpectrumDistance(value, math.sqrt(variance), floor)


def _hann(length: int) -> Tensor:
    return torch.hann_window(length, periodic=True, dtype=torch.float64)


def _rings(height: int, width: int) -> tuple[Tensor, Tensor]:
    """The bin of each frequency `(H, W)`, -1 for none, and the bins' centres `(B,)` in cycles per pixel."""
    side = min(height, width)
    y, x = (torch.fft.fftfreq(length, dtype=torch.float64) for length in (height, width))
    bins = ((y[:, None].square() + x.square()).sqrt() * side).round().long()
    count = side // 2
    bins = torch.where((bins >= 1) & (bins <= count), bins - 1, -1)
    return bins, torch.arange(1, count + 1, dtype=torch.float64) / side
