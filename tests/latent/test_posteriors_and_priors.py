"""Posteriors and priors against torch.distributions and Monte Carlo."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from reverie.latent.posteriors import DiagonalGaussian, FixedGaussian, NormalPosterior
from reverie.latent.priors import GaussianMixture, StandardNormal
from reverie.tensors import Noise, noise_of


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def law_of(posterior):
    return Independent(Normal(posterior.mean, (0.5 * posterior.log_var).exp()), 1)


def mixture(latent=3, components=4):
    """A mixture with parameters away from their start, and the same law of torch.distributions."""
    prior = GaussianMixture(components=components).build(latent).double().requires_grad_(False)
    prior.means.copy_(2 * drawn(1, components, latent))
    prior.log_vars.copy_(0.5 * drawn(2, components, latent))
    prior.logits.copy_(drawn(3, components))
    parts = Independent(Normal(prior.means, (0.5 * prior.log_vars).exp()), 1)
    return prior, MixtureSameFamily(Categorical(logits=prior.logits), parts)


# ---- posteriors


def test_the_posteriors_density_is_that_of_torch():
    posterior, z = NormalPosterior(drawn(0, 5, 3), drawn(1, 5, 3)), drawn(2, 4, 5, 3)
    torch.testing.assert_close(posterior.log_prob(z), law_of(posterior).log_prob(z))


def test_posterior_draws_have_their_mean_and_variance():
    """20,000 draws of each of 2 samples in 2 dimensions: four standard errors."""
    mean, log_var, count = (
        torch.tensor([[1.0, -2.0], [0.0, 3.0]]),
        torch.tensor([[0.0, -2.0], [1.0, 0.5]]),
        20_000,
    )
    z = NormalPosterior(mean, log_var).sample(count, noise_of(0))
    assert z.shape == (count, 2, 2)
    std = (0.5 * log_var).exp()
    assert ((z.mean(0) - mean).abs() < 4 * std / math.sqrt(count)).all()
    assert ((z.std(0) / std - 1).abs() < 4 / math.sqrt(2 * count)).all()


def test_what_a_code_tells_is_measured_in_its_posteriors_width():
    """(z - mean) / std sqrt(1 - std^2): sqrt(3)/2 a standard deviation of 1/2; nothing from width 1 on."""
    std = torch.tensor([[0.5, 1.0, 2.0]]).double()
    posterior = NormalPosterior(torch.tensor([[1.0, -2.0, 3.0]]).double(), 2 * std.log())
    found = posterior.telling((posterior.mean + 4 * std)[None])
    expected = torch.tensor([[[2 * math.sqrt(3), 0, 0]]]).double()
    torch.testing.assert_close(found, expected)


def test_draws_carry_the_gradient_to_mean_and_variance():
    """z = mean + std eps: dz/dmean = 1 and dz/dlog_var = (z - mean) / 2."""
    mean, log_var = (drawn(seed, 2, 3).requires_grad_() for seed in (0, 1))
    z = NormalPosterior(mean, log_var).sample(1, noise_of(0))
    by_mean, by_log_var = torch.autograd.grad(z.sum(), (mean, log_var))
    torch.testing.assert_close(by_mean, torch.ones(2, 3, dtype=torch.float64))
    torch.testing.assert_close(by_log_var, 0.5 * (z[0] - mean).detach())


def test_a_worker_draws_the_noise_of_its_own_samples():
    """Rows 2 and 3 of a batch of 6 get the draws that one worker with all 6 gives them, for any K."""
    whole = NormalPosterior(torch.zeros(6, 3), torch.zeros(6, 3)).sample(4, noise_of(7))
    assert torch.equal(whole, noise_of(7).normal(6, 4, 3).transpose(0, 1))
    noise = Noise(torch.Generator().manual_seed(7), rows=(2, 4), total=6)
    part = NormalPosterior(torch.zeros(2, 3), torch.zeros(2, 3)).sample(4, noise)
    assert torch.equal(part, whole[:, 2:4])


def test_the_diagonal_gaussian_reads_mean_then_log_variance():
    posterior = DiagonalGaussian()(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert posterior.mean.tolist() == [[1.0, 2.0]] and posterior.log_var.tolist() == [[3.0, 4.0]]
    assert DiagonalGaussian().outputs(2) == 4


def test_the_fixed_gaussian_has_one_scale():
    posterior = FixedGaussian(scale=0.2)(torch.tensor([[1.0, 2.0]]))
    assert posterior.mean.tolist() == [[1.0, 2.0]]
    torch.testing.assert_close((0.5 * posterior.log_var).exp(), torch.full((1, 2), 0.2))
    assert FixedGaussian().outputs(2) == 2


@pytest.mark.parametrize("kind", [DiagonalGaussian(), FixedGaussian()], ids=lambda k: k.kind)
def test_statistics_are_at_least_float32(kind):
    encoded = torch.zeros(2, 4)
    for given, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        posterior = kind(encoded.to(given))
        assert posterior.mean.dtype == posterior.log_var.dtype == expected


# ---- priors


def test_the_standard_normals_density_and_kl_are_those_of_torch():
    prior, posterior = StandardNormal().build(3), NormalPosterior(drawn(0, 5, 3), drawn(1, 5, 3))
    z = posterior.sample(2, noise_of(0))
    law = Normal(torch.zeros(3, dtype=torch.float64), 1.0)
    torch.testing.assert_close(prior.log_prob(z), law.log_prob(z).sum(2))
    torch.testing.assert_close(
        prior.kl(posterior, z), kl_divergence(law_of(posterior).base_dist, law)
    )


def test_the_mixtures_density_is_that_of_torch():
    prior, law = mixture()
    z = 3 * drawn(0, 2, 50, 3)
    torch.testing.assert_close(prior.log_prob(z), law.log_prob(z))


def test_a_mixture_of_one_standard_component_is_the_standard_normal():
    prior = GaussianMixture(components=1).build(3).requires_grad_(False)
    prior.means.zero_()
    z = drawn(0, 2, 5, 3)
    torch.testing.assert_close(prior.log_prob(z), StandardNormal().build(3).log_prob(z))


def test_mixture_draws_follow_the_mixture():
    """Means 40 apart show each draw's component: their shares are the weights, and inside each the draws
    have its mean and variance, all within four standard errors.
    """
    prior, _ = mixture(latent=1, components=3)
    prior.means.copy_(torch.tensor([[-40.0], [0.0], [40.0]]))
    count = 20_000
    z = prior.sample(count, noise_of(0))[:, 0]
    component = ((z + 20) / 40).floor().clamp(-1, 1).long() + 1
    for c, weight in enumerate(prior.logits.softmax(0)):
        own = z[component == c]
        error = 4 * math.sqrt(float(weight * (1 - weight)) / count)
        assert abs(len(own) / count - float(weight)) < error
        std = float((0.5 * prior.log_vars[c]).exp())
        assert abs(float(own.mean() - prior.means[c])) < 4 * std / math.sqrt(len(own))
        assert abs(float(own.std()) / std - 1) < 4 / math.sqrt(2 * len(own))


def test_the_mixtures_kl_is_estimated_without_bias():
    """KL = E_q[log q - log p]: torch's own densities on one set of draws, ours on another."""
    prior, law = mixture()
    posterior, count = NormalPosterior(drawn(0, 2, 3), drawn(1, 2, 3)), 50_000
    q = law_of(posterior)
    torch.manual_seed(0)
    other = q.sample((count,))
    expected = q.log_prob(other) - law.log_prob(other)
    z = posterior.sample(count, noise_of(1))
    found = prior.kl(posterior, z)
    assert found.shape == (2, 1)
    error = 4 * math.sqrt(2) * expected.std(0) / math.sqrt(count)
    assert ((found[:, 0] - expected.mean(0)).abs() < error).all()


@pytest.mark.parametrize("kind", [StandardNormal(), GaussianMixture()], ids=lambda k: k.kind)
def test_prior_draws_are_functions_of_the_noise(kind):
    torch.manual_seed(0)
    prior = kind.build(3).requires_grad_(False)
    one, two, other = (prior.sample(6, noise_of(seed)) for seed in (1, 1, 2))
    assert one.shape == (6, 3) and torch.equal(one, two) and not torch.equal(one, other)


def test_the_mixture_is_trained_through_its_density():
    """It has to move towards the codes: every parameter gets a slope."""
    torch.manual_seed(0)
    prior = GaussianMixture(components=2).build(2)
    slopes = torch.autograd.grad(
        prior.log_prob(torch.randn(1, 5, 2)).sum(), list(prior.parameters())
    )
    assert len(slopes) == 3 and all(slope.abs().sum() > 0 for slope in slopes)
