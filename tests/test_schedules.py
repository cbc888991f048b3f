"""Schedules count samples or shares of the budget, and are what their formula says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reverie.config import from_tree, to_tree
from reverie.schedules import Ramp, Sequence, value_at

TOTAL = 1000


def at(hyper, seen):
    return value_at(hyper, seen, TOTAL)


def test_a_number_stays():
    assert at(0.3, 0) == at(0.3, TOTAL) == 0.3


def test_a_line_is_straight_between_its_points_and_flat_outside():
    """From 2 at 20 % to 6 at 60 %: 2 before, 2 + 4 (40 - 20) / 40 = 4 in the middle, 6 after."""
    ramp = Ramp(start=2.0, end=6.0, begin=0.2, until=0.6)
    assert [at(ramp, seen) for seen in (0, 200, 300, 400, 600, 999)] == pytest.approx(
        [2, 2, 3, 4, 6, 6]
    )


def test_a_cosine_is_half_a_wave():
    """1/2 - cos(pi t)/2: 1/4 of the way at a third, half at half, flat at both ends."""
    ramp = Ramp(kind="cosine", start=0.0, end=1.0)
    assert at(ramp, 500) == pytest.approx(0.5)
    assert value_at(ramp, 1, 3) == pytest.approx(0.25)
    assert at(ramp, 0) == 0.0 and at(ramp, TOTAL) == pytest.approx(1.0)
    assert at(ramp, 1) == pytest.approx((math.pi / TOTAL) ** 2 / 4, rel=1e-4)


def test_samples_are_counted_as_samples():
    """A warm-up of 100 samples is at half after 50, whatever the budget."""
    ramp = Ramp(start=0.0, end=1.0, until=100, unit="samples")
    assert [value_at(ramp, 50, total) for total in (60, 1000, 10**9)] == [0.5] * 3
    assert value_at(ramp, 100, 10**9) == value_at(ramp, 10**6, 10**9) == 1.0


def test_a_share_of_the_budget_scales_with_it():
    ramp = Ramp(start=0.0, end=1.0, until=0.5)
    assert [value_at(ramp, total // 4, total) for total in (100, 10_000)] == [0.5, 0.5]


def test_the_last_ramp_begun_holds():
    """Warm up to 1 over the first 10 %, stay, decay to 0 over the last half."""
    warm = Ramp(start=0.0, end=1.0, until=0.1)
    decay = Ramp(kind="cosine", start=1.0, end=0.0, begin=0.5)
    both = Sequence(parts=(warm, decay))
    assert [at(both, seen) for seen in (0, 50, 100, 499, 500, 750, 1000)] == pytest.approx(
        [0, 0.5, 1, 1, 1, 0.5, 0], abs=1e-12
    )


def test_before_its_first_ramp_a_sequence_has_that_ramps_start():
    assert at(Sequence(parts=(Ramp(start=7.0, end=1.0, begin=0.5),)), 0) == 7.0


@given(
    st.sampled_from(["linear", "cosine"]),
    st.floats(0, 1e3),
    st.floats(0, 1e3),
    st.integers(0, 2 * TOTAL),
)
def test_a_ramp_never_leaves_its_ends(kind, start, end, seen):
    value = at(Ramp(kind=kind, start=start, end=end, begin=0.25, until=0.75), seen)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"begin": 0.5, "until": 0.5}, r"ends \(until=0.5\) after its begin=0.5"),
        ({"begin": 0.5, "until": 0.2}, r"until=0.2"),
        ({"until": 1.5}, r"until=1.5 lies beyond the budget; write at most 1"),
        ({"begin": -0.1}, "greater than or equal to 0"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Ramp(start=0.0, end=1.0, **fields)


def test_an_empty_sequence_is_refused():
    with pytest.raises(ValueError, match="at least 1 item"):
        Sequence(parts=())


def test_schedules_survive_json():
    for hyper in (
        Ramp(kind="cosine", start=1.0, end=0.1),
        Sequence(parts=(Ramp(start=0.0, end=1.0),)),
    ):
        assert from_tree(type(hyper), to_tree(hyper)) == hyper
