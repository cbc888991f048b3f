"""Precision, recall, density and coverage against other libraries and what is known of special sets.

reference/evaluation.md, section 3.6.
"""

import math

import numpy as np
import prdc as oracle
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from reverie.errors import DataError
from reverie.metrics.neighbours import (
    EXPECTED_DENSITY,
    check_balls,
    expected_coverage,
    nearest,
    prdc,
)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def four(result):
    return result.precision, result.recall, result.density, result.coverage


# ---- against others


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 8), (60, 90, 100), (500, 500, 64)])
@pytest.mark.parametrize("k", [1, 5])
def test_all_four_are_prdcs_where_no_two_distances_are_equal(n, m, d, k, capsys):
    real, fake = drawn(0, n, d).double(), 0.9 * drawn(1, m, d).double() + 0.1
    expected = oracle.compute_prdc(real.numpy(), fake.numpy(), k)
    names = ("precision", "recall", "density", "coverage")
    assert four(prdc(real, fake, k)) == pytest.approx(
        [expected[name] for name in names], abs=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_nearest_are_scikit_learns(dtype):
    x, y = drawn(0, 40, 6).to(dtype), drawn(1, 70, 6).to(dtype)
    found = nearest(x, y, 4, block=100)
    distance, index = NearestNeighbors(n_neighbors=4).fit(y.double()).kneighbors(x.double())
    np.testing.assert_allclose(found.distance, distance, rtol=1e-12)
    np.testing.assert_array_equal(found.index, index)
    assert found.distance.dtype == torch.float64 and found.index.dtype == torch.int64


@pytest.mark.parametrize("block", [36, 10**6])
@pytest.mark.parametrize("k", [1, 5])
def test_nearest_others_are_scikit_learns(k, block):
    x = drawn(0, 45, 3)
    found = nearest(x, x, k, exclude_self=True, block=block)
    distance, index = NearestNeighbors(n_neighbors=k).fit(x.double()).kneighbors()
    np.testing.assert_allclose(found.distance, distance, rtol=1e-12)
    np.testing.assert_array_equal(found.index, index)


@pytest.mark.parametrize(("n", "m", "k", "block"), [(300, 2000, 2, 10**6), (90, 120, 5, 900)])
def test_of_equally_near_the_first_are_named(n, m, k, block):
    """Points of a 3 x 3 x 3 grid: many coincide and most distances are shared; a stable sort tells.

    The small block holds more pairs than it may before it has seen all, and decides between them early.
    """
    x, y = (drawn(seed, count, 3).round().clamp(-1, 1) for seed, count in ((0, n), (1, m)))
    squares = (x[:, None] - y[None]).square().sum(2).double()
    expected = squares.sort(dim=1, stable=True)
    found = nearest(x, y, k, block=block)
    assert torch.equal(found.index, expected.indices[:, :k])
    assert torch.equal(found.distance, expected.values[:, :k].sqrt())
    squares = (y[:, None] - y[None]).square().sum(2).double().fill_diagonal_(math.inf)
    expected = squares.sort(dim=1, stable=True)
    found = nearest(y, y.clone(), k, exclude_self=True, block=block)
    assert torch.equal(found.index, expected.indices[:, :k])
    assert torch.equal(found.distance, expected.values[:, :k].sqrt())


def test_neighbours_that_come_nearer_and_nearer_are_the_last():
    """Every tile holds nearer ones than all before: many more pairs than are held without deciding."""
    x, y = 0.01 * drawn(0, 20, 2), torch.linspace(101, 300, 200).flip(0)[:, None] * torch.ones(2)
    found = nearest(x, y, 2, block=100)
    assert found.index.tolist() == [[199, 198]] * 20
    x = 1 / torch.arange(1.0, 151)[:, None]
    expected = (x - x.T).double().abs().fill_diagonal_(math.inf).sort(1).values[:, :2]
    found = nearest(x, x, 2, exclude_self=True, block=100)
    torch.testing.assert_close(found.distance, expected, rtol=1e-6, atol=0)


def test_of_coinciding_samples_the_first_others_are_the_nearest():
    x = torch.full((4, 3), 0.7)
    assert nearest(x, x, 2, exclude_self=True).index.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1]]
    found = nearest(x, x[:2], 2)
    assert found.index.tolist() == [[0, 1]] * 4 and not found.distance.any()


# ---- by hand


def test_density_and_coverage_of_a_case_by_hand():
    """Real 0, 1, 2, 10 with k = 1 have radii 1, 1, 1, 8: balls [-1, 1], [0, 2], [1, 3], [2, 18].

    Fake 0.5 lies in two of them, 1.5 in two, 30 in none: density (2 + 2) / (1 * 3), precision 2/3; the
    first three balls hold a fake, the last does not: coverage 3/4. The fakes' own balls are [-0.5, 1.5],
    [0.5, 2.5], [1.5, 58.5]: each real is in one: recall 1.
    """
    real, fake = torch.tensor([[0.0], [1.0], [2.0], [10.0]]), torch.tensor([[0.5], [1.5], [30.0]])
    expected = pytest.approx((2 / 3, 1.0, 4 / 3, 3 / 4))
    assert four(prdc(real, fake, k=1)) == expected and four(prdc(real, fake, 1, 4)) == expected


def test_the_edge_of_a_ball_belongs_to_it():
    """Real 0 and 1, fake 2 and 5, k = 1, radii 1 and 3: 2 is on 1's edge; both reals lie within 2's."""
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [5.0]])
    assert four(prdc(real, fake, k=1)) == (1 / 2, 1.0, 1 / 2, 1 / 2)


def test_recall_is_precision_with_the_sets_exchanged():
    x, y = drawn(0, 80, 4), 1.5 * drawn(1, 60, 4)
    assert prdc(x, y).recall == prdc(y, x).precision != prdc(x, y).precision


# ---- special sets


@pytest.mark.parametrize("count", [6, 20])
def test_identical_constant_sets_score_one(count):
    """All distances and radii are 0. Every fake lies in every ball: density N / k."""
    x = torch.full((count, 3), 0.7)
    assert four(prdc(x, x.clone(), k=5)) == (1.0, 1.0, count / 5, 1.0)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_a_set_against_itself_has_all_its_edges(scale, offset):
    """Each ball holds its centre and its k neighbours, the last on the edge: density (k + 1) / k."""
    x = scale * (drawn(0, 120, 48).double() + offset)
    assert four(prdc(x, x.clone(), k=5)) == (1.0, 1.0, 6 / 5, 1.0)


def test_pairs_of_duplicates_have_each_other():
    """Every sample twice, k = 1: radii 0, and each ball holds its two."""
    x = drawn(0, 30, 8).repeat(2, 1)
    assert four(prdc(x, x, k=1)) == (1.0, 1.0, 2.0, 1.0)


def test_a_collapsed_generator_is_precise_and_recalls_little():
    """One tight cluster at a real sample: dense there, and nearly nothing else is covered."""
    real = drawn(0, 300, 2)
    result = prdc(real, real[:1] + 1e-3 * drawn(1, 300, 2))
    assert result.precision > 0.8 and result.density > 0.8
    assert result.recall < 0.3 and result.coverage < 0.1


def test_far_samples_score_nothing():
    real = drawn(0, 50, 2)
    assert four(prdc(real, real + 1000)) == (0.0, 0.0, 0.0, 0.0)


def test_one_far_outlier_does_not_blur_the_others():
    """It changes nothing for the rest, which a mean or a float32 distance around it would lose."""
    real, fake = drawn(0, 100, 16), drawn(1, 100, 16)
    far = torch.cat([fake, torch.full((1, 16), 1e9)])
    plain, with_it = prdc(real, fake), prdc(real, far)
    assert with_it.precision * 101 == pytest.approx(plain.precision * 100)
    assert with_it.density * 101 == pytest.approx(plain.density * 100)
    assert with_it.coverage == plain.coverage


@pytest.mark.parametrize("block", [16, 300, 2**21])
def test_blocks_change_nothing(block):
    real, fake = drawn(0, 37, 3), drawn(1, 23, 3)
    assert prdc(real, fake, 5, block) == prdc(real, fake, 5)


# ---- what equal distributions score


@pytest.mark.parametrize("d", [2, 16])
def test_equal_distributions_have_density_one_and_the_expected_coverage(d):
    """20 pairs of 200: E density = 1, E coverage = 1 - prod (N - i) / (M + N - i), to four errors."""
    results = [prdc(drawn(2 * s, 200, d), drawn(2 * s + 1, 200, d)) for s in range(20)]
    for values, expected in (
        ([r.density for r in results], EXPECTED_DENSITY),
        ([r.coverage for r in results], expected_coverage(200, 200)),
    ):
        assert abs(np.mean(values) - expected) < 4 * np.std(values, ddof=1) / math.sqrt(20)


@pytest.mark.parametrize(
    ("real", "fake", "k", "d", "expected"),
    [
        (500, 500, 5, 2, 0.96922),
        (500, 500, 5, 64, 0.96922),
        (500, 250, 5, 2, 0.86963),
        (500, 500, 3, 2, 0.87575),
    ],
)
def test_simulated_coverage_is_the_expected_one_in_any_setting(real, fake, k, d, expected):
    """30 pairs of sets, to four standard errors, each below 0.004: another k or size is 0.09 away."""
    found = [prdc(drawn(2 * s, real, d), drawn(2 * s + 1, fake, d), k).coverage for s in range(30)]
    error = np.std(found, ddof=1) / math.sqrt(30)
    assert error < 0.004
    assert abs(np.mean(found) - expected) < 4 * error


@pytest.mark.parametrize(
    ("real", "fake", "k", "expected"),
    [(500, 500, 5, 0.96922), (500, 250, 5, 0.86963), (500, 500, 3, 0.87575)],
)
def test_the_expected_coverage_has_its_known_values(real, fake, k, expected):
    assert expected_coverage(real, fake, k) == pytest.approx(expected, abs=5e-6)


def test_the_expected_coverage_of_many_samples_is_one_less_two_to_the_minus_k():
    assert expected_coverage(10**7, 10**7, 5) == pytest.approx(1 - 2**-5, abs=1e-6)


# ---- refusals


def test_too_few_samples_for_k_are_refused():
    x = drawn(0, 5, 2)
    with pytest.raises(DataError, match="5 neighbours need more than 5 samples; found 5"):
        nearest(x, x, 5, exclude_self=True)
    with pytest.raises(DataError, match="5 neighbours need more than 5 real samples; found 5"):
        prdc(x, drawn(1, 9, 2), 5)
    with pytest.raises(
        DataError, match="5 neighbours need more than 5 generated samples; found 5"
    ):
        prdc(drawn(1, 9, 2), x, 5)
    with pytest.raises(DataError, match="6 neighbours need at least 6 samples; found 5"):
        nearest(x, x, 6)
    assert nearest(x, x, 5).index.shape == (5, 5)


def test_balls_of_few_samples_cover_a_collapsed_generator_too_and_are_refused():
    """One point in the middle of 6 samples lies in all their balls, of 60 in hardly any."""
    for count, least, most in ((6, 0.9, 1.0), (60, 0.0, 0.5)):
        x = drawn(0, count, 8)
        found = prdc(x, x.mean(0, keepdim=True).repeat(count, 1))
        assert least <= found.coverage <= most
    check_balls(50, 5)
    with pytest.raises(DataError, match="among 49 samples cover nearly everything; 50 samples"):
        check_balls(49, 5)


def test_a_k_of_none_is_refused():
    with pytest.raises(DataError, match="k is 0; a neighbourhood has at least 1 neighbour"):
        nearest(drawn(0, 5, 2), drawn(1, 5, 2), 0)


def test_own_rows_of_two_sets_are_refused():
    with pytest.raises(DataError, match="neighbours of one set only; found two"):
        nearest(drawn(0, 5, 2), drawn(1, 5, 2), exclude_self=True)


def test_features_that_do_not_fit_are_refused():
    good, bad = drawn(0, 9, 2), drawn(1, 9, 2)
    bad[4, 1] = math.nan
    with pytest.raises(
        DataError, match="generated features hold NaN or infinite values in 1 of 9"
    ):
        prdc(good, bad)
    with pytest.raises(DataError, match="found real 2, generated 3"):
        prdc(good, drawn(1, 9, 3))
    with pytest.raises(DataError, match="y features need at least 1 sample; found 0"):
        nearest(good, good[:0])
