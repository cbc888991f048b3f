"""Errors and similarities of pictures against closed forms, torchmetrics and scipy.

reference/evaluation.md, section 3.11.
"""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
)
from torchmetrics.image import StructuralSimilarityIndexMeasure

from reverie.errors import DataError
from reverie.metrics.fidelity import C1, C2, SCALE_WEIGHTS, ms_ssim, mse, psnr, ssim

ALL = (mse, psnr, ssim)


def pictures(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair(*shape, noise=0.1):
    """Originals that are smooth enough to have structure, and noisy copies that leave [0, 1]."""
    x = torch.nn.functional.avg_pool2d(pictures(0, *shape), 5, 1, 2)
    return x, x + noise * (pictures(1, *shape) - 0.5)


def constant(value, side=16):
    return torch.full((2, 1, side, side), value, dtype=torch.float64)


# ---- MSE and PSNR


def test_a_uniform_error_of_a_tenth_is_twenty_decibels():
    x = pictures(0, 3, 2, 5, 7) * 0.9
    torch.testing.assert_close(mse(x, x + 0.1), torch.full((3,), 0.01).double())
    torch.testing.assert_close(psnr(x, x + 0.1), torch.full((3,), 20.0).double())


def test_psnr_is_torchmetrics_of_each_picture():
    x, y = pair(5, 3, 12, 9)
    expected = [
        peak_signal_noise_ratio(b[None], a[None], data_range=1.0)
        for a, b in zip(x, y, strict=True)
    ]
    torch.testing.assert_close(psnr(x, y), torch.stack(expected), rtol=1e-6, atol=0)


def test_equal_pictures_have_no_error_and_an_infinite_ratio():
    x = pictures(0, 2, 1, 12, 12)
    assert mse(x, x).tolist() == [0, 0] and psnr(x, x).tolist() == [torch.inf, torch.inf]


def test_halves_and_floats_are_compared_in_double_precision():
    """0.3 in float16 is 0.300048828125; its error to float32's 0.3 is known to seven digits."""
    x = torch.full((1, 1, 4, 4), 0.3)
    expected = (float(torch.tensor(0.3).half()) - float(torch.tensor(0.3))) ** 2
    assert mse(x, x.half()).dtype == torch.float64
    assert float(mse(x, x.half())) == pytest.approx(expected, rel=1e-12)


# ---- SSIM


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 40, 17), (1, 2, 11, 11)])
def test_ssim_is_torchmetrics_to_one_in_a_million(shape):
    x, y = pair(*shape)
    metric = StructuralSimilarityIndexMeasure(data_range=1.0, reduction="none")
    torch.testing.assert_close(ssim(x, y), metric(y, x).reshape(-1), rtol=0, atol=1e-6)


def test_ssim_of_constants_has_its_closed_form():
    """No variance: (2 ab + C1) / (a^2 + b^2 + C1) is 0.60006399 for 1/4 and 3/4."""
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert expected == pytest.approx(0.60006399, abs=5e-9)
    torch.testing.assert_close(
        ssim(constant(0.25), constant(0.75)), torch.full((2,), expected).double()
    )


def test_ssim_of_equal_pictures_is_one_and_of_opposite_ones_negative():
    x = pictures(0, 2, 1, 20, 20)
    torch.testing.assert_close(ssim(x, x), torch.ones(2).double())
    assert (ssim(x, 1 - x) < -0.5).all()


def test_ssim_does_not_care_which_is_the_original():
    x, y = pair(2, 1, 15, 15)
    y = y.clamp(0, 1)
    torch.testing.assert_close(ssim(x, y), ssim(y, x))


# ---- MS-SSIM


def by_scipy(x, y, scales):
    """Wang et al. (2003), eq. 7, with convolve2d, one picture of one channel."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(z):
        return convolve2d(z, window, "valid")

    def halved(z):
        z = np.pad(z, [(0, side % 2) for side in z.shape], "edge")
        return (z[::2, ::2] + z[1::2, ::2] + z[::2, 1::2] + z[1::2, 1::2]) / 4

    weights, value = np.array(SCALE_WEIGHTS[:scales]), 1.0
    for scale, weight in enumerate(weights / weights.sum()):
        mx, my = mean(x), mean(y)
        structure = (2 * (mean(x * y) - mx * my) + C2) / (
            mean(x * x) - mx**2 + mean(y * y) - my**2 + C2
        )
        luminance = (2 * mx * my + C1) / (mx**2 + my**2 + C1)
        value *= (structure * (luminance if scale == scales - 1 else 1)).mean() ** weight
        x, y = halved(x), halved(y)
    return value


@pytest.mark.parametrize(("scales", "height", "width"), [(5, 161, 176), (3, 41, 50), (1, 11, 13)])
def test_ms_ssim_is_the_papers_formula_by_scipy(scales, height, width):
    x, y = pair(2, 1, height, width)
    expected = [by_scipy(a[0].numpy(), b[0].numpy(), scales) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(ms_ssim(x, y, scales), expected, rtol=1e-9)


def test_ms_ssim_is_near_torchmetrics_which_reflects_borders_at_the_coarsest_scale():
    x, y = pair(2, 3, 192, 192, noise=0.3)
    expected = multiscale_structural_similarity_index_measure(
        y, x, data_range=1.0, reduction="none"
    )
    assert isinstance(expected, torch.Tensor)
    torch.testing.assert_close(ms_ssim(x, y), expected, rtol=0, atol=2e-3)
    assert float(ms_ssim(x, y).max()) < 0.98


def test_ms_ssim_of_equal_pictures_is_one():
    x = pictures(0, 2, 1, 161, 161)
    torch.testing.assert_close(ms_ssim(x, x), torch.ones(2).double())


def test_ms_ssim_of_opposite_structure_is_zero_and_not_nan():
    x = pictures(0, 1, 1, 30, 30)
    assert ms_ssim(x, 1 - x, scales=2).tolist() == [0.0]


def test_ms_ssim_of_constants_is_the_luminance_to_the_last_weight():
    """Structure is 1 everywhere; of two scales the last has weight .2856 / (.0448 + .2856)."""
    luminance = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    expected = luminance ** (0.2856 / (0.0448 + 0.2856))
    found = ms_ssim(constant(0.25, 24), constant(0.75, 24), scales=2)
    torch.testing.assert_close(found, torch.full((2,), expected).double())


# ---- all


@pytest.mark.parametrize("measure", [*ALL, lambda x, y, n: ms_ssim(x, y, 2, n)])
def test_chunks_change_nothing(measure):
    x, y = pair(7, 2, 22, 22)
    torch.testing.assert_close(measure(x, y, 3), measure(x, y, 100), rtol=1e-12, atol=0)


@pytest.mark.parametrize("measure", [*ALL, ms_ssim])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            torch.zeros(2, 1, 9, 9),
            torch.zeros(2, 1, 9, 8),
            r"one shape.*\(2, 1, 9, 9\) and \(2, 1, 9, 8\)",
        ),
        (torch.zeros(9, 9), torch.zeros(9, 9), r"of one shape \(N, C, H, W\); found \(9, 9\)"),
        (
            torch.zeros(0, 1, 9, 9),
            torch.zeros(0, 1, 9, 9),
            r"no pixels to compare.*\(0, 1, 9, 9\)",
        ),
        (
            torch.zeros(1, 1, 9, 9).byte(),
            torch.zeros(1, 1, 9, 9),
            r"originals must be floats.*uint8",
        ),
        (
            torch.ones(1, 1, 9, 9),
            torch.ones(1, 1, 9, 9).int(),
            r"reconstructions must be floats.*int32",
        ),
        (
            torch.full((3, 1, 9, 9), torch.nan),
            torch.ones(3, 1, 9, 9),
            r"originals hold NaN.* 3 of 3",
        ),
        (torch.ones(3, 1, 9, 9), torch.full((3, 1, 9, 9), torch.inf), r"reconstructions hold NaN"),
        (torch.full((1, 1, 9, 9), -1.0), torch.ones(1, 1, 9, 9), r"from 0 to 1; found -1 to -1"),
        (
            torch.full((1, 1, 9, 9), 255.0),
            torch.ones(1, 1, 9, 9),
            r"from 0 to 1; found 255 to 255",
        ),
    ],
)
def test_pictures_that_cannot_be_compared_are_refused(measure, x, y, message):
    with pytest.raises(DataError, match=message):
        measure(x, y)


def test_small_pictures_are_refused_with_the_reason():
    x = torch.zeros(1, 1, 10, 30)
    with pytest.raises(DataError, match=r"SSIM's window needs .* 11 x 11 pixels; found 10 x 30"):
        ssim(x, x)
    x = torch.zeros(1, 1, 160, 200)
    with pytest.raises(DataError, match=r"5 scales needs .* 161 x 161 pixels; found 160 x 200"):
        ms_ssim(x, x)
    ms_ssim(x, x, scales=4)
    for scales in (0, 6):
        with pytest.raises(DataError, match=f"MS-SSIM has 1 to 5 scales; found {scales}"):
            ms_ssim(x, x, scales=scales)
