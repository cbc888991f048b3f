"""Sliced Wasserstein distances against scipy and closed forms. reference/evaluation.md, section 3.7."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm, wasserstein_distance

from reverie.errors import DataError
from reverie.metrics.sliced import sliced_wasserstein


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SIZES = [(50, 50), (50, 20), (20, 30), (7, 31), (2, 11), (2, 2)]


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_in_one_dimension_w1_is_scipys(n, m):
    a, b = drawn(0, n, 1), 2 * drawn(1, m, 1) + 0.5
    found = sliced_wasserstein(a, b, seed=0, directions=3)
    assert found.w1 == pytest.approx(wasserstein_distance(a[:, 0], b[:, 0]), rel=1e-12)
    assert found.w1_error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_in_one_dimension_w2_is_that_of_repeated_samples(n, m):
    """Each sample repeated until both sets have n m: then it is the mean square of sorted differences."""
    a, b = drawn(0, n, 1), 2 * drawn(1, m, 1) + 0.5
    x, y = (np.sort(np.repeat(z.numpy()[:, 0], k)) for z, k in ((a, m), (b, n)))
    found = sliced_wasserstein(a, b, seed=0, directions=3)
    assert found.w2_squared == pytest.approx(((x - y) ** 2).mean(), rel=1e-12)


def test_gaussians_in_one_dimension_have_their_closed_form():
    """Quantiles of N(0, 1), and the same times 3 less 2: (mu - nu)^2 + (sigma - tau)^2 = 4 + 4."""
    x = torch.from_numpy(norm.ppf((np.arange(1000) + 0.5) / 1000))[:, None]
    x = x / x.square().mean().sqrt()
    assert sliced_wasserstein(x, 3 * x - 2, 0).w2_squared == pytest.approx(8, rel=1e-12)


def test_shifted_sets_are_apart_by_their_shift():
    """(theta.m)^2 along theta: |m|^2 / D on average, to four errors.

    W1 is |m| E |theta_1|, which for D = 6 is |m| Gamma(3) / (sqrt(pi) Gamma(3.5)).
    """
    x, shift = drawn(0, 30, 6), drawn(1, 6)
    found = sliced_wasserstein(x, x + shift, seed=0, directions=4000)
    square = float(shift.square().sum())
    assert abs(found.w2_squared - square / 6) < 4 * found.w2_squared_error < 0.1 * square / 6
    expected = math.sqrt(square / math.pi) * math.gamma(3) / math.gamma(3.5)
    assert abs(found.w1 - expected) < 4 * found.w1_error < 0.1 * expected


def test_a_scaled_set_is_apart_by_its_scale():
    """y = s x: (s - 1)^2 times the mean square along the line, on average that of all coordinates."""
    x = drawn(0, 40, 5)
    found = sliced_wasserstein(x, 1.5 * x, seed=2, directions=4000)
    expected = 0.25 * float(x.square().mean())
    assert abs(found.w2_squared - expected) < 4 * found.w2_squared_error < 0.05 * expected


def test_a_set_is_at_no_distance_from_itself_in_any_order_and_repeated():
    x = drawn(0, 30, 4)
    for other in (x.flip(0), x.repeat(3, 1)):
        found = sliced_wasserstein(x, other, seed=0)
        assert (found.w1, found.w2_squared) == pytest.approx((0, 0), abs=1e-12)


def test_turning_both_sets_changes_nothing_but_by_chance():
    x, y, q = drawn(0, 60, 3), drawn(1, 40, 3).exp(), torch.linalg.qr(drawn(2, 3, 3)).Q
    a, b = (sliced_wasserstein(x @ r, y @ r, 0, 2000) for r in (torch.eye(3).double(), q))
    assert abs(a.w1 - b.w1) < 4 * (a.w1_error + b.w1_error) < 0.1 * a.w1


def test_the_error_is_the_spread_over_seeds():
    x, y = drawn(0, 40, 5), drawn(1, 40, 5) + torch.tensor([1.0, 0, 0, 0, 0])
    found = [sliced_wasserstein(x, y, seed, directions=50) for seed in range(150)]
    for value, error in (("w1", "w1_error"), ("w2_squared", "w2_squared_error")):
        spread = np.std([getattr(f, value) for f in found], ddof=1)
        assert np.mean([getattr(f, error) for f in found]) == pytest.approx(spread, rel=0.25)


def test_the_seed_alone_decides_the_directions():
    x, y = drawn(0, 20, 4), drawn(1, 25, 4)
    a = sliced_wasserstein(x, y, seed=3, directions=40)
    torch.manual_seed(99)
    b = sliced_wasserstein(x, y, seed=3, directions=40, chunk=7)
    assert (a.w1, a.w2_squared_error) == pytest.approx((b.w1, b.w2_squared_error), rel=1e-12)
    assert sliced_wasserstein(x, y, seed=4, directions=40).w1 != a.w1


def test_what_does_not_fit_is_refused():
    x = drawn(0, 5, 2)
    with pytest.raises(DataError, match="second features need at least 2 samples; found 0"):
        sliced_wasserstein(x, x[:0], 0)
    with pytest.raises(DataError, match="found first 2, second 3"):
        sliced_wasserstein(x, drawn(0, 5, 3), 0)
    with pytest.raises(DataError, match="at least 2 of them; found 1"):
        sliced_wasserstein(x, x, 0, directions=1)
