"""The slopes of critics whose slope is known; the closed forms of R1 stand in models/test_proofs.py."""

import pytest
import torch

from reverie.losses.penalties import R1, R1R2, WGANGP, NoPenalty, score_and_slope
from reverie.tensors import noise_of

PENALTIES = (NoPenalty(), R1(), R1R2(), WGANGP())


class Quadratic(torch.nn.Module):
    """D(x) = |x|^2 / 2, whose slope at x is |x|."""

    def forward(self, x):
        return 0.5 * x.flatten(1).square().sum(1, keepdim=True)


def linear(weight):
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(len(weight), 1))
    with torch.no_grad():
        critic[1].weight.copy_(torch.tensor(weight)[None])
    return critic


def halves():
    return torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).unbind()


@pytest.mark.parametrize("shape", [(3,), (1, 3, 1)])
def test_the_slope_of_a_linear_critic_is_the_length_of_its_weight(shape):
    """|w| of (2, 3, 6) is 7, at every point and for any layout of the sample."""
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    critic = linear([2.0, 3.0, 6.0])
    scores, slope = score_and_slope(critic, x)
    torch.testing.assert_close(slope, torch.full((5,), 7.0))
    torch.testing.assert_close(scores, critic(x))


def test_r1_looks_at_real_samples_alone():
    """E |x|^2 / 2 of the quadratic critic at real samples."""
    real, fake = halves()
    _, _, penalty = R1().judge(Quadratic(), real, 100 * fake, noise_of(0))
    torch.testing.assert_close(penalty, 0.5 * real.square().sum(1).mean())


def test_r1_r2_adds_the_same_at_generated_samples():
    """R1 + R2 = E |x|^2 / 2 + E |G(z)|^2 / 2."""
    real, fake = halves()
    _, _, penalty = R1R2().judge(Quadratic(), real, 2 * fake, noise_of(0))
    expected = 0.5 * (real.square().sum(1).mean() + 4 * fake.square().sum(1).mean())
    torch.testing.assert_close(penalty, expected)


def test_wgan_gp_vanishes_for_a_unit_slope():
    """(|w| - 1)^2 of w = (0.6, 0.8, 0) is 0."""
    real, fake = halves()
    _, _, penalty = WGANGP().judge(linear([0.6, 0.8, 0.0]), real, fake, noise_of(0))
    assert penalty.item() < 1e-12


def test_wgan_gp_of_a_linear_critic_is_its_excess_squared():
    """|w| = 7: (7 - 1)^2 = 36, wherever it looks."""
    real, fake = halves()
    _, _, penalty = WGANGP().judge(linear([2.0, 3.0, 6.0]), real, fake, noise_of(0))
    assert penalty.item() == pytest.approx(36.0, rel=1e-5)


def test_wgan_gp_looks_between_each_real_sample_and_its_fake_one():
    """Real at 1 and fake at 3: the quadratic critic's slope there is x in [1, 3], its place uniform.

    E (x - 1)^2 for x from U[1, 3] is 4/3, with a standard error of (16/5 - 16/9)^(1/2) / N^(1/2).
    """
    count = 20_000
    real, fake = torch.ones(count, 1), torch.full((count, 1), 3.0)
    _, _, penalty = WGANGP().judge(Quadratic(), real, fake, noise_of(0))
    assert abs(penalty.item() - 4 / 3) < 4 * 1.193 / count**0.5


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: p.kind)
def test_scores_are_those_of_the_critic(penalty):
    real, fake = halves()
    critic = linear([2.0, 3.0, 6.0])
    real_scores, fake_scores, _ = penalty.judge(critic, real, fake, noise_of(0))
    torch.testing.assert_close(real_scores, critic(real))
    torch.testing.assert_close(fake_scores, critic(fake))


@pytest.mark.parametrize("penalty", PENALTIES[1:], ids=lambda p: p.kind)
def test_a_penalty_moves_the_critic(penalty):
    """The slope is differentiated again: without a graph through it the penalty would do nothing."""
    real, fake = halves()
    critic = linear([2.0, 3.0, 6.0])
    _, _, value = penalty.judge(critic, real, fake, noise_of(0))
    (slope,) = torch.autograd.grad(value, critic[1].weight)
    # R1 of a linear critic has slope w, R1 + R2 twice that; WGAN-GP has 2 (|w| - 1) w / |w|.
    share = {"r1": 1.0, "r1_r2": 2.0, "wgan_gp": 12 / 7}[penalty.kind]
    torch.testing.assert_close(slope, share * critic[1].weight.detach())


def test_no_penalty_has_none():
    real, fake = halves()
    assert NoPenalty().judge(Quadratic(), real, fake, noise_of(0))[2] is None


def test_slopes_are_float32_under_half_precision():
    """A squared slope of 1e-3 summed in bfloat16 would keep two digits."""
    critic, x = linear([2.0, 3.0, 6.0]), torch.randn(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        scores, slope = score_and_slope(critic, x)
    assert scores.dtype == slope.dtype == torch.float32
    torch.testing.assert_close(slope, torch.full((4,), 7.0))
