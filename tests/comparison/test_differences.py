"""How often alike rows are called different, and what there is to judge by."""

import math

import pytest
import torch
from scipy import stats

from reverie.comparison.differences import compare_rows, corrected, difference
from reverie.comparison.rows import Row
from reverie.records import Record
from reverie.runs import RunFolder


@pytest.fixture
def row(tmp_path):
    """Makes a row of one metric, of a value or of one a seed."""

    def make(name, *values, seeds=None, **fields):
        fields = {"metric": "x", "direction": "lower", "uncertainty": 1.0, **fields}
        records = [
            {**Record(value=value, **fields).to_dict(), "data": "d", "seed": seed}
            for seed, value in zip(seeds or range(len(values)), values, strict=True)
        ]
        return Row(name, tuple(RunFolder(tmp_path) for _ in values), {"x": records})

    return make


@pytest.mark.parametrize(("count", "before"), [(5, 0.093), (12, 0.17)])
def test_the_worst_of_alike_rows_is_called_worse_in_one_table_of_twenty(count, before, row):
    """1,000 tables err in 5 % with a deviation of 0.7 %; the leader's own pairs alone would in `before`."""
    draws = torch.randn(1000, count, generator=torch.Generator().manual_seed(0)).tolist()
    wrong = 0
    for values in draws:
        rows = [row(str(i), value) for i, value in enumerate(values)]
        wrong += any(found.verdict == "better" for found in corrected(compare_rows(rows, "x")))
    assert wrong / 1000 < 0.05 + 3 * 0.007 < before


def test_all_pairs_are_tested_the_leaders_first(row):
    found = compare_rows([row("a", 3.0), row("b", 1.0), row("c", 2.0)], "x")
    assert [(each.leader, each.other) for each in found] == [("b", "c"), ("b", "a"), ("c", "a")]


def test_of_three_rows_the_smallest_p_value_counts_three_times(row):
    """0, 1 and 9 with errors of 1: p of 9 / sqrt 2, of 8 / sqrt 2 and of 1 / sqrt 2."""
    found = corrected(compare_rows([row(str(v), v) for v in (0.0, 1.0, 9.0)], "x"))
    alone = [2 * stats.norm.sf(d / math.sqrt(2)) for d in (1, 9, 8)]
    expected = [alone[0], 3 * alone[1], 2 * alone[2]]
    assert [each.p for each in found] == pytest.approx(expected, rel=1e-9)


def test_several_seeds_against_a_single_run_are_not_distinguishable(row):
    """The run's own error says nothing of what another seed of it would have."""
    found = difference(row("a", 1.0, 1.1, 0.9), row("b", 99.0, uncertainty=0.01), "x")
    assert (found.p, found.low, found.high) == (None, None, None)
    assert found.verdict.startswith("not distinguishable: one seed")


@pytest.mark.parametrize("seeds", [(0, 1), (5, 6)])
def test_seeds_that_do_not_spread_are_no_certainty(seeds, row):
    found = difference(row("a", 8.0, 8.0), row("b", 7.0, 7.0, seeds=seeds), "x")
    assert found.p is None
    assert found.verdict == "not distinguishable: no spread over seeds to judge by"


def test_an_error_of_few_degrees_is_students(row):
    """Two errors of 1 with 3 degrees each: sqrt 2 with 6 degrees; 2.9 of it is p 0.028, not 0.004."""
    a, b = (row(name, value, df=3) for name, value in (("a", 0.0), ("b", 2.9 * math.sqrt(2))))
    found = difference(a, b, "x")
    assert found.p == pytest.approx(2 * stats.t.sf(2.9, 6))
    assert found.high == pytest.approx((stats.t.ppf(0.975, 6) - 2.9) * math.sqrt(2))


def test_errors_of_zero_are_no_certainty(row):
    found = difference(row("a", 0.0, uncertainty=0.0), row("b", 0.1, uncertainty=0.0), "x")
    assert found.p is None and "no spread" in found.verdict


def test_shares_are_compared_by_their_wilson_intervals(row):
    """56 of 70 against 48 of 80: 0.0524 to 0.3339 (Newcombe 1998)."""
    rows = []
    for name, value, n in (("a", 56 / 70, 70), ("b", 48 / 80, 80)):
        ends = stats.binomtest(round(value * n), n).proportion_ci(method="wilson")
        made = row(name, value, direction="higher", uncertainty=None, n=n)
        made.records["x"][0] |= {"interval": tuple(ends), "method": "95 % Wilson interval"}
        rows.append(made)
    found = difference(*rows, "x")
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert 0.001 < found.p < 0.05 and "Wilson" in found.method
