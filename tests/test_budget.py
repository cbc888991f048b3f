"""Budgets as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reverie.budget import Amount, parse
from reverie.errors import ConfigError
from reverie.settings import TrainConfig


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("10 epochs", 10, "epochs"),
        ("1 epoch", 1, "epochs"),
        ("3ep", 3, "epochs"),
        ("0.5 epochs", 0.5, "epochs"),
        (".5 epochs", 0.5, "epochs"),
        ("5000 steps", 5000, "steps"),
        ("1 step", 1, "steps"),
        ("5k steps", 5000, "steps"),
        ("1e3 steps", 1000, "steps"),
        ("2M samples", 2_000_000, "samples"),
        ("2.5M samples", 2_500_000, "samples"),
        ("1 sample", 1, "samples"),
        ("64 images", 64, "samples"),
        ("90s", 90, "seconds"),
        ("90 sec", 90, "seconds"),
        ("1 second", 1, "seconds"),
        ("90 seconds", 90, "seconds"),
        ("2m", 120, "seconds"),
        ("2 min", 120, "seconds"),
        ("1 minute", 60, "seconds"),
        ("1.5 minutes", 90, "seconds"),
        ("1h", 3600, "seconds"),
        ("1 hour", 3600, "seconds"),
        ("2 hours", 7200, "seconds"),
        ("  10   epochs  ", 10, "epochs"),
    ],
)
def test_every_spelling_is_read(text, value, unit):
    assert parse(text) == Amount(value, unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "epochs",
        "ten epochs",
        "-1 steps",
        "2M",
        "2 M",
        "1 parsec",
        "1 h 30 m",
        "nan steps",
        "1_000 steps",
    ],
)
def test_what_is_no_budget_is_refused_with_examples(text):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value) == (
        f"train.budget is {text!r}; write a number and a unit: 10 epochs, 5000 steps, 2M samples, "
        "90s, 2m or 1h"
    )


@pytest.mark.parametrize("text", ["0 steps", "0.0 epochs", "0s", "1e999 steps"])
def test_nothing_and_for_ever_are_refused(text):
    with pytest.raises(ConfigError, match="must be above zero and below"):
        parse(text)


def test_settings_refuse_a_wrong_budget_at_once():
    with pytest.raises(ValueError, match="write a number and a unit"):
        TrainConfig(budget="soon")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("1 epochs", 16),  # 1000 samples by 64: 15.6
        ("2 epochs", 32),  # 31.25: the second pass goes on where the first ended
        ("0.5 epochs", 8),
        ("640 samples", 10),
        ("641 samples", 11),
        ("1 samples", 1),
        ("7 steps", 7),
        ("0.001 steps", 1),
    ],
)
def test_an_amount_is_its_steps_with_a_remainder_counted(text, steps):
    assert parse(text).steps(1000, 64) == steps


@given(st.integers(1, 10**6), st.integers(1, 4096))
def test_steps_are_themselves_at_every_batch_size(steps, per_step):
    """No rounding of floats may add a step."""
    assert Amount(steps, "steps").steps(1000, per_step) == steps


def test_a_product_that_rounds_up_adds_no_step():
    """0.07 * 100 is 7.000000000000001 in floating point."""
    assert 0.07 * 100 > 7
    assert parse("0.07 epochs").steps(100, 1) == 7


def test_a_wall_time_is_no_number_of_steps():
    with pytest.raises(AssertionError, match="by measuring"):
        parse("2m").steps(1000, 64)
