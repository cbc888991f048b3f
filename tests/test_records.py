"""A record holds what is finite, and says why where there is nothing."""

import json
import math

import pytest
import torch

from reverie.records import Record, mean_record, record_from


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_a_dash_with_a_reason(value):
    record = Record(metric="x", value=value, uncertainty=1.0, interval=(0.0, 1.0), df=3)
    assert (record.value, record.uncertainty, record.interval, record.df) == (None,) * 4
    assert str(record) == f"x: - (it is not finite: found {value})"
    assert "NaN" not in json.dumps(record.to_dict())


@pytest.mark.parametrize("fields", [{"uncertainty": math.nan}, {"interval": (0.0, math.inf)}])
def test_an_uncertainty_that_is_not_finite_is_none(fields):
    record = Record(metric="x", value=1.0, method="made so", **fields)
    assert record.value == 1.0
    assert (record.uncertainty, record.interval, record.method) == (None, None, "")


def test_a_reference_that_is_not_finite_is_left_out():
    record = Record(metric="x", value=1.0, reference={"floor": 0.5, "baseline": math.inf})
    assert record.reference == {"floor": 0.5}


def test_the_mean_of_what_holds_nan_is_a_dash_without_values():
    record = mean_record("x", torch.tensor([1.0, math.nan]), "", "lower")
    assert (record.value, record.values) == (None, None)


def test_a_mean_of_few_samples_knows_its_degrees_of_freedom():
    """1, 2 and 6: a deviation of sqrt 7, by two degrees."""
    record = mean_record("x", torch.tensor([1.0, 2.0, 6.0]), "", "lower")
    assert record.uncertainty == pytest.approx(math.sqrt(7 / 3)) and record.df == 2
    assert (
        record_from(record.to_dict()).df == 2
        and record_from({"metric": "x", "value": 1}).df is None
    )


@pytest.mark.parametrize(
    ("error", "shown"),
    [(13.4, "13"), (99.6, "100"), (5921.0, "5921"), (0.0123, "0.012"), (2.6e-5, "2.6e-05")],
)
def test_a_standard_error_is_written_without_an_exponent_where_that_is_readable(error, shown):
    assert str(Record(metric="x", value=9999.7, uncertainty=error)) == f"x 10000 +- {shown}"
