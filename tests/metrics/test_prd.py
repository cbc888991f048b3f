"""Precision-recall curves of distributions against known answers. reference/evaluation.md, section 3.7."""

import math

import pytest
import torch

from reverie.errors import ConfigError, DataError
from reverie.metrics.prd import f_score, prd, prd_curve

TWO = torch.tensor([1.0, 1.0])
ONE = torch.tensor([1.0, 0.0])


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- the curve


def test_disjoint_histograms_have_neither_precision_nor_recall():
    precision, recall = prd_curve(ONE, 1 - ONE, 11)
    assert not precision.any() and not recall.any()


def test_identical_histograms_have_both_at_slope_one():
    """Of 11 angles, the sixth is 45 degrees; below it precision is the slope, above it recall 1 / slope."""
    precision, recall = prd_curve(TWO, TWO, 11)
    assert precision[5] == pytest.approx(1.0, abs=1e-12)
    assert recall[5] == pytest.approx(1.0, abs=1e-12)
    slope = (torch.arange(1, 12, dtype=torch.float64) / 12 * math.pi / 2).tan()
    torch.testing.assert_close(precision, slope.clamp_max(1))
    torch.testing.assert_close(recall, (1 / slope).clamp_max(1))


def test_half_of_the_generated_mass_elsewhere_has_its_known_curve():
    """Generated (1/2, 1/2) against real (1, 0): all of the data, and half of the samples."""
    precision, recall = prd_curve(ONE, TWO, 11)
    assert precision[5] == pytest.approx(0.5) and recall[5] == pytest.approx(0.5)
    assert precision[10] == pytest.approx(0.5) and recall[1] == pytest.approx(1.0)


def test_half_of_the_data_missed_is_its_mirror_image():
    precision, recall = prd_curve(TWO, ONE, 11)
    assert precision[10] == pytest.approx(1.0) and recall[1] == pytest.approx(0.5)
    mirrored = prd_curve(ONE, TWO, 11)
    torch.testing.assert_close(precision, mirrored[1].flip(0))
    torch.testing.assert_close(recall, mirrored[0].flip(0))


def test_at_slope_one_both_are_one_less_the_total_variation():
    p, q = torch.tensor([4.0, 3.0, 2.0, 1.0]), torch.tensor([10.0, 30.0, 25.0, 35.0])
    precision, recall = prd_curve(p, q, 101)
    variation = float((p / 10 - q / 100).abs().sum()) / 2
    assert float(precision[50]) == pytest.approx(1 - variation)
    assert float(recall[50]) == pytest.approx(1 - variation)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (TWO, torch.ones(3), r"over the same cells; found shapes \(2,\) and \(3,\)"),
        (torch.zeros(2), TWO, "the real histogram must be of counts .* its sum is 0.0"),
        (TWO, torch.tensor([2.0, -1.0]), "the generated histogram must be of counts"),
        (TWO, torch.tensor([1.0, math.nan]), "the generated histogram must be of counts"),
    ],
)
def test_what_is_no_histogram_is_refused(real, fake, message):
    with pytest.raises(DataError, match=message):
        prd_curve(real, fake)


# ---- the F-score


def test_the_f_scores_of_the_known_curve_have_their_closed_form():
    """At precision 1/2 and recall 1: 65/2 / (64/2 + 1) = 0.98485 and 65/128 / (1/128 + 1) = 0.50388."""
    curve = prd_curve(ONE, TWO, 100_001)
    assert f_score(*curve, 8) == pytest.approx(32.5 / 33, abs=1e-4)
    assert f_score(*curve, 1 / 8) == pytest.approx(65 / 129, abs=1e-4)


def test_the_f_score_of_nothing_is_zero():
    assert f_score(torch.zeros(5), torch.zeros(5), 8) == 0.0


# ---- of features


def modes(kept, seed, n=600, d=8):
    """Samples of some of 10 equal modes far apart."""
    kept = torch.tensor(kept)
    return 20 * torch.eye(10, d + 2)[kept[torch.arange(n) % len(kept)]] + 0.1 * drawn(
        seed, n, d + 2
    )


def test_a_set_has_full_precision_and_recall_of_itself():
    x = drawn(0, 100, 4)
    found = prd(x, x.clone(), seed=0, clusters=5, runs=3)
    assert found.f_8 == pytest.approx(1.0) and found.f_1_8 == pytest.approx(1.0)


def test_far_sets_have_none():
    x = drawn(0, 200, 4)
    found = prd(x, x + 1000, seed=0, runs=2)
    assert found.f_8 == 0.0 and found.f_1_8 == 0.0


def test_missed_modes_cost_recall_and_invented_ones_precision():
    """Half of 10 modes against all, one cluster a mode: the closed forms of a half, and their mirror."""
    some, every = modes([0, 1, 2, 3, 4], 0), modes(list(range(10)), 1)
    missed = prd(every, some, seed=0, clusters=10, runs=3)
    invented = prd(some, every, seed=0, clusters=10, runs=3)
    assert missed.f_1_8 == pytest.approx(32.5 / 33, abs=0.01)
    assert missed.f_8 == pytest.approx(65 / 129, abs=0.01)
    assert invented.f_8 == pytest.approx(32.5 / 33, abs=0.01)
    assert invented.f_1_8 == pytest.approx(65 / 129, abs=0.01)


def test_equal_distributions_come_close_to_one():
    found = prd(drawn(0, 1000, 4), drawn(1, 1000, 4), seed=0, runs=3)
    assert 0.95 < found.f_8 < 1 and 0.95 < found.f_1_8 < 1


def test_sizes_do_not_weigh():
    """Ten times as many generated samples in the same modes: thinned, they score as equally many."""
    real, fake = modes(list(range(10)), 0, n=100), modes(list(range(10)), 1, n=1000)
    assert prd(real, fake, seed=0, clusters=10).f_8 > 0.95
    assert prd(fake, real, seed=0, clusters=10).f_8 > 0.95
    assert prd(real, fake + 1000, seed=0).f_8 == prd(fake + 1000, real, seed=0).f_8 == 0.0


def test_constant_sets_are_equal_or_disjoint():
    zeros = torch.zeros(30, 3)
    assert prd(zeros, zeros, seed=0, runs=1).f_8 == pytest.approx(1.0)
    assert prd(zeros, zeros + 1, seed=0, runs=1).f_8 == 0.0


def test_it_is_a_function_of_the_seed_and_leaves_the_global_generator_alone():
    real, fake = drawn(0, 60, 3), drawn(1, 80, 3)
    state = torch.get_rng_state()
    first, again, other = (prd(real, fake, seed, runs=2) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.precision, again.precision) and torch.equal(
        first.recall, again.recall
    )
    assert not torch.equal(first.precision, other.precision)


def test_too_few_samples_for_the_clusters_are_refused():
    with pytest.raises(DataError, match="generated features need at least 10 samples; found 9"):
        prd(drawn(0, 30, 2), drawn(1, 9, 2), seed=0)


def test_sets_of_different_dimensions_are_refused():
    with pytest.raises(DataError, match="found real 2, generated 3"):
        prd(drawn(0, 30, 2), drawn(1, 30, 3), seed=0)


def test_no_runs_and_no_angles_are_refused():
    with pytest.raises(ConfigError, match="at least 1 run; found 0"):
        prd(TWO[:, None], TWO[:, None], seed=0, runs=0)
    with pytest.raises(ConfigError, match="at least 1 angle; found 0"):
        prd_curve(TWO, TWO, 0)
