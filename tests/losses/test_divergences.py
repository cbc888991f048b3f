"""Divergences against torch.distributions, scipy and Monte Carlo."""

import math

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from reverie.losses.divergences import (
    kl_to_standard_normal,
    log_mean_exp,
    mmd,
    normal_log_prob,
)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(mean, log_var):
    return Normal(mean, (0.5 * log_var).exp())


def test_the_kl_to_the_prior_equals_the_closed_form():
    mean, log_var = 2 * drawn(0, 7, 3), 2 * drawn(1, 7, 3)
    expected = kl_divergence(normal(mean, log_var), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(mean, log_var), expected)


def test_the_kl_to_the_prior_vanishes_at_the_prior_alone():
    zero = torch.zeros(1, 2, dtype=torch.float64)
    assert torch.equal(kl_to_standard_normal(zero, zero), zero)
    assert (kl_to_standard_normal(zero + 0.1, zero) > 0).all()
    assert (kl_to_standard_normal(zero, zero - 0.1) > 0).all()


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, 0.0), (1.2, -1.0), (-0.5, 0.8)])
def test_the_kl_to_the_prior_agrees_with_monte_carlo(mean, log_var):
    """E_q[log q - log p] over 100,000 draws, within four standard errors."""
    q, count = normal(torch.tensor(mean), torch.tensor(log_var)), 100_000
    z = mean + math.exp(0.5 * log_var) * drawn(0, count)
    draws = q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)
    error = 4 * float(draws.std()) / math.sqrt(count) + 1e-6
    expected = kl_to_standard_normal(torch.tensor(mean), torch.tensor(log_var))
    assert abs(float(draws.mean()) - float(expected)) < error


def test_the_normal_log_density_has_its_constants():
    x, mean, log_var = (drawn(seed, 5, 3) for seed in range(3))
    torch.testing.assert_close(
        normal_log_prob(x, mean, log_var), normal(mean, log_var).log_prob(x)
    )


def test_log_mean_exp_equals_scipys():
    x = 5 * drawn(0, 6, 4)
    expected = scipy.special.logsumexp(x.numpy(), axis=0) - np.log(6)
    torch.testing.assert_close(log_mean_exp(x), torch.from_numpy(expected))


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8), st.floats(-1e6, 1e6))
def test_log_mean_exp_moves_with_a_shift_of_any_size(values, shift):
    """log mean exp(x + c) = c + log mean exp x: exp(1e6) must not overflow, exp(-1e6) not vanish."""
    x = torch.tensor(values, dtype=torch.float64)[:, None]
    assert float(log_mean_exp(x + shift)) == pytest.approx(
        shift + float(log_mean_exp(x)), abs=1e-6
    )


def test_log_mean_exp_of_equal_numbers_is_that_number():
    assert float(log_mean_exp(torch.full((9, 1), -700.0))) == pytest.approx(-700.0)


def test_log_mean_exp_ignores_a_draw_that_weighs_nothing():
    """A weight of exactly zero is a log of -inf: log((e^0 + 0) / 2) = -ln 2, not NaN."""
    assert float(log_mean_exp(torch.tensor([[0.0], [-math.inf]]))) == pytest.approx(-math.log(2))


# ---- maximum mean discrepancy: sum over c of E k(x,x') + E k(y,y') - 2 E k(x,y), k = c / (c + d^2)

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@pytest.mark.parametrize(("distance", "scale"), [(0.5, 1.0), (1.0, 4.0), (3.0, 2.0)])
def test_mmd_of_two_points_has_its_closed_form(distance, scale):
    """k(x,x) = 1, so MMD^2 = sum_c 2 - 2 c / (c + d^2) = sum_c 2 d^2 / (c + d^2)."""
    x, y = torch.zeros(1, 2), torch.tensor([[0.6 * distance, 0.8 * distance]])
    expected = sum(2 * distance**2 / (scale * c + distance**2) for c in SCALES)
    assert float(mmd(x, y, scale)) == pytest.approx(expected, rel=1e-5)


def test_mmd_of_equal_sets_is_zero():
    x = drawn(0, 6, 3)
    assert abs(float(mmd(x, x, 2.0))) < 1e-12
    assert abs(float(mmd(x, x.flip(0), 2.0))) < 1e-6


def test_mmd_is_symmetric_and_unmoved_by_duplicates():
    x, y = drawn(0, 6, 3), drawn(1, 6, 3) + 1
    value = float(mmd(x, y, 2.0))
    assert value > 0
    assert float(mmd(y, x, 2.0)) == pytest.approx(value, rel=1e-5)
    assert float(mmd(torch.cat([x, x]), torch.cat([y, y]), 2.0)) == pytest.approx(value, rel=1e-5)


def test_mmd_grows_with_the_distance():
    x, y = drawn(0, 20, 2), drawn(1, 20, 2)
    values = [float(mmd(x, y + shift, 2.0)) for shift in (0.0, 1.0, 2.0, 4.0, 100.0)]
    assert values == sorted(values)


def test_mmd_has_a_finite_slope_where_points_meet():
    x = torch.zeros(3, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(mmd(x, torch.zeros(3, 2), 2.0), x)
    assert torch.equal(slope, torch.zeros(3, 2))
