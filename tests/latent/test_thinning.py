"""A bound from the weights of few draws: the guess, the choice, the sum and its error."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from sklearn.linear_model import Ridge

from reverie.latent import thinning
from reverie.latent.bounds import importance_bound
from reverie.latent.thinning import guessed, inclusion, lost, systematic, thinned_bound
from reverie.tensors import noise_of


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def peaked(codes, seed=0):
    """A quadratic of the codes and a residual of 0.3 nats that no guess knows, `(B, K)`."""
    z = codes.shape[-1]
    curve, slope = 0.2 * drawn(seed, z, z), drawn(seed + 1, z)
    known = (codes @ curve * codes).sum(-1) + codes @ slope - codes.square().sum(-1)
    return known + 0.3 * drawn(seed + 2, *codes.shape[:2])


class Starts:
    """Noise whose uniform draws are a grid: the middles of as many equal parts of [0, 1) as rows."""

    def uniform(self, count, width):
        assert width == 1
        return ((torch.arange(count) + 0.5) / count)[:, None].double()


# ---- the guess


def test_the_guess_is_ridge_regression_on_all_products_of_two():
    """The kernel's features: u_i, u_i u_j of ordered pairs, and a constant of 1/4 and `LEVEL`."""
    pilot, others = drawn(0, 3, 20, 4), drawn(1, 3, 50, 4)
    log_weights = peaked(pilot, seed=2)
    found = guessed(pilot, log_weights, others)

    def features(u):
        constant = np.full((len(u), 1), math.sqrt(0.25 + thinning.LEVEL))
        return np.concatenate([u, (u[:, :, None] * u[:, None]).reshape(len(u), -1), constant], 1)

    for row in range(3):
        model = Ridge(alpha=thinning.RIDGE, fit_intercept=False).fit(
            features(pilot[row].numpy()), log_weights[row] - log_weights[row].mean()
        )
        expected = torch.from_numpy(model.predict(features(others[row].numpy())))
        difference = found[row] - expected
        assert float(difference.max() - difference.min()) < 1e-10


def test_a_quadratic_is_guessed_but_for_a_constant(monkeypatch):
    """15 coefficients from 40 weights, without a penalty."""
    monkeypatch.setattr(thinning, "RIDGE", 1e-6)
    codes = drawn(0, 2, 90, 4)
    curve = drawn(1, 4, 4)
    log_weights = (codes @ curve * codes).sum(2) + codes @ drawn(2, 4) - 700
    found = guessed(codes[:, :40], log_weights[:, :40], codes[:, 40:])
    difference = found - log_weights[:, 40:]
    torch.testing.assert_close(difference, difference[:, :1].expand(-1, 50), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("known", "latent"), [(267, 20), (667, 200), (3_000, 2)])
def test_single_precision_guesses_as_double_does(known, latent):
    """Of 3,000 draws of two latents, all but 7 directions of the kernel are the ridge's alone."""
    codes = drawn(0, 2, known + 50, latent)
    log_weights = peaked(codes)[:, :known] - 700
    found = guessed(codes[:, :known].float(), log_weights, codes[:, known:].float())
    expected = guessed(codes[:, :known], log_weights, codes[:, known:])
    assert found.dtype == torch.float32 and float(log_weights.std()) > 1
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("wrong", [math.nan, -math.inf])
def test_weights_that_are_not_finite_leave_no_guess(wrong):
    pilot, log_weights = drawn(0, 2, 10, 3), drawn(1, 2, 10)
    log_weights[0, 3] = wrong
    found = guessed(pilot, log_weights, drawn(2, 2, 30, 3))
    assert found[0].eq(0).all() and found[1].isfinite().all() and found[1].std() > 0


# ---- the choice


def test_probabilities_are_those_solved_by_hand():
    """Sizes 8, 4, 2, 1, 1 and three places: 8 and 4 are certain, and the last place is for 2, 1, 1."""
    found = inclusion(torch.tensor([[2.0, 8.0, 1.0, 4.0, 1.0]]).double(), 3)
    torch.testing.assert_close(found, torch.tensor([[0.5, 1, 0.25, 1, 0.25]]).double())


@pytest.mark.parametrize("count", [1, 2, 30, 199])
def test_probabilities_solve_their_equation(count):
    """sum min(1, q / c) = n, with c by bisection."""
    sizes = (3 * drawn(0, 8, 200)).exp()
    found = inclusion(sizes, count)
    torch.testing.assert_close(found.sum(1), torch.full((8,), float(count)).double())
    for row, q in zip(found, sizes.numpy(), strict=True):
        c = brentq(
            lambda c, q=q: np.minimum(1, q / c).sum() - count, 1e-9, 2 * q.sum(), xtol=1e-12
        )
        torch.testing.assert_close(row, torch.from_numpy(np.minimum(1, q / c)), rtol=1e-6, atol=0)


def test_each_is_chosen_with_its_probability_and_none_twice():
    """Over 20,000 starts on a grid: a share is exact to a step or two of it."""
    probabilities = inclusion((2 * drawn(0, 1, 40)).exp(), 7).expand(20_000, 40)
    chosen = systematic(probabilities, 7, Starts().uniform(20_000, 1))
    share = torch.zeros_like(probabilities).scatter_(1, chosen, 1)
    assert share.sum(1).eq(7).all()
    torch.testing.assert_close(share.mean(0), probabilities[0], rtol=0, atol=2 / 20_000)


def test_equal_sizes_are_chosen_evenly():
    probabilities = inclusion(torch.ones(1, 12).double(), 4)
    assert systematic(probabilities, 4, torch.tensor([[0.5]])).tolist() == [[1, 4, 7, 10]]


def test_what_has_no_size_is_never_chosen():
    """At both ends of [0, 1), where rounding could step on a neighbour."""
    sizes = (
        (2 * drawn(0, 50, 40)).exp().scatter(1, torch.tensor([[0, 17, 38, 39]]).expand(50, 4), 0)
    )
    probabilities = inclusion(sizes, 7)
    for start in (0.0, 1 - 2**-24):
        chosen = systematic(probabilities, 7, torch.full((50, 1), start))
        assert (probabilities.gather(1, chosen) > 0).all()


# ---- the bound


@pytest.mark.parametrize("guess", ["good", "none", "wrong"])
def test_the_mean_weight_is_unbiased_whatever_the_guess_is_worth(guess, monkeypatch):
    """The mean over 4,000 starts on a grid is the mean of all 60 weights."""
    codes = drawn(0, 1, 60, 2)
    table = peaked(codes)
    if guess == "wrong":
        right = thinning.guessed
        monkeypatch.setattr(thinning, "guessed", lambda *given: -right(*given))
    if guess == "none":
        monkeypatch.setattr(thinning, "guessed", lambda *given: torch.zeros_like(given[2][..., 0]))
    rows = table.expand(4_000, 60)
    found = thinned_bound(codes.expand(4_000, 60, 2), lambda at: rows.gather(1, at), 20, Starts())
    expected = importance_bound([table.T])
    ratio = (found.value - expected.value).exp()
    assert float(ratio.mean()) == pytest.approx(1, abs=2e-3)
    assert float(ratio.std()) > 0.01


def test_a_good_guess_makes_the_error_less_than_half_of_that_of_as_many_random_draws():
    codes = drawn(0, 200, 1_000, 4)
    table = peaked(codes)
    weights = table.T.logsumexp(0) - math.log(1_000)
    found = thinned_bound(codes, lambda at: table.gather(1, at), 100, noise_of(0))
    few = importance_bound([table[:, :100].T])
    of_choice = (found.value - weights).square().mean().sqrt()
    of_fewer = (few.value - weights).square().mean().sqrt()
    assert float(of_choice) < float(of_fewer) / 2


def test_the_added_error_is_the_spread_over_choices():
    """20,000 choices of the same 100 draws in orders of their own, the first 20 the same in all."""
    codes = drawn(0, 1, 100, 2)
    table, count = peaked(codes), 20_000
    order = torch.rand(count, 80, generator=torch.Generator().manual_seed(1)).argsort(1) + 20
    order = torch.cat([torch.arange(20).expand(count, 20), order], 1)
    codes, rows = codes[0][order], table[0][order]
    found = thinned_bound(codes, lambda at: rows.gather(1, at), 60, noise_of(2))
    ratio = (found.value - importance_bound([table.T]).value).exp()
    assert float(ratio.mean()) == pytest.approx(1, abs=4 * float(ratio.std()) / math.sqrt(count))
    assert float(found.thinned.mean().sqrt()) == pytest.approx(float(ratio.std()), rel=0.1)


def test_the_error_is_the_spread_over_draws_and_choices():
    """10,000 bounds of 400 draws in one dimension, 40 weighed."""
    codes = drawn(0, 10_000, 400, 1)
    table = -codes[..., 0].abs() - 0.5 * drawn(1, 10_000, 400).square()
    found = thinned_bound(codes, lambda at: table.gather(1, at), 40, noise_of(0))
    spread = float(found.value.std())
    assert float(found.error.square().mean().sqrt()) == pytest.approx(spread, rel=0.05)
    alone = importance_bound([table.T])
    assert float(alone.value.std()) < 0.8 * spread
    assert float(found.ess.mean()) == pytest.approx(float(alone.ess.mean()), rel=0.05)


def test_equal_weights_leave_no_error():
    rows = torch.full((3, 50), -7.0).double()
    found = thinned_bound(drawn(0, 3, 50, 2), lambda at: rows.gather(1, at), 10, noise_of(0))
    torch.testing.assert_close(found.value, torch.full((3,), -7.0).double())
    torch.testing.assert_close(found.ess, torch.full((3,), 50.0).double())
    assert (found.error < 1e-6).all()


def test_one_single_choice_knows_nothing_of_its_error():
    sure, unsure = torch.ones(1, 2).double(), torch.tensor([[1.0, 0.5]]).double()
    assert lost(sure, unsure).isnan().all()
    assert lost(sure, torch.tensor([[0.5, 0.5]]).double()).eq(0).all()
