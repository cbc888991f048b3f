"""The Frechet distance against closed forms. reference/evaluation.md, section 3.3."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from reverie.errors import DataError
from reverie.metrics.frechet import (
    Moments,
    frechet_distance,
    frechet_infinity,
    gaussian_floor,
    moments,
    spread_by_subsampling,
)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(covariance, mean=None):
    covariance = torch.as_tensor(covariance, dtype=torch.float64)
    return Moments(
        torch.zeros(len(covariance), dtype=torch.float64) if mean is None else mean,
        covariance,
        100,
    )


def rotation(d):
    return torch.linalg.qr(drawn(9, d, d)).Q


@pytest.mark.parametrize(("d", "scale"), [(1, 2.0), (3, 0.5), (64, 1.1)])
def test_scaled_and_shifted_gaussians_have_their_closed_form(d, scale):
    """N(0, I) and N(m, s^2 I): |m|^2 + d (1 - s)^2."""
    mean, eye = drawn(0, d), torch.eye(d, dtype=torch.float64)
    found = frechet_distance(gaussian(eye), gaussian(scale**2 * eye, mean))
    assert found == pytest.approx(float(mean.square().sum()) + d * (1 - scale) ** 2, rel=1e-12)


def test_commuting_covariances_have_their_closed_form():
    """sum (sqrt a - sqrt b)^2 of the eigenvalues, in any common basis."""
    a, b, q = drawn(0, 5).exp(), drawn(1, 5).exp(), rotation(5)
    found = frechet_distance(gaussian(q @ a.diag() @ q.T), gaussian(q @ b.diag() @ q.T))
    assert found == pytest.approx(float((a.sqrt() - b.sqrt()).square().sum()), rel=1e-10)


def test_covariances_that_do_not_commute_have_theirs():
    """A = [[2, 1], [1, 2]], B = diag(1, 4): tr sqrt(AB) = sqrt(tr AB + 2 sqrt det AB), which is
    sqrt(10 + 2 sqrt 12), so that the distance is 4 + 5 - 2 sqrt(10 + 2 sqrt 12) = 0.7712204477.
    """
    a, b = gaussian([[2.0, 1.0], [1.0, 2.0]]), gaussian([[1.0, 0.0], [0.0, 4.0]])
    expected = 9 - 2 * math.sqrt(10 + 2 * math.sqrt(12))
    assert expected == pytest.approx(0.7712204477, abs=1e-10)
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-12)
    assert frechet_distance(b, a) == pytest.approx(expected, abs=1e-12)


def test_it_is_the_formula_with_scipys_matrix_root():
    """Heusel's own computation: the trace of sqrtm(A B)."""
    a, b = moments(drawn(0, 50, 6)), moments(drawn(1, 50, 6) @ drawn(2, 6, 6) + 1)
    root = scipy.linalg.sqrtm((a.covariance @ b.covariance).numpy()).real.trace()
    shift = (a.mean - b.mean).square().sum()
    expected = float(shift + a.covariance.trace() + b.covariance.trace()) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(200, 200), (300, 40)])
def test_it_is_torchmetrics(n, m):
    real, fake = drawn(0, n, 8), drawn(1, m, 8) @ drawn(2, 8, 8) + 0.5
    as_they_are = torch.nn.Identity()
    as_they_are.num_features = 8
    oracle = FrechetInceptionDistance(feature=as_they_are)
    oracle.set_dtype(torch.float64)
    oracle.update(real, real=True)
    oracle.update(fake, real=False)
    expected = oracle.compute()
    assert expected.dtype == torch.float64
    found = frechet_distance(moments(real), moments(fake))
    assert found == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("rank", [3, 20, 64])
def test_a_gaussian_is_at_no_distance_from_itself(rank):
    """Also one whose covariance has no full rank: where it is known, nothing is estimated."""
    root = drawn(0, 64, rank)
    a = gaussian(root @ root.T)
    assert abs(frechet_distance(a, a)) < 1e-8 * float(a.covariance.trace())


def test_variances_far_apart_do_not_part_a_gaussian_from_itself():
    """From 1 to 1e-14: squared, the least would be lost beside 1, and its root be 1e-8 for each."""
    q, values = rotation(64), torch.logspace(0, -14, 64, dtype=torch.float64)
    a = gaussian(q @ values.diag() @ q.T)
    assert abs(frechet_distance(a, a)) < 1e-12 * float(a.covariance.trace())


def test_features_without_variance_do_not_part_a_set_from_itself():
    """Of 300 samples, 40 of 64 features are constant: as dead units of a network are."""
    x = drawn(0, 300, 64)
    x[:, 24:] = 0.3
    a = moments(x)
    assert abs(frechet_distance(a, a)) < 1e-12 * float(a.covariance.trace())


def test_it_turns_with_nothing_and_grows_with_the_square_of_the_unit():
    x, y, q = drawn(0, 40, 5), drawn(1, 40, 5) * 2 + 1, rotation(5)
    value = frechet_distance(moments(x), moments(y))
    assert frechet_distance(moments(x @ q), moments(y @ q)) == pytest.approx(value, rel=1e-10)
    assert frechet_distance(moments(3 * x), moments(3 * y)) == pytest.approx(9 * value, rel=1e-10)


# ---- moments


def test_moments_are_numpys_in_any_chunks():
    x = drawn(0, 23, 4).float()
    for chunk in (5, 23, 100):
        found = moments(x, chunk)
        np.testing.assert_allclose(found.mean, x.double().numpy().mean(0), rtol=1e-12)
        np.testing.assert_allclose(found.covariance, np.cov(x.double().numpy().T), rtol=1e-10)
        assert found.count == 23 and found.covariance.dtype == torch.float64


def test_a_large_offset_does_not_swallow_the_covariance():
    """Centred before squaring: of 1e6 + {0, 1}, E x^2 - (E x)^2 in float32 would be noise; it is 1/3."""
    x = (1e6 + torch.tensor([[0.0], [1.0], [0.0], [1.0]])).float()
    assert float(moments(x).covariance) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("count", "d"), [(1, 1), (1, 3), (3, 3), (20, 256), (64, 64)])
def test_as_many_features_as_samples_are_refused(count, d):
    """n samples about their mean span n - 1 dimensions: of d and more, some have no variance."""
    message = f"covariance of {d} features needs at least {d + 1} samples.*; found {count}"
    with pytest.raises(DataError, match=f"{message}.* more samples, or .* fewer features"):
        moments(drawn(0, count, d))
    covariance = moments(drawn(0, d + 1, d)).covariance
    assert int(torch.linalg.matrix_rank(covariance)) == d


def test_no_samples_are_refused():
    with pytest.raises(DataError, match="a Gaussian's features need at least 1 sample; found 0"):
        moments(torch.zeros(0, 3))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_features_that_are_not_finite_are_refused(bad):
    x = drawn(0, 5, 3)
    x[2, 1] = bad
    with pytest.raises(DataError, match="NaN or infinite values in 1 of 5 samples"):
        moments(x)


def test_moments_of_two_dimensions_are_refused():
    with pytest.raises(DataError, match="one dimension; found 3 and 4"):
        frechet_distance(moments(drawn(0, 9, 3)), moments(drawn(1, 9, 4)))


# ---- the floor


@pytest.mark.parametrize(("d", "n"), [(1, 50), (4, 100), (64, 10_000)])
def test_the_floor_of_a_white_gaussian_has_its_closed_form(d, n):
    """All eigenvalues 1: 2 d / n + d (d + 1) / (2 (n - 1))."""
    expected = 2 * d / n + d * (d + 1) / (2 * (n - 1))
    assert gaussian_floor(gaussian(torch.eye(d)), n) == pytest.approx(expected, rel=1e-10)


def test_the_floor_follows_the_eigenvalues():
    """2 [sum_i l_i / n + 1/2 sum_ij l_i l_j (1 + [i = j]) / ((l_i + l_j) (n - 1))], written out."""
    values, n = [3.0, 1.0, 0.25], 200
    spread = sum(
        a * b * (2 if i == j else 1) / ((a + b) * (n - 1))
        for i, a in enumerate(values)
        for j, b in enumerate(values)
    )
    expected = 2 * (sum(values) / n + spread / 2)
    q = rotation(3)
    turned = q @ torch.tensor(values, dtype=torch.float64).diag() @ q.T
    assert gaussian_floor(gaussian(turned), n) == pytest.approx(expected, rel=1e-10)


def test_the_floor_is_what_two_samples_of_one_gaussian_are_apart():
    """The mean distance of 200 pairs of samples, within four standard errors and 2 % of first order."""
    values, n = torch.tensor([2.0, 1.0, 0.5, 0.1], dtype=torch.float64), 250
    distances = torch.tensor(
        [
            frechet_distance(
                *(moments(drawn(2 * k + side, n, 4) * values.sqrt()) for side in (0, 1))
            )
            for k in range(200)
        ]
    )
    expected = gaussian_floor(gaussian(values.diag()), n)
    error = 4 * float(distances.std()) / math.sqrt(200)
    assert abs(float(distances.mean()) - expected) < error + 0.02 * expected


SPECTRA = {
    "white": (torch.ones(32), 2000),
    "geometric": (torch.logspace(0, -1, 32), 1500),
    "two levels": (torch.tensor([1.0, 0.25]).repeat_interleave(16), 2500),
    "power law": (torch.arange(1.0, 33).rsqrt(), 3000),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_the_floor_holds_to_two_per_cent_over_spectra(name):
    """The mean of 200 pairs. A distance sums some d^2 / 2 = 512 squares of normals, so that it deviates by
    about 2 / d = 6 % and the mean by 0.5 %, four of which are the 2 % that are allowed.
    """
    values, n = SPECTRA[name]
    scale = values.double().sqrt()
    found = torch.tensor(
        [
            frechet_distance(*(moments(drawn(2 * k + side, n, 32) * scale) for side in (0, 1)))
            for k in range(200)
        ]
    )
    assert float(found.std()) / math.sqrt(200) < 0.006 * float(found.mean())
    floor = gaussian_floor(gaussian(values.double().diag()), n)
    assert float(found.mean()) == pytest.approx(floor, rel=0.02)


def test_directions_without_variance_add_nothing_to_the_floor():
    with_zero, without = gaussian(torch.diag(torch.tensor([1.0, 0.0]))), gaussian(torch.eye(1))
    assert gaussian_floor(with_zero, 100) == pytest.approx(gaussian_floor(without, 100))


@pytest.mark.parametrize("count", [1, 4])
def test_the_floor_of_as_many_samples_as_features_is_refused(count):
    """Their covariance would be singular, and its expansion in small errors says nothing."""
    message = f"covariance of 4 features needs at least 5 samples.*; found {count}"
    with pytest.raises(DataError, match=message):
        gaussian_floor(gaussian(torch.eye(4)), count)
    assert gaussian_floor(gaussian(torch.eye(4)), 5) > 0


# ---- without the bias


def test_the_extrapolation_is_scipys_line_through_its_points():
    real, fake = moments(drawn(0, 300, 4)), drawn(1, 120, 4) + 0.2
    found = frechet_infinity(real, fake, seed=3, count=8)
    sizes, values = np.array(found.points).T
    line = scipy.stats.linregress(1 / sizes, values)
    assert found.value == pytest.approx(line.intercept, rel=1e-9)
    assert found.error == pytest.approx(line.intercept_stderr, rel=1e-9)


def test_its_points_go_from_half_of_the_samples_to_all_evenly_in_their_inverse():
    real, fake = drawn(0, 300, 4), drawn(1, 120, 4) + 0.2
    for fixed in (True, False):
        points = frechet_infinity(moments(real) if fixed else real, fake, count=5).points
        assert [size for size, _ in points] == [60, 69, 80, 96, 120]
    whole = frechet_infinity(moments(real), fake, count=5).points[-1][1]
    assert whole == pytest.approx(frechet_distance(moments(real), moments(fake)), rel=1e-9)


@pytest.mark.parametrize("both", [True, False])
def test_the_extrapolation_has_no_bias_where_the_distance_has(both):
    """N(0, I) and N(0, 1.1^2 I) in 16 dimensions are 16 * 0.1^2 = 0.16 apart; of 300 samples each, mostly
    bias. 40 draws, to four standard errors and 5 % of the bias for what the line leaves of it.
    """
    population = gaussian(torch.eye(16))
    plain, values = [], []
    for i in range(40):
        real, fake = drawn(2 * i, 300, 16), 1.1 * drawn(2 * i + 1, 300, 16)
        fitted = moments(real) if both else population
        plain.append(frechet_distance(fitted, moments(fake)))
        values.append(frechet_infinity(real if both else population, fake, seed=i).value)
    bias = np.mean(plain) - 0.16
    assert bias > 0.2
    assert abs(np.mean(values) - 0.16) < 4 * np.std(values) / math.sqrt(40) + 0.05 * bias
    assert np.std(values) / math.sqrt(40) < 0.05 * bias


def test_the_extrapolation_may_be_negative():
    found = [
        frechet_infinity(drawn(2 * i, 60, 3), drawn(2 * i + 1, 60, 3)).value for i in range(12)
    ]
    assert min(found) < 0 < max(found)


def test_its_seed_alone_decides_the_subsets():
    real, fake = drawn(0, 100, 4), drawn(1, 100, 4)
    found = frechet_infinity(real, fake, seed=1)
    torch.manual_seed(5)
    assert frechet_infinity(real, fake, seed=1) == found
    assert frechet_infinity(real, fake, seed=2).value != found.value


def test_an_extrapolation_that_cannot_be_is_refused():
    x = drawn(0, 29, 3)
    with pytest.raises(DataError, match="generated features need at least 30 samples; found 29"):
        frechet_infinity(moments(x), x)
    with pytest.raises(DataError, match="real features need at least 30 samples; found 29"):
        frechet_infinity(x, drawn(1, 50, 3))
    with pytest.raises(DataError, match="at least 3 subsets; found 2"):
        frechet_infinity(moments(x), x, count=2)
    with pytest.raises(DataError, match="a share between 0 and 1; found 1"):
        frechet_infinity(moments(x), drawn(1, 50, 3), smallest=1)
    with pytest.raises(DataError, match="one dimension; found 3 and 4"):
        frechet_infinity(moments(x), drawn(1, 50, 4))


@pytest.mark.parametrize("fixed", [True, False])
def test_an_extrapolation_needs_more_samples_than_features_in_its_smallest_subset(fixed):
    """Half of 40 are 20, as many as the features; half of 42 are one more."""
    real = drawn(0, 42, 20)
    message = (
        "covariance of 20 features needs at least 21 samples in the smallest subset.*found 20"
    )
    with pytest.raises(DataError, match=message):
        frechet_infinity(moments(real) if fixed else real, drawn(1, 40, 20))
    found = frechet_infinity(moments(real) if fixed else real, drawn(1, 42, 20))
    assert found.points[0][0] == 21


# ---- its uncertainty


def spreads(spread, scale, draws=120):
    """The true spread of 200 samples' distance from N(0, I) in 8 dimensions, and the estimates of it."""
    population = gaussian(torch.eye(8))
    sets = [scale * drawn(i, 200, 8) for i in range(draws)]
    true = np.std([frechet_distance(population, moments(x)) for x in sets], ddof=1)
    found = [spread(population, x, i) for i, x in enumerate(sets[:40])]
    return true, math.sqrt(np.mean(np.square(found)))


def test_the_spread_is_that_over_fresh_samples_where_the_distance_is_large():
    true, found = spreads(spread_by_subsampling, 1.6)
    assert 0.85 < found / true < 1.3


def test_the_spread_is_somewhat_too_large_where_the_distance_is_its_floor():
    """By up to sqrt 2."""
    true, found = spreads(spread_by_subsampling, 1.0)
    assert 1.0 < found / true < 1.7


def test_the_spread_is_the_jackknife_of_groups():
    """sqrt((G - 1) / G sum (T_g - mean)^2), each of 5 groups of 2 left out by hand."""
    real, fake = moments(drawn(0, 50, 2)), drawn(1, 10, 2)
    group = torch.randperm(10, generator=torch.Generator().manual_seed(4)) % 5
    left = [frechet_distance(real, moments(fake[group != g])) for g in range(5)]
    expected = math.sqrt(4 / 5 * np.sum((np.array(left) - np.mean(left)) ** 2))
    assert spread_by_subsampling(real, fake, 4, groups=5) == pytest.approx(expected, rel=1e-9)


def test_a_spread_that_cannot_be_is_refused():
    x = drawn(0, 39, 3)
    with pytest.raises(DataError, match="generated features need at least 40 samples; found 39"):
        spread_by_subsampling(moments(x), x)
    with pytest.raises(DataError, match="at least 2 groups; found 1"):
        spread_by_subsampling(moments(x), x, groups=1)
    y = drawn(1, 41, 38)  # without a group of three, 38 are left
    message = "covariance of 38 features needs at least 39 samples.* found 38"
    with pytest.raises(DataError, match=message):
        spread_by_subsampling(moments(y), y)
