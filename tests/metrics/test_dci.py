"""DCI on importance matrices with known values, and its models against scikit-learn's.

reference/evaluation.md, section 3.8.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from reverie.errors import ConfigError, DataError
from reverie.metrics.dci import PENALTY, dci, dci_of

GRID = torch.tensor(list(itertools.product(range(4), range(3), range(5)))).repeat(10, 1)
CODES = GRID.double()
DUPLICATED = 1 - math.log(2) / math.log(10)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def standardised(x):
    return (x - x.mean(0)) / x.std(0, correction=0)


# ---- importance matrices


@pytest.mark.parametrize(
    ("importance", "disentanglement", "completeness"),
    [
        (torch.eye(5), 1, 1),
        (torch.zeros(5, 5), 0, 0),
        (torch.eye(5).repeat(2, 1), 1, DUPLICATED),
        (torch.eye(5).repeat(1, 2), DUPLICATED, 1),
        (torch.eye(5)[:2], 1, 1),
        (torch.eye(5)[:, :2], 1, 1),
        (torch.ones(4, 3), 0, 0),
    ],
    ids=["diagonal", "zeros", "duplicated", "two in one", "missed factors", "dead codes", "even"],
)
def test_importances_have_their_known_values(importance, disentanglement, completeness):
    assert pytest.approx(0.69897, abs=5e-6) == DUPLICATED
    found = dci_of(importance)
    assert found.disentanglement == pytest.approx(disentanglement, abs=1e-12)
    assert found.completeness == pytest.approx(completeness, abs=1e-12)


def test_parts_are_weighted_by_importance():
    """Code 0 has 3 of 4 in one factor; code 1 is even over two of two: 1 and 0, and D = 3/4."""
    found = dci_of(torch.tensor([[3.0, 0.0], [0.5, 0.5]]))
    assert found.codes.tolist() == pytest.approx([1, 0])
    assert found.disentanglement == pytest.approx(3 / 4)
    shares = np.array([3, 0.5]) / 3.5
    first = 1 + (shares * np.log2(shares)).sum()
    assert found.factors.tolist() == pytest.approx([first, 1])
    assert found.completeness == pytest.approx((3.5 * first + 0.5) / 4)


# ---- models


# ---- together


@pytest.mark.parametrize("nominal", [(), (0, 1, 2)])
def test_codes_that_are_the_factors_score_one(nominal):
    """Shrinkage by 0.02 leaves an R^2 of 1 - 0.02^2; classes on a line are named without an error."""
    found = dci(CODES, GRID, seed=0, nominal=nominal)
    assert found.disentanglement == pytest.approx(1, abs=1e-6)
    assert found.completeness == pytest.approx(1, abs=1e-6)
    expected = 1 - PENALTY**2 if not nominal else 1.0
    assert found.informativeness == pytest.approx(expected, abs=2e-4)
    torch.testing.assert_close(found.importance, torch.eye(3).double(), rtol=0, atol=1e-6)


def test_codes_that_come_twice_lose_completeness_alone():
    """D = 6 codes: C = 1 - ln 2 / ln 6."""
    found = dci(torch.cat([CODES, CODES], 1), GRID, seed=0)
    assert found.disentanglement == pytest.approx(1, abs=1e-6)
    assert found.completeness == pytest.approx(1 - math.log(2) / math.log(6), abs=1e-4)


def test_a_rotation_of_two_factors_loses_both():
    """z = (a + b, a - b, c) of standardised factors: the first two are even over two of three."""
    a, b, c = standardised(CODES).T
    found = dci(torch.stack([a + b, a - b, c], 1), GRID, seed=0)
    expected = 1 - 2 / 3 * math.log(2) / math.log(3)
    assert found.disentanglement == pytest.approx(expected, abs=1e-2)
    assert found.completeness == pytest.approx(expected, abs=1e-2)
    assert found.informativeness > 0.99


def test_a_factor_without_order_is_informed_of_as_a_nominal_one_alone():
    """Levels 0..4 at the corners of a regular pentagon: no line orders them, but logits tell them apart."""
    angle = 2 * math.pi * GRID[:, 2] * 2 / 5
    codes = torch.stack([angle.cos(), angle.sin(), *CODES[:, :2].T], 1)
    assert float(dci(codes, GRID, seed=0).predicted[2]) < 0.5
    found = dci(codes, GRID, seed=0, nominal=[2])
    assert float(found.predicted[2]) == 1.0
    assert found.disentanglement == pytest.approx(1, abs=1e-6)


def test_a_nominal_factor_of_many_levels_is_penalised_no_harder():
    """40 angles on a circle of 4000 samples. A 40th of them is of each level, and so is its gradient: the
    whole penalty would hold most weights at 0.
    """
    factors = torch.stack([torch.arange(4000) % 40, torch.arange(4000) // 40 % 2], 1)
    angle = 2 * math.pi * factors[:, 0] / 40
    codes = torch.stack([angle.cos(), angle.sin(), factors[:, 1].double()], 1)
    assert float(dci(codes, factors, seed=0, nominal=[0]).predicted[0]) > 0.5


def test_random_codes_inform_about_nothing():
    """Held out, noise predicts no better than a constant."""
    found = dci(drawn(0, 2000, 4), GRID.repeat(4, 1)[:2000], seed=0, nominal=[1])
    assert abs(found.informativeness) < 0.05


def test_a_factor_that_nothing_predicts_has_no_say():
    """Two factors coded by two codes, and a third by noise: its weights, of nothing, would count too."""
    factors = torch.cat([GRID[:, :2], drawn(1, len(GRID), 1).sign().long()], 1)
    codes = torch.cat([CODES[:, :2], drawn(0, len(GRID), 4)], 1)
    found = dci(codes, factors, seed=0)
    assert float(found.predicted[2]) < 0.05
    assert found.disentanglement > 0.95 and found.completeness > 0.95


def test_dead_codes_have_no_importance():
    found = dci(torch.nn.functional.pad(CODES, (0, 1), value=0.1), GRID, seed=0)
    assert not found.importance[3].any() and found.disentanglement == pytest.approx(1, abs=1e-6)
    nothing = dci(torch.zeros(600, 3), GRID, seed=0)
    assert (nothing.disentanglement, nothing.completeness) == (0, 0)
    assert nothing.informativeness == pytest.approx(0, abs=0.05)


def test_codes_units_do_not_matter():
    codes = CODES + 0.5 * drawn(0, 600, 3)
    one, other = (dci(codes * s, GRID, seed=0) for s in (1, torch.tensor([1e3, 1e-3, -5.0])))
    torch.testing.assert_close(one.importance, other.importance, rtol=1e-6, atol=1e-9)


def test_the_seed_chooses_what_is_held_out():
    codes = CODES + drawn(0, 600, 3)
    first, again, other = (dci(codes, GRID, seed).informativeness for seed in (0, 0, 1))
    assert first == again != other


# ---- refusals


def test_what_dci_cannot_be_made_of_is_refused():
    with pytest.raises(DataError, match="codes features hold NaN"):
        dci(CODES * torch.nan, GRID, seed=0)
    with pytest.raises(DataError, match="one value only in column 0"):
        dci(CODES, GRID * torch.tensor([0, 1, 1]), seed=0)
    with pytest.raises(DataError, match=r"at least 2 codes and 2 factors; found shape \(1, 3\)"):
        dci(CODES[:, :1], GRID, seed=0)
    with pytest.raises(DataError, match=r"at least 2 codes and 2 factors; found shape \(3, 1\)"):
        dci(CODES, GRID[:, :1], seed=0)
    rare = GRID.clone()
    rare[:, 0] = 0
    rare[0, 0] = 1
    with pytest.raises(DataError, match=r"factor 0 has one value among the \d+ samples"):
        dci(CODES, rare, seed=0)
    for bad in (-1.0, math.nan):
        with pytest.raises(DataError, match="importances must be finite and not negative"):
            dci_of(torch.tensor([[1.0, 0.0], [bad, 1.0]]))
    with pytest.raises(ConfigError, match=r"columns 0 to 2; found \[3\]"):
        dci(CODES, GRID, seed=0, nominal=[3])
    with pytest.raises(ConfigError, match="the L1 penalty must be above 0; found 0"):
        dci(CODES, GRID, seed=0, penalty=0.0)
