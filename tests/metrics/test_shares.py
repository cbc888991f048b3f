"""Differences of shares against the published example, against scipy, and by how often they err."""

import math

import pytest
import scipy.stats
import torch

from reverie.errors import DataError
from reverie.metrics.intervals import Interval, wilson
from reverie.metrics.shares import newcombe


def test_newcombes_own_example():
    """Newcombe (1998), table II, method 10: 56 of 70 less 48 of 80 has 0.0524 to 0.3339."""
    found = newcombe(wilson(56, 70), wilson(48, 80))
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(
    ("a", "b"), [((9, 10), (3, 10)), ((0, 40), (9, 50)), ((990, 1000), (99, 99))]
)
def test_the_p_value_is_that_of_the_level_at_which_the_interval_ends_at_0(a, b):
    """With scipy's Wilson intervals at that level, the nearer end is 0."""
    found = newcombe(wilson(*a), wilson(*b))
    (a_low, a_high), (b_low, b_high) = (
        scipy.stats.binomtest(*x).proportion_ci(1 - found.p, method="wilson") for x in (a, b)
    )
    p, q = a[0] / a[1], b[0] / b[1]
    low = p - q - math.hypot(p - a_low, b_high - q)
    high = p - q + math.hypot(a_high - p, q - b_low)
    assert (low if p > q else high) == pytest.approx(0, abs=1e-9)
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_equal_shares_do_not_differ_and_all_against_none_does():
    assert newcombe(wilson(3, 9), wilson(30, 90)).p == pytest.approx(1)
    assert newcombe(wilson(10_000, 10_000), wilson(0, 10_000)).p < 1e-300


def test_alike_shares_are_called_different_in_one_of_twenty():
    """4,000 pairs of 200 draws each: 5 % with a deviation of 0.34 %."""
    for share in (0.5, 0.9):
        generator = torch.Generator().manual_seed(0)
        drawn = torch.rand(2, 4000, 200, generator=generator).lt(share).sum(2).T.tolist()
        wrong = sum(newcombe(wilson(a, 200), wilson(b, 200)).p < 0.05 for a, b in drawn)
        assert abs(wrong / 4000 - 0.05) < 0.015


@pytest.mark.parametrize("ends", [(0.3, 0.4), (-0.1, 0.6), (0.5, 0.5), (math.nan, 0.6)])
def test_what_is_no_interval_of_a_share_is_refused(ends):
    with pytest.raises(DataError, match=r"lies around it and between 0 and 1; found 0\.5"):
        newcombe(Interval(0.5, *ends), wilson(1, 2))
