"""Power spectra of noise and of sinusoids, whose answers are known, and distances between them."""

import math

import numpy as np
import pytest
import torch

from reverie.errors import DataError
from reverie.metrics.spectrum import Spectrum, power_spectrum, spectrum_distance


def noise(seed, n, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=generator, dtype=torch.float64)


def waves(height, width, fy, fx, n=3):
    """Cosines of fy and fx cycles per pixel, at n phases."""
    y, x = torch.arange(height)[:, None].double(), torch.arange(width).double()
    phases = torch.arange(n).double()[:, None, None, None]
    return (2 * math.pi * (fy * y + fx * x) + phases).cos()


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 12, 20), (1, 15, 9)])
def test_white_noise_of_variance_one_is_flat_at_zero_decibels(shape):
    found = power_spectrum(noise(0, 600, *shape))
    assert len(found.frequency) == min(shape[1:]) // 2
    assert (found.level.abs() < 4 * found.error).all()
    assert float(found.error.max()) < 0.3


def test_the_errors_of_the_levels_are_their_deviations():
    """60 sets of 50 pictures: the deviation of the levels, known to 9 %, is the error they report."""
    found = [power_spectrum(noise(k, 50, 1, 12, 12)) for k in range(60)]
    deviation = torch.stack([one.level for one in found]).std(0)
    error = torch.stack([one.error for one in found]).mean(0)
    assert ((deviation / error - 1).abs() < 4 * 0.09).all()


@pytest.mark.parametrize("shape", [(32, 32), (32, 48), (48, 32)])
@pytest.mark.parametrize("cycles", [2, 5, 11, 16])
def test_a_wave_peaks_at_its_frequency(shape, cycles):
    """Along either axis, in cycles over 32 pixels, up to 1/2 cycle per pixel."""
    for fy, fx in ((cycles / 32, 0), (0, cycles / 32)):
        found = power_spectrum(waves(*shape, fy, fx))
        peak = int(found.level.argmax())
        assert float(found.frequency[peak]) == cycles / 32
        # The Hann window spreads a wave to the next bins, and beyond if it does not fit.
        away = (torch.arange(16) - peak).abs() > 2
        assert float((found.level[peak] - found.level[away]).min()) > 20


def test_a_diagonal_wave_peaks_at_its_radius():
    """3 and 4 cycles along the axes: 5 along the diagonal."""
    found = power_spectrum(waves(32, 32, 3 / 32, 4 / 32))
    assert float(found.frequency[found.level.argmax()]) == 5 / 32


def test_it_is_the_average_of_rings_by_hand():
    """4 x 4 pixels, by numpy: bins of radius 1/4 and 1/2, the corners beyond left out."""
    x = noise(0, 2, 1, 4, 4).numpy()[:, 0]
    hann = np.array([0.0, 0.5, 1.0, 0.5])
    window = hann[:, None] * hann
    white = (window**2).sum() - np.abs(np.fft.fft2(window)) ** 2 / 16
    power = np.abs(np.fft.fft2((x - x.mean((1, 2), keepdims=True)) * window)) ** 2 / white
    # Along an axis, the places 0, 1, 2, 3 have the frequencies 0, 1, -2, -1 in quarters of a cycle.
    near = [(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (1, 3), (3, 1), (3, 3)]
    far = [(0, 2), (2, 0), (1, 2), (2, 1), (3, 2), (2, 3)]
    expected = np.stack([np.mean([power[:, i, j] for i, j in ring], 0) for ring in (near, far)], 1)
    found = power_spectrum(torch.from_numpy(x)[:, None])
    np.testing.assert_allclose(found.powers, expected, rtol=1e-10)
    assert found.frequency.tolist() == [0.25, 0.5]


def test_brightness_does_not_count_and_contrast_counts_in_decibels():
    x = noise(0, 20, 3, 8, 10)
    level = power_spectrum(x).level
    torch.testing.assert_close(power_spectrum(x + 7).level, level)
    torch.testing.assert_close(power_spectrum(10 * x).level, level + 20)


def test_chunks_change_nothing():
    x = noise(0, 23, 1, 8, 8).float()
    assert torch.equal(power_spectrum(x, chunk=5).powers, power_spectrum(x).powers)


# ---- distances


def test_a_spectrum_is_at_no_distance_from_itself():
    x = power_spectrum(noise(0, 20, 1, 8, 8))
    found = spectrum_distance(x, x)
    assert (found.value, found.error) == (0.0, 0.0) and found.floor > 0


def test_twice_the_contrast_is_six_decibels_apart():
    x = noise(0, 20, 1, 8, 8)
    found = spectrum_distance(power_spectrum(x), power_spectrum(2 * x))
    assert found.value == pytest.approx(20 * math.log10(2), rel=1e-12)


def test_the_distance_is_the_root_mean_square_over_bins():
    a, b = power_spectrum(noise(0, 20, 1, 8, 8)), power_spectrum(waves(8, 8, 0.25, 0.1))
    expected = 10 * np.log10(a.powers.mean(0).numpy() / b.powers.mean(0).numpy())
    assert spectrum_distance(a, b).value == pytest.approx(np.sqrt((expected**2).mean()))
    assert spectrum_distance(a, b).value == spectrum_distance(b, a).value


def test_sets_of_one_distribution_are_apart_by_the_floor():
    """The mean square distance of 60 pairs is the mean square floor, to four standard errors."""
    found = [
        spectrum_distance(
            power_spectrum(noise(2 * k, 100, 1, 12, 12)),
            power_spectrum(noise(2 * k + 1, 60, 1, 12, 12)),
        )
        for k in range(60)
    ]
    square = torch.tensor([one.value**2 for one in found])
    floor = torch.tensor([one.floor**2 for one in found])
    assert (
        abs(float(square.mean() / floor.mean()) - 1)
        < 4 * float(square.std() / floor.mean()) / 60**0.5
    )


def test_the_error_is_the_deviation_of_the_distance():
    """Pairs of plain and blurred noise of varying contrast, so that all bins rise and fall together.

    Of 200 pairs a deviation is known to a twentieth; the bar is four of them.
    """

    def pair(k):
        plain, other = (
            noise(4 * k + i, 60, 1, 12, 12) * noise(4 * k + 2 + i, 60, 1, 1, 1).mul(0.3).exp()
            for i in (0, 1)
        )
        blurred = other + other.roll(1, 2) + other.roll(1, 3)
        return spectrum_distance(power_spectrum(plain), power_spectrum(blurred))

    found = [pair(k) for k in range(200)]
    deviation = float(torch.tensor([one.value for one in found]).std())
    error = sum(one.error for one in found) / len(found)
    assert deviation / error == pytest.approx(1, abs=0.2)


def test_a_checkerboard_of_upsampling_is_seen():
    """A faint pattern of two pixels, as transposed convolutions leave, far above the floor."""
    x, y = noise(0, 100, 1, 16, 16), noise(1, 100, 1, 16, 16)
    marked = y + 0.5 * waves(16, 16, 0.5, 0, n=1)
    found = spectrum_distance(power_spectrum(x), power_spectrum(marked))
    assert found.value > 4 * found.floor and found.value > 4 * found.error


# ---- refusals


@pytest.mark.parametrize(
    "shape", [(1, 1, 8, 8), (5, 1, 3, 8), (5, 1, 8, 3), (5, 0, 8, 8), (5, 8, 8), (0, 1, 8, 8)]
)
def test_pictures_too_few_or_too_small_are_refused(shape):
    with pytest.raises(DataError, match=r"at least 2 pictures .* of at least 4 x 4 pixels; found"):
        power_spectrum(torch.zeros(shape))


def test_pictures_that_are_not_finite_are_refused():
    x = noise(0, 4, 1, 8, 8)
    x[2, 0, 3, 3] = math.nan
    with pytest.raises(DataError, match="NaN or infinite values in 1 of 4 pictures"):
        power_spectrum(x)


def test_constant_pictures_are_refused():
    x = torch.rand(4, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(4, 3, 8, 8)
    with pytest.raises(DataError, match="constant pictures have no spectrum; found 4"):
        power_spectrum(x)


def test_spectra_of_different_sizes_are_refused():
    a, b = power_spectrum(noise(0, 4, 1, 8, 8)), power_spectrum(noise(0, 4, 1, 12, 12))
    with pytest.raises(DataError, match=r"found 4 bins up to 0.5 and 6 up to 0.5"):
        spectrum_distance(a, b)


def test_a_spectrum_with_an_empty_bin_has_no_distance():
    whole = power_spectrum(noise(0, 4, 1, 4, 4))
    empty = Spectrum(whole.frequency, torch.tensor([[1.0, 0.0]] * 4, dtype=torch.float64))
    with pytest.raises(DataError, match="need power in every bin; found a bin without any"):
        spectrum_distance(whole, empty)
