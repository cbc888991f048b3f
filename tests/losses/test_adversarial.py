"""Each game against what its paper says of it."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from reverie.losses.adversarial import (
    Hinge,
    LeastSquares,
    NonSaturating,
    Relativistic,
    Wasserstein,
)

GAMES = (NonSaturating(), Hinge(), LeastSquares(), Wasserstein(), Relativistic())
every_game = pytest.mark.parametrize("game", GAMES, ids=lambda game: game.kind)


def scores(seed):
    return torch.randn(6, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("game", "expected"),
    [
        (NonSaturating(), 2 * math.log(2)),
        (Hinge(), 2.0),
        (LeastSquares(), 0.5),
        (Wasserstein(), 0.0),
        (Relativistic(), math.log(2)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_critic_that_cannot_tell_loses_the_known_amount(game, expected):
    """Scores of zero: -2 ln(1/2); 1 + 1; (1 + 0) / 2; 0; -ln(1/2)."""
    zero = torch.zeros(4, 1, dtype=torch.float64)
    assert float(game.critic(zero, zero)) == pytest.approx(expected, abs=1e-12)


def test_the_least_squares_critic_that_cannot_tell_says_a_half():
    """(D - 1)^2 / 2 + D^2 / 2 is least at D = 1/2, where it is 1/4. Mao et al. (2017), theorem 1."""
    d = torch.linspace(-1, 2, 301, dtype=torch.float64)[:, None]
    values = torch.stack([LeastSquares().critic(one, one) for one in d])
    assert float(d[values.argmin()]) == pytest.approx(0.5)
    assert float(values.min()) == pytest.approx(0.25)


def test_the_original_game_is_binary_cross_entropy():
    """Against PyTorch's own: label 1 for real, 0 for fake; the generator wants label 1."""
    real, fake = scores(0), scores(1)
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    bce = binary_cross_entropy_with_logits
    torch.testing.assert_close(
        NonSaturating().critic(real, fake), bce(real, one) + bce(fake, zero)
    )
    torch.testing.assert_close(NonSaturating().generator(real, fake), bce(fake, one))


def test_the_relativistic_game_is_cross_entropy_of_paired_differences():
    real, fake = scores(0), scores(1)
    one = torch.ones_like(real)
    bce = binary_cross_entropy_with_logits
    torch.testing.assert_close(Relativistic().critic(real, fake), bce(real - fake, one))
    torch.testing.assert_close(Relativistic().generator(real, fake), bce(fake - real, one))


def test_the_relativistic_game_depends_on_which_fake_meets_which_real():
    """It pairs: mixing the pairs changes it, and no other game notices."""
    real, fake = 3 * scores(0), 3 * scores(1)
    for game in GAMES:
        same = torch.allclose(game.critic(real, fake), game.critic(real, fake.flip(0)))
        assert same == (not game.pairs)


def test_the_hinge_is_flat_beyond_its_margin():
    """Real above 1 and fake below -1 cost nothing; one inside costs its distance: (1 - 0.25) / 2 of two."""
    real, fake = torch.tensor([[2.0], [0.25]]), torch.tensor([[-1.0], [-5.0]])
    assert float(Hinge().critic(real, fake)) == pytest.approx(0.75 / 2)
    assert float(Hinge().generator(real, fake)) == pytest.approx(3.0)


def test_the_wasserstein_critic_of_two_points_finds_their_distance():
    """D(x) = x between a real point at 0.7 and a fake one at 0: W1 = 0.7, the generator's slope -1."""
    real, fake = torch.tensor([[0.7]]), torch.zeros(1, 1, requires_grad=True)
    assert float(Wasserstein().critic(real, fake.detach())) == pytest.approx(-0.7)
    (slope,) = torch.autograd.grad(Wasserstein().generator(real, fake), fake)
    assert float(slope) == -1.0


def test_the_optimal_critic_of_two_gaussians_is_their_log_ratio():
    """Real N(0, 1) against fake N(mu, 1): the optimum's logit is log p/q = -mu x + mu^2 / 2.

    Fitted to equally likely quantiles of both, since the optimum is linear.
    """
    mu, count = 1.5, 4001
    levels = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    real = torch.special.ndtri(levels)[:, None]
    line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [line], max_iter=50, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        value = NonSaturating().critic(line[0] * real + line[1], line[0] * (real + mu) + line[1])
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(
        line.detach(), torch.tensor([-mu, mu**2 / 2], dtype=torch.float64), rtol=0, atol=2e-3
    )


@every_game
def test_both_players_want_the_opposite(game):
    """A critic gains from real above fake, the generator from fake above real."""
    low, high = torch.full((3, 1), -0.5), torch.full((3, 1), 0.5)
    assert game.critic(high, low) < game.critic(low, high)
    assert game.generator(low, high) < game.generator(high, low)


@every_game
def test_a_game_is_a_mean_over_the_batch(game):
    real, fake = scores(0), scores(1)
    for player in (game.critic, game.generator):
        torch.testing.assert_close(
            player(real.repeat(2, 1), fake.repeat(2, 1)), player(real, fake)
        )


@every_game
def test_scores_of_any_size_give_finite_losses_and_slopes(game):
    """A critic that is sure must not give inf - inf: softplus, not log of sigmoid."""
    real = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    fake = torch.tensor([[-1e4], [1e4]], requires_grad=True)
    for player in (game.critic, game.generator):
        value = player(real, fake)
        slopes = torch.autograd.grad(value, (real, fake), allow_unused=True)
        assert value.isfinite()
        assert all(slope.isfinite().all() for slope in slopes if slope is not None)
