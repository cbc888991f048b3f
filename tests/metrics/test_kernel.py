"""The kernel distance against other libraries and closed forms. reference/evaluation.md, section 3.4."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from torchmetrics.image.kid import poly_mmd

from reverie.errors import DataError
from reverie.metrics.kernel import kid


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def from_matrices(xx, yy, xy):
    """Gretton et al. (2012), eq. 3, written out."""
    n, m = xy.shape
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within - 2 * xy.mean()


def repeated(count, draw):
    """The values and errors of many pairs of sets."""
    found = [draw(2 * i, 2 * i + 1) for i in range(count)]
    return np.array([f.value for f in found]), np.array([f.error for f in found])


# ---- the value


def test_kid_is_torchmetrics_over_one_subset_of_all():
    x, y = drawn(0, 60, 12), drawn(1, 60, 12) + 0.3
    assert kid(x, y).value == pytest.approx(float(poly_mmd(x, y)), rel=1e-10)


@pytest.mark.parametrize("block", [1, 70, 10**6])
def test_kid_is_its_formula_for_sets_of_unequal_sizes_in_any_blocks(block):
    x, y = drawn(0, 40, 7).numpy(), 2 * drawn(1, 23, 7).numpy()
    kernels = (polynomial_kernel(a, b, degree=3) for a, b in ((x, x), (y, y), (x, y)))
    found = kid(torch.from_numpy(x), torch.from_numpy(y), block)
    assert found.value == pytest.approx(from_matrices(*kernels), rel=1e-10)


def test_scaled_gaussians_have_their_closed_form():
    """N(0, I) and N(0, 2 I) in 16 dimensions: 3 (a - b)^2 / d = 0.1875, to four errors of 150 pairs."""
    values, _ = repeated(
        150, lambda i, j: kid(drawn(i, 200, 16), math.sqrt(2) * drawn(j, 200, 16))
    )
    assert abs(values.mean() - 0.1875) < 4 * values.std() / math.sqrt(150)
    assert values.std() / math.sqrt(150) < 0.005


def test_the_biased_estimator_exceeds_ours_by_its_diagonal():
    """2 (E k(x, x) - E k(x, x')) / m for two sets of m from N(0, I): with s = |x|^2 / d, E s^2 = 1 + 2/d
    and E s^3 = (1 + 2/d)(1 + 4/d), so that E k(x, x) = E (s + 1)^3; and E k(x, x') = 1 + 3/d.
    """
    d, m, count = 16, 50, 100
    cube = (1 + 2 / d) * (1 + 4 / d) + 3 * (1 + 2 / d) + 3 + 1
    expected = 2 * (cube - (1 + 3 / d)) / m
    excess = []
    for i in range(count):
        x, y = drawn(2 * i, m, d), drawn(2 * i + 1, m, d)
        xx, yy, xy = (polynomial_kernel(a, b, degree=3) for a, b in ((x, x), (y, y), (x, y)))
        excess.append(xx.mean() + yy.mean() - 2 * xy.mean() - kid(x, y).value)
    excess = np.array(excess)
    assert abs(excess.mean() - expected) < 4 * excess.std() / math.sqrt(count)
    assert excess.std() / math.sqrt(count) < 0.01 * expected


def test_shifted_gaussians_have_their_closed_form():
    """N(0, I) and N(m, I), q = |m|^2: 3q/d + 3q^2/d^2 + (q^3 + 6q^2 + (3d + 6)q) / d^3."""
    d, q = 16, 2.0
    expected = 3 * q / d + 3 * q**2 / d**2 + (q**3 + 6 * q**2 + (3 * d + 6) * q) / d**3
    shift = math.sqrt(q / d)
    values, _ = repeated(150, lambda i, j: kid(drawn(i, 200, d), drawn(j, 200, d) + shift))
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(150)
    assert values.std() / math.sqrt(150) < 0.01


def test_of_one_distribution_it_is_zero_on_average_and_negative_often():
    values, _ = repeated(100, lambda i, j: kid(drawn(i, 80, 8), drawn(j, 80, 8)))
    assert abs(values.mean()) < 4 * values.std() / 10
    assert 25 < (values < 0).sum() < 80


def test_the_sets_may_be_exchanged():
    x, y = drawn(0, 20, 3), drawn(1, 30, 3)
    a, b = kid(x, y), kid(y, x)
    assert (a.value, a.error) == pytest.approx((b.value, b.error), rel=1e-10)


# ---- the error


def test_the_error_is_the_jackknife_with_each_sample_really_left_out():
    x, y = drawn(0, 7, 3), drawn(1, 5, 3) + 1
    left = (
        [kid(x[torch.arange(7) != i], y).value for i in range(7)],
        [kid(x, y[torch.arange(5) != j]).value for j in range(5)],
    )
    expected = sum((len(v) - 1) * np.var(v) for v in left)
    assert kid(x, y).error == pytest.approx(math.sqrt(expected), rel=1e-9)


def test_the_error_is_the_spread_over_fresh_samples_where_the_sets_differ():
    values, errors = repeated(200, lambda i, j: kid(drawn(i, 100, 8), drawn(j, 60, 8) + 0.5))
    assert 0.85 < math.sqrt((errors**2).mean()) / values.std(ddof=1) < 1.25


def test_the_error_is_up_to_root_two_too_large_where_they_do_not():
    values, errors = repeated(200, lambda i, j: kid(drawn(i, 100, 8), drawn(j, 60, 8)))
    assert 1.0 < math.sqrt((errors**2).mean()) / values.std(ddof=1) < 1.65


# ---- refusals


def test_fewer_than_three_samples_are_refused():
    with pytest.raises(DataError, match="need at least 3 samples; found 2"):
        kid(drawn(0, 2, 3), drawn(1, 5, 3))
    with pytest.raises(DataError, match="need at least 3 samples; found 1"):
        kid(drawn(0, 5, 3), drawn(1, 1, 3))


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="one dimension; found real 3, generated 4"):
        kid(torch.zeros(5, 3), torch.zeros(5, 4))
    with pytest.raises(DataError, match="real features hold NaN or infinite values in 5 of 5"):
        kid(torch.full((5, 3), math.inf), torch.zeros(5, 3))
