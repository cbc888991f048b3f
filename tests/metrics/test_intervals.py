"""Intervals and tests against scipy, and against what can be worked out by hand."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from reverie.errors import ConfigError, DataError
from reverie.metrics.intervals import (
    binomial_upper_tail,
    from_errors,
    holm,
    mann_whitney_z,
    normal_cdf,
    paired_difference,
    student_t_quantile,
    student_t_tails,
    welch,
    wilson,
)

DEGREES = [0.5, 1, 2, 3, 4.5, 10, 29, 199, 200, 201, 1000, 1e5, 1e7, math.inf]


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- distributions


@pytest.mark.parametrize("z", [-30.0, -5.0, -1.96, 0.0, 0.3, 4.0])
def test_the_normal_distribution_is_scipys(z):
    assert normal_cdf(z) == pytest.approx(scipy.stats.norm.cdf(z), rel=1e-12)


@pytest.mark.parametrize("df", DEGREES)
def test_students_distribution_is_scipys(df):
    for t in (-40.0, -3.0, -1e-3, 0.0, 1e-6, 0.3, 1.0, 2.5, 12.0, 100.0):
        tails = 2 * scipy.stats.t.sf(abs(t), df)
        assert student_t_tails(t, df) == pytest.approx(tails, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("df", DEGREES)
def test_students_quantiles_are_scipys(df):
    for p in (1e-12, 1e-4, 0.025, 0.3, 0.5, 0.6, 0.975, 0.9999):
        expected = scipy.stats.t.ppf(p, df)
        assert student_t_quantile(p, df) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_students_distribution_of_one_degree_is_cauchys():
    """P(T <= t) = 1/2 + arctan(t) / pi, so that the quantile is tan(pi (p - 1/2))."""
    assert student_t_tails(1.0, 1) == pytest.approx(0.5, abs=1e-15)
    assert student_t_quantile(0.9, 1) == pytest.approx(math.tan(0.4 * math.pi), rel=1e-13)


def test_students_tails_end_at_infinity():
    assert student_t_tails(math.inf, 3) == 0.0 and student_t_tails(1e200, 3) == 0.0


@pytest.mark.parametrize(
    ("successes", "n", "p"), [(0, 1, 0.5), (60, 100, 0.5), (7, 7, 0.2), (5200, 10_000, 0.5)]
)
def test_the_binomial_tail_is_scipys(successes, n, p):
    expected = scipy.stats.binomtest(successes, n, p, alternative="greater").pvalue
    assert binomial_upper_tail(successes, n, p) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: student_t_tails(1.0, 0), "degrees of freedom above 0; found 0"),
        (lambda: student_t_quantile(1.0, 3), "probability between 0 and 1; found 1.0"),
        (lambda: binomial_upper_tail(1, 2, 1.0), "probability between 0 and 1; found 1.0"),
        (lambda: wilson(1, 2, level=95), "a level lies between 0 and 1, e.g. 0.95; found 95"),
    ],
)
def test_impossible_arguments_are_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


# ---- shares


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (1, 3), (50, 100), (2472, 2500)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilsons_interval_is_scipys(successes, n, level):
    expected = scipy.stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    found = wilson(successes, n, level)
    assert found.value == successes / n
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_a_share_of_nothing_is_refused(successes, n):
    with pytest.raises(DataError, match=f"n >= 1 draws; found {successes} of {n}"):
        wilson(successes, n)


# ---- means and differences


def test_a_paired_difference_is_scipys():
    a, b = drawn(0, 12), drawn(1, 12) + 0.4
    expected = scipy.stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    found = paired_difference(a, b)
    assert found.value == pytest.approx(float((a - b).mean()))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.5, 0.1])
def test_differences_that_are_all_equal_but_for_rounding_are_nothing_to_judge_by(shift):
    a = torch.tensor([0.3, 0.4, 0.9], dtype=torch.float64)
    found = paired_difference(a + shift, a)
    assert found.p is None
    assert (found.value, found.low, found.high) == pytest.approx((shift,) * 3)


def test_welchs_difference_is_scipys():
    a, b = drawn(0, 12), 3 * drawn(1, 5) + 0.4
    expected = scipy.stats.ttest_ind(a, b, equal_var=False)
    found = welch(a, b)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_two_sides_that_do_not_spread_are_nothing_to_judge_by():
    assert welch(torch.full((2,), 8.0), torch.full((2,), 7.0)).p is None
    assert welch(torch.full((3,), 0.1), torch.full((3,), 0.3)).p is None
    assert welch(torch.tensor([8.0, 8.0]), torch.tensor([7.0, 6.0])).p is not None


def test_errors_of_few_degrees_are_students_and_known_ones_are_normal():
    """Of 0.3 by 3 degrees and 0.4 by 9: 0.25^2 / (0.09^2 / 3 + 0.16^2 / 9) = 11.27 degrees for 0.5."""
    df = 0.25**2 / (0.09**2 / 3 + 0.16**2 / 9)
    found = from_errors(1.0, [(0.3, 3), (0.4, 9)])
    assert found.p == pytest.approx(2 * scipy.stats.t.sf(1 / 0.5, df))
    assert found.high - 1 == pytest.approx(0.5 * scipy.stats.t.ppf(0.975, df))
    known = from_errors(1.0, [(0.3, math.inf), (0.4, math.inf)])
    assert known.p == pytest.approx(2 * scipy.stats.norm.sf(2))
    assert known.low == pytest.approx(1 - 0.5 * scipy.stats.norm.ppf(0.975))
    assert from_errors(1.0, [(0.0, 3), (0.0, 3)]).p is None


def test_pairs_that_rest_on_fewer_values_have_fewer_degrees():
    a, b = torch.tensor([1.0, 2.0, 4.0, 7.0]), torch.tensor([0.0, 1.5, 3.0, 4.0])
    found, few = paired_difference(a, b), paired_difference(a, b, df=2)
    t = found.value / (float((a - b).double().std()) / 2)
    assert found.p == pytest.approx(2 * scipy.stats.t.sf(t, 3))
    assert few.p == pytest.approx(2 * scipy.stats.t.sf(t, 2)) and few.value == found.value


def test_pairs_of_different_lengths_are_refused():
    with pytest.raises(DataError, match=r"sides of one length; found \(3,\), \(4,\)"):
        paired_difference(torch.ones(3), torch.ones(4))


def test_one_pair_is_refused():
    with pytest.raises(DataError, match="at least 2 finite pairs"):
        paired_difference(torch.ones(1), torch.ones(1))


# ---- several tests, and ranks


def test_holms_adjustment_by_hand():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 raised to 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holms_adjustment_keeps_one_p_value_and_stops_at_one():
    assert holm([0.2]) == [0.2] and holm([0.6, 0.9]) == [1.0, 1.0] and holm([]) == []


@pytest.mark.parametrize("bad", [-0.1, 1.5, math.nan])
def test_what_is_no_p_value_is_refused(bad):
    with pytest.raises(DataError, match="between 0 and 1; found"):
        holm([0.5, bad])


@pytest.mark.parametrize("ties", [False, True])
def test_mann_whitneys_z_is_that_of_scipys_u(ties):
    a, b = drawn(0, 40), drawn(1, 55) + 0.3
    if ties:
        a, b = (2 * a).round(), (2 * b).round()
    z = mann_whitney_z(a, b)
    expected = scipy.stats.mannwhitneyu(a, b, use_continuity=False, method="asymptotic")
    spread = math.sqrt(40 * 55 * (40 + 55 + 1) / 12)
    assert z < 0 and z == pytest.approx((expected.statistic - 40 * 55 / 2) / spread, rel=1e-12)
    # What ties take from the deviation is left out: the p-value is then too large.
    p = 2 * normal_cdf(z)
    assert p == pytest.approx(expected.pvalue, rel=1e-9) if not ties else p > expected.pvalue


def test_mann_whitneys_z_of_exact_copies_has_its_known_minimum():
    """All of 300 below all of 300: -(mn/2) / sqrt(mn (m + n + 1) / 12) = -21.1955, also if they tie."""
    held_out = drawn(0, 300).abs() + 1
    for copies in (torch.zeros(300), held_out - 100):
        assert mann_whitney_z(copies, held_out) == pytest.approx(-21.1955, abs=5e-5)
        assert mann_whitney_z(held_out, copies) == pytest.approx(21.1955, abs=5e-5)


def test_mann_whitneys_z_is_a_standard_normal_under_equality():
    z = np.array([mann_whitney_z(drawn(2 * k, 30), drawn(2 * k + 1, 40)) for k in range(600)])
    assert abs(z.mean()) < 4 / math.sqrt(600)
    assert abs(z.std() - 1) < 4 / math.sqrt(2 * 600)


def test_equal_values_are_neither_smaller_nor_greater():
    assert mann_whitney_z(torch.ones(4), torch.ones(6)) == 0.0


def test_ranks_of_nothing_and_of_nan_are_refused():
    with pytest.raises(DataError, match=r"found b of shape \(0,\) with 0 NaN"):
        mann_whitney_z(torch.ones(4), torch.ones(0))
    with pytest.raises(DataError, match=r"found a of shape \(2,\) with 1 NaN"):
        mann_whitney_z(torch.tensor([1.0, math.nan]), torch.ones(3))
