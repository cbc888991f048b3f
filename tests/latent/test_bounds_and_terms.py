"""Bounds by their definitions; the IWAE bound's known values stand in models/test_proofs.py."""

import math

import pytest
import torch

from reverie.latent.bounds import ELBO, IWAE, Draws
from reverie.latent.terms import MMD, FreeBits
from reverie.losses.divergences import mmd

KL = torch.tensor([[0.0, 0.3], [0.2, 0.5]], dtype=torch.float64)
"""Per-dimension means 0.1 and 0.4; per-sample sums 0.3 and 0.7, whose mean is 0.5."""
LIKELIHOOD = torch.tensor([[-1.0, -3.0], [-2.0, -6.0]], dtype=torch.float64)
"""Two draws of two samples; the mean is -3."""


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_beta_weighs_the_loss_and_never_the_logged_bound(beta):
    """Loss: 3 + beta 0.5. The bound is -3 - 0.5 whatever beta is: two runs stay comparable."""
    bounded = ELBO()(Draws(LIKELIHOOD, None, KL), beta)
    loss, value = bounded.loss, bounded.value
    assert float(loss) == pytest.approx(3 + beta * 0.5)
    assert float(value) == pytest.approx(-3.5)


def test_the_iwae_bound_is_the_log_of_the_mean_weight():
    """log((e^{a} + e^{b}) / 2) of each sample's log weights a, b, averaged over samples."""
    ratio = torch.tensor([[0.5, 0.0], [0.0, 1.0]], dtype=torch.float64)
    weights = [(-1.5, -2.0), (-3.0, -7.0)]
    expected = sum(math.log((math.exp(a) + math.exp(b)) / 2) for a, b in weights) / 2
    bounded = IWAE(draws=2)(Draws(LIKELIHOOD, ratio, KL), 1.0)
    loss, value = bounded.loss, bounded.value
    assert float(value) == pytest.approx(expected)
    assert float(loss) == pytest.approx(-expected)


def test_the_iwae_gradient_is_the_one_of_the_logged_value():
    """The surrogate and the value may differ for other bounds; here one is the other's negative."""
    likelihood = drawn(0, 3, 4).requires_grad_()
    bounded = IWAE(draws=3)(Draws(likelihood, drawn(1, 3, 4), KL), 1.0)
    loss, value = bounded.loss, bounded.value
    slopes = [torch.autograd.grad(x, likelihood, retain_graph=True)[0] for x in (loss, value)]
    torch.testing.assert_close(slopes[0], -slopes[1])
    # Each draw's share is its normalised weight, d value / d log w_k = w~_k / B.
    torch.testing.assert_close(slopes[1].sum(0), torch.full((4,), 0.25, dtype=torch.float64))


def test_a_bound_of_one_weight_refuses_to_guess_it():
    with pytest.raises(AssertionError, match="no log ratio"):
        IWAE()(Draws(LIKELIHOOD, None, KL), 1.0)


@pytest.mark.parametrize("nats", [0.05, 0.25, 0.4, 2.0])
def test_free_bits_make_a_dimension_cost_the_greater_of_nats_and_its_kl(nats):
    """KL + max(0, nats - KL) = max(nats, KL), of the batch's mean: Kingma et al. (2016), eq. 15."""
    codes = torch.zeros(2, 2)
    total = KL.sum(1).mean() + FreeBits(nats=nats)(KL, codes, codes)
    assert float(total) == pytest.approx(max(nats, 0.1) + max(nats, 0.4))


def test_free_bits_stop_the_pull_on_dimensions_below_their_allowance():
    """The first dimension (mean 0.1) feels nothing; the second (mean 0.4) feels its KL alone."""
    kl = KL.clone().requires_grad_()
    codes = torch.zeros(2, 2)
    total = kl.sum(1).mean() + FreeBits(nats=0.25)(kl, codes, codes)
    (slope,) = torch.autograd.grad(total, kl)
    torch.testing.assert_close(slope, torch.tensor([[0.0, 0.5], [0.0, 0.5]], dtype=torch.float64))


def test_the_mmd_term_scales_its_kernels_with_the_latents():
    """The prior's spread |z|^2 is Z: with 4 latents and scale 2 the kernels' length is 8."""
    z, prior = drawn(0, 6, 4), drawn(1, 6, 4) + 1
    assert torch.equal(MMD(scale=2.0)(KL, z, prior), mmd(z, prior, 8.0))
    assert float(MMD()(KL, prior, prior)) == pytest.approx(0.0, abs=1e-12)
