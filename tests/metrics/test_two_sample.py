"""Two-sample tests: their null against every labelling, their size, and what they must find."""

import itertools
import math

import numpy as np
import pytest
import torch

from reverie.errors import ConfigError, DataError
from reverie.metrics.intervals import binomial_upper_tail, normal_cdf
from reverie.metrics.neighbours import nearest
from reverie.metrics.two_sample import (
    classifier_test,
    label_moments,
    nearest_neighbour_test,
)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- nearest neighbours


@pytest.mark.parametrize(("n", "m"), [(3, 4), (5, 5), (2, 7), (1, 2), (2, 1)])
def test_the_null_has_the_moments_of_all_labellings(n, m):
    """Every choice of n of the n + m samples, on graphs of random points and on one where all share a
    neighbour.
    """
    sets = [drawn(seed, n + m, 2) for seed in range(5)]
    graphs = [nearest(x, x, exclude_self=True).index[:, 0] for x in sets]
    graphs.append(torch.tensor([1] + [0] * (n + m - 1)))
    for graph in graphs:
        shares = []
        for chosen in itertools.combinations(range(n + m), n):
            label = torch.zeros(n + m, dtype=torch.bool)
            label[list(chosen)] = True
            shares.append(float((label == label[graph]).double().mean()))
        mean, deviation = label_moments(graph, n, m)
        assert mean == pytest.approx(np.mean(shares), abs=1e-12)
        assert deviation == pytest.approx(np.std(shares), abs=1e-9)


@pytest.mark.parametrize(("d", "mutual"), [(1, 2 / 3), (2, 0.6215)])
def test_the_null_of_three_hundred_each_has_schillings_variance(d, mutual):
    """For equal sizes (1 + P(mutual neighbours)) / 4N, with the share of mutual neighbours in d dimensions:
    0.0264 and 0.0260, and not the binomial's 0.0204.
    """
    found = nearest_neighbour_test(drawn(0, 300, d), drawn(1, 300, d), seed=0)
    assert found.expected == pytest.approx(299 / 599, abs=1e-12)
    assert found.deviation == pytest.approx(math.sqrt((1 + mutual) / 2400), rel=0.02)


def test_the_null_in_eight_dimensions_has_its_known_values():
    """0.502 with a deviation of 0.024. reference/evaluation.md, section 3.6."""
    found = nearest_neighbour_test(drawn(0, 300, 8), drawn(1, 300, 8), seed=0)
    assert found.expected == pytest.approx(0.502, abs=0.004)
    assert found.deviation == pytest.approx(0.024, abs=0.001)


@pytest.mark.parametrize(("n", "m", "d"), [(60, 60, 2), (40, 90, 8)])
def test_equal_distributions_are_rejected_as_often_as_the_level_says(n, m, d):
    """300 pairs at level 0.1; accuracies scatter around the expected one with the deviation reported."""
    found = [
        nearest_neighbour_test(drawn(2 * k, n, d), drawn(2 * k + 1, m, d), seed=k)
        for k in range(300)
    ]
    rejected = sum(one.p < 0.1 for one in found) / 300
    assert abs(rejected - 0.1) < 4 * math.sqrt(0.09 / 300)
    z = np.array([(one.accuracy - one.expected) / one.deviation for one in found])
    assert abs(z.mean()) < 4 / math.sqrt(300) and abs(z.std() - 1) < 4 / math.sqrt(600)


def test_memorised_samples_give_an_accuracy_far_below_one_half():
    """Each copy is nearest to its original, and the reverse: everyone is taken for the other side."""
    train = drawn(0, 100, 8)
    found = nearest_neighbour_test(train, train + 1e-3 * drawn(1, 100, 8), seed=0)
    assert (found.accuracy, found.real, found.generated) == (0.0, 0.0, 0.0)
    assert found.p < 1e-10


def test_separate_sets_are_told_apart_without_error():
    found = nearest_neighbour_test(drawn(0, 50, 4), drawn(1, 70, 4) + 100, seed=0)
    assert (found.accuracy, found.real, found.generated) == (1.0, 1.0, 1.0)
    assert found.p < 1e-10


def test_collapsed_samples_keep_to_themselves():
    """A tight cluster of samples within wide data: generated are right; overall is their weighted mean."""
    real, fake = drawn(0, 100, 4), 1e-3 * drawn(1, 60, 4)
    found = nearest_neighbour_test(real, fake, seed=0)
    assert found.generated == 1.0
    assert found.accuracy == pytest.approx((100 * found.real + 60 * found.generated) / 160)


def test_equally_near_samples_favour_no_side():
    """Data of few distinct values on both sides: ties must not all go to those that were passed first."""

    def coarse(seed):
        return drawn(seed, 80, 2).round()

    found = [nearest_neighbour_test(coarse(2 * k), coarse(2 * k + 1), seed=k) for k in range(60)]
    sides = torch.tensor([one.real - one.generated for one in found])
    assert abs(float(sides.mean())) < 4 * float(sides.std()) / math.sqrt(60)
    assert sum(one.p < 0.05 for one in found) <= 9


def test_samples_that_all_coincide_cannot_be_told_apart():
    x = torch.full((30, 3), 0.7)
    assert nearest_neighbour_test(x, x, seed=0).p > 0.05


def test_two_pairs_by_hand():
    """Of the 6 ways to label 2 of 4 samples in two pairs, 2 label both pairs alike: accuracy 1, else 0.

    Mean 1/3, variance 2/9.
    """
    found = nearest_neighbour_test(
        torch.tensor([[0.0], [10.0]]), torch.tensor([[1.0], [11.0]]), seed=0
    )
    assert found.accuracy == 0.0 and found.expected == pytest.approx(1 / 3)
    assert found.deviation == pytest.approx(math.sqrt(2) / 3)
    assert found.p == pytest.approx(2 * normal_cdf(-1 / math.sqrt(2)))


def test_a_large_offset_changes_nothing():
    real, fake = drawn(0, 40, 3), drawn(1, 40, 3)
    near = nearest_neighbour_test(real, fake, seed=0)
    assert nearest_neighbour_test(real + 1e6, fake + 1e6, seed=0).accuracy == near.accuracy


def test_blocks_and_seeds_change_nothing_without_ties():
    real, fake = drawn(0, 40, 3), drawn(1, 30, 3)
    first = nearest_neighbour_test(real, fake, seed=0)
    assert nearest_neighbour_test(real, fake, seed=1, block=50) == first


def test_one_sample_a_side_is_refused():
    with pytest.raises(DataError, match="generated features need at least 2 samples; found 1"):
        nearest_neighbour_test(torch.zeros(5, 2), torch.zeros(1, 2), seed=0)


def test_nearest_neighbours_of_nan_are_refused():
    with pytest.raises(DataError, match="real features hold NaN"):
        nearest_neighbour_test(torch.full((5, 2), math.nan), torch.zeros(5, 2), seed=0)


# ---- classifiers


def test_equal_distributions_are_rejected_at_most_as_often_as_the_level_says():
    found = [
        classifier_test(drawn(2 * k, 80, 3), drawn(2 * k + 1, 80, 3), seed=k) for k in range(300)
    ]
    rejected = sum(one.p <= 0.1 for one in found) / 300
    assert rejected < 0.1 + 4 * math.sqrt(0.09 / 300)
    accuracy = np.array([one.accuracy for one in found])
    assert abs(accuracy.mean() - 0.5) < 4 * math.sqrt(0.25 / 80 / 300)


def test_shifted_sets_have_the_accuracy_of_the_best_plane():
    """N(0, 1) and N(2, 1) along one of 3 axes: the plane half-way is right in Phi(1) = 0.8413 of cases."""
    found = classifier_test(
        drawn(0, 4000, 3), drawn(1, 4000, 3) + torch.tensor([2.0, 0.0, 0.0]), seed=0
    )
    assert found.n == 4000
    assert found.accuracy == pytest.approx(0.8413, abs=4 * math.sqrt(0.8413 * 0.1587 / 4000))
    assert found.p < 1e-10


def test_the_p_value_is_the_binomials_of_the_held_out_half():
    found = classifier_test(drawn(0, 50, 3), drawn(1, 90, 3) + 0.3, seed=0)
    assert found.n == 50
    assert found.p == pytest.approx(binomial_upper_tail(round(found.accuracy * 50), 50))


def test_a_difference_in_spread_alone_is_not_linear():
    """What the linear classifier does not see, the nearest neighbours do."""
    real, fake = drawn(0, 300, 4), 3 * drawn(1, 300, 4)
    assert classifier_test(real, fake, seed=0).p > 0.01
    assert nearest_neighbour_test(real, fake, seed=0).p < 1e-6


def test_constant_features_are_told_apart_by_chance_alone():
    x = torch.full((20, 3), 0.7)
    assert classifier_test(x, x, seed=0).accuracy == 0.5


def test_a_feature_that_varies_in_the_held_out_half_alone_decides_nothing():
    """Constant 0.1 but for one sample: where that one is held out, the constant has no scale."""
    real, fake = drawn(0, 40, 3), drawn(1, 40, 3) + 1
    rare = torch.full((40, 1), 0.1, dtype=torch.float64)
    padded = torch.cat([fake, rare], 1)
    rare[0] = 1e3
    for seed in range(6):
        plain = classifier_test(real, fake, seed)
        other = classifier_test(torch.cat([real, rare], 1), padded, seed)
        assert abs(plain.accuracy - other.accuracy) <= 2 / 40


def test_the_classifier_test_is_a_function_of_the_seed():
    real, fake = drawn(0, 60, 3), drawn(1, 80, 3)
    results = [classifier_test(real, fake, seed) for seed in (0, 0, 1, 2, 3)]
    assert results[0] == results[1] and len(set(results)) > 1


def test_too_few_samples_for_halves_are_refused():
    with pytest.raises(DataError, match="real features need at least 4 samples; found 3"):
        classifier_test(torch.zeros(3, 2), torch.zeros(9, 2), seed=0)


def test_an_impossible_penalty_is_refused():
    with pytest.raises(ConfigError, match="penalty must be above 0; found 0"):
        classifier_test(torch.zeros(9, 2), torch.zeros(9, 2), seed=0, penalty=0)
