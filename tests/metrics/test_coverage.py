"""Density and coverage against what is known of equal, collapsed and constant sets.

reference/evaluation.md, section 3.6.
"""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from reverie.errors import DataError
from reverie.metrics.coverage import density_and_coverage, expected_coverage, kth_neighbour


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_kth_neighbour_is_scikit_learns():
    x = drawn(0, 40, 3).double()
    for k in (1, 5):
        expected = (
            NearestNeighbors(n_neighbors=k + 1).fit(x.numpy()).kneighbors(x.numpy())[0][:, -1]
        )
        np.testing.assert_allclose(kth_neighbour(x, k, chunk=7), expected, rtol=1e-6)


def test_more_neighbours_than_samples_are_refused():
    with pytest.raises(DataError, match="5 neighbours need more than 5 samples; found 5"):
        kth_neighbour(torch.zeros(5, 2), 5)


def test_density_and_coverage_of_a_case_by_hand():
    """Real 0, 1, 2, 10 with k = 1 have radii 1, 1, 1, 8: balls [-1, 1], [0, 2], [1, 3], [2, 18].

    Fake 0.5 lies in two of them, 1.5 in two, 30 in none: density (2 + 2) / (1 * 3); the first three balls
    hold a fake, the last does not: coverage 3/4.
    """
    real, fake = torch.tensor([[0.0], [1.0], [2.0], [10.0]]), torch.tensor([[0.5], [1.5], [30.0]])
    density, coverage = density_and_coverage(real, fake, k=1, chunk=3)
    assert density == pytest.approx(4 / 3) and coverage == pytest.approx(3 / 4)


def test_the_edge_of_a_ball_belongs_to_it():
    """Real 0 and 1 with k = 1: a fake at 2 lies exactly on the second ball's edge."""
    density, coverage = density_and_coverage(
        torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0]]), k=1
    )
    assert density == 1.0 and coverage == 0.5


@pytest.mark.parametrize("count", [6, 20])
def test_identical_constant_sets_cover_each_other(count):
    """All distances and radii are 0. Every fake lies in every ball: coverage 1, density N / k."""
    x = torch.full((count, 3), 0.7)
    density, coverage = density_and_coverage(x, x, k=5)
    assert coverage == 1.0 and density == count / 5


def test_a_set_covers_itself():
    x = drawn(0, 30, 4)
    assert density_and_coverage(x, x)[1] == 1.0


def test_a_collapsed_generator_covers_little():
    """One tight cluster at a real sample: dense there, and nearly nothing else is covered."""
    real = drawn(0, 300, 2)
    fake = real[:1] + 1e-3 * drawn(1, 300, 2)
    density, coverage = density_and_coverage(real, fake)
    assert density > 0.8 and coverage < 0.1


def test_far_samples_cover_nothing():
    real = drawn(0, 50, 2)
    assert density_and_coverage(real, real + 1000) == (0.0, 0.0)


@pytest.mark.parametrize("d", [2, 16])
def test_equal_distributions_have_density_one_and_the_expected_coverage(d):
    """20 pairs of 200: E density = 1, E coverage = 1 - prod (N - i) / (M + N - i), to four errors."""
    pairs = [
        density_and_coverage(drawn(2 * k, 200, d), drawn(2 * k + 1, 200, d)) for k in range(20)
    ]
    density, coverage = torch.tensor(pairs, dtype=torch.float64).T
    for values, expected in ((density, 1.0), (coverage, expected_coverage(200, 200))):
        assert abs(float(values.mean()) - expected) < 4 * float(values.std()) / 20**0.5


@pytest.mark.parametrize(
    ("real", "fake", "k", "expected"),
    [(500, 500, 5, 0.96922), (500, 250, 5, 0.86963), (500, 500, 3, 0.87575)],
)
def test_the_expected_coverage_has_its_known_values(real, fake, k, expected):
    assert expected_coverage(real, fake, k) == pytest.approx(expected, abs=5e-6)


def test_the_expected_coverage_of_many_samples_is_one_less_two_to_the_minus_k():
    assert expected_coverage(10**7, 10**7, 5) == pytest.approx(1 - 2**-5, abs=1e-6)


def test_chunks_change_nothing():
    real, fake = drawn(0, 37, 3), drawn(1, 23, 3)
    assert density_and_coverage(real, fake, 5, 1000) == density_and_coverage(real, fake, 5, 4)
