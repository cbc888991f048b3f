"""AIS and BDMC where log p(x) is known: linear-Gaussian models, and one latent on a grid.

The model of reference/evaluation.md, section 3.5: z ~ N(0, I) in 5 dimensions, x ~ N(W z, I/4) in 10, and

    log p(x) = log N(x; 0, W W^T + I/4),    p(z|x) = N(S W^T x / (1/4), S),  S = (I + W^T W / (1/4))^-1.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from reverie.errors import ConfigError, DataError
from reverie.latent.annealing import (
    Annealed,
    Annealing,
    Joint,
    ais,
    bdmc,
    bdmc_of_model,
    joint_of,
    sigmoid_schedule,
)
from reverie.latent.likelihoods import Gaussian
from reverie.losses.divergences import log_mean_exp, normal_log_prob
from reverie.models import VAEConfig
from reverie.networks import MLP
from reverie.spec import Vector
from reverie.tensors import noise_of
from reverie.training import looking

ZERO = torch.zeros((), dtype=torch.float64)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass
class Linear:
    """A linear-Gaussian model, its draws and all that is known of them."""

    weight: torch.Tensor
    scale: float

    @property
    def joint(self):
        latent, variance = self.weight.shape[1], torch.tensor(self.scale**2).double()
        return Joint(
            lambda count, noise: noise.normal(count, latent).double(),
            lambda z: normal_log_prob(z, ZERO, ZERO).sum(2),
            lambda x, z: normal_log_prob(x, z @ self.weight.T, variance.log()).sum(2),
        )

    @property
    def marginal(self):
        size = len(self.weight)
        covariance = self.weight @ self.weight.T + self.scale**2 * torch.eye(size).double()
        return MultivariateNormal(torch.zeros(size).double(), covariance)

    def data(self, count):
        """Samples `(count, D)`."""
        noise = self.scale * drawn(2, count, len(self.weight))
        return drawn(1, count, self.weight.shape[1]) @ self.weight.T + noise

    def posterior(self, x, chains):
        """Exact draws `(chains, B, Z)`."""
        w, variance = self.weight, self.scale**2
        covariance = torch.linalg.inv(torch.eye(w.shape[1]).double() + w.T @ w / variance)
        mean = x @ w @ covariance / variance
        return mean + drawn(3, chains, *mean.shape) @ torch.linalg.cholesky(covariance).T


REFERENCE = Linear(drawn(0, 10, 5), 0.5)
EASY = Linear(0.5 * drawn(0, 3, 2), 1.0)


def sandwiched(steps):
    x = REFERENCE.data(1)
    how = Annealing(steps=steps, chains=200)
    both = bdmc(REFERENCE.joint, x, REFERENCE.posterior(x, 200), how, seed=0)
    return both, float(REFERENCE.marginal.log_prob(x))


def holds(both, truth):
    """lower <= truth <= upper, to four standard errors."""
    (low, low_error), (high, high_error) = both.lower.mean(), both.upper.mean()
    return low <= truth + 4 * low_error and truth <= high + 4 * high_error


# ---- the bounds


def test_the_mean_log_weights_hold_the_truth_between_them_ever_tighter():
    """200 chains each way. The gap falls about as 1 / steps: section 3.5."""
    found = [sandwiched(steps) for steps in (10, 40, 160)]
    assert all(holds(both, truth) for both, truth in found)
    gaps = [both.upper.mean()[0] - both.lower.mean()[0] for both, _ in found]
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0


@pytest.mark.slow
def test_a_thousand_steps_leave_less_than_six_tenths_of_a_nat():
    both, truth = sandwiched(1000)
    assert holds(both, truth)
    assert both.upper.mean()[0] - both.lower.mean()[0] < 0.6
    for side in (both.lower, both.upper):
        assert abs(float(side.estimate) - truth) < 0.2


def test_weights_are_unbiased_for_the_likelihood_and_backward_for_its_inverse():
    """E[w] = p(x) and E[1/w] = 1/p(x) for each of 3 samples, over 4,000 chains: four standard errors.

    That holds at any number of steps only if every move leaves its own temperature alone.
    """
    x, how = EASY.data(3), Annealing(steps=8, chains=4000)
    both = bdmc(EASY.joint, x, EASY.posterior(x, 4000), how, seed=1)
    truth = EASY.marginal.log_prob(x)
    for excess in (both.lower.log_weights - truth, truth - both.upper.log_weights):
        ratio = excess.exp()
        error = ratio.std(0) / math.sqrt(4000)
        assert (error < 0.05).all()
        assert ((ratio.mean(0) - 1).abs() < 4 * error).all()
    assert (both.lower.bound < truth).all() and (truth < both.upper.bound).all()


def test_one_step_is_importance_sampling_from_the_prior():
    """No move is made: log w = log p(x|z) of prior draws, and log mean w is the IWAE bound of q = p."""
    drawings, base = [], EASY.joint

    def sample(count, noise):
        drawings.append(base.sample_prior(count, noise))
        return drawings[-1]

    x, how = EASY.data(2), Annealing(steps=1, chains=50)
    found = ais(Joint(sample, base.log_prior, base.log_likelihood), x, how, seed=0)
    likelihood = base.log_likelihood(x, drawings[-1].view(50, 2, 2))
    torch.testing.assert_close(found.log_weights, likelihood)
    torch.testing.assert_close(found.estimate, log_mean_exp(likelihood))
    assert found.acceptance.isnan().all()


def test_a_likelihood_without_the_latent_is_found_exactly():
    """p(x|z) = p(x): every weight is p(x), whatever the path."""
    weightless = Linear(torch.zeros(3, 2, dtype=torch.float64), 1.0)
    x = weightless.data(4)
    both = bdmc(
        weightless.joint, x, drawn(0, 2, 4, 2), Annealing(steps=5, chains=2, pilots=1), seed=0
    )
    truth = weightless.marginal.log_prob(x).expand(2, 4)
    torch.testing.assert_close(both.lower.log_weights, truth)
    torch.testing.assert_close(both.upper.log_weights, truth)
    assert both.gap() == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.parametrize("acceptance", [0.65, 0.8])
def test_step_sizes_are_tuned_to_the_acceptance_in_both_directions(acceptance):
    """Backward too each temperature has its own: the prior's steps would be refused by the posterior."""
    x = REFERENCE.data(4)
    how = Annealing(steps=100, chains=50, acceptance=acceptance)
    both = bdmc(REFERENCE.joint, x, REFERENCE.posterior(x, 50), how, seed=0)
    for side in (both.lower, both.upper):
        assert side.acceptance.shape == (4,)
        assert abs(float(side.acceptance.mean()) - acceptance) < 0.07


# ---- schedules, summaries, chunks


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_the_schedule_climbs_from_zero_to_one_alike_from_both_ends(steps):
    betas = sigmoid_schedule(steps)
    assert betas.shape == (steps + 1,) and betas[0] == 0 and betas[-1] == 1
    assert (betas.diff() > 0).all()
    torch.testing.assert_close(betas + betas.flip(0), torch.ones_like(betas))


def test_the_schedule_is_the_scaled_sigmoid():
    """spread 4, four steps: s(-2) less s(-4), over s(4) less s(-4)."""

    def s(t):
        return 1 / (1 + math.exp(-t))

    expected = (s(-2) - s(-4)) / (s(4) - s(-4))
    assert float(sigmoid_schedule(4)[1]) == pytest.approx(expected, rel=1e-12)


def test_bounds_and_estimates_are_means_of_logs_and_logs_of_means():
    """Weights 1 and 3: mean log (ln 3)/2, log mean ln 2, and of the inverses -ln((1 + 1/3)/2) = ln 1.5."""
    weights = torch.tensor([[1.0], [3.0]], dtype=torch.float64).log()
    forward = Annealed(weights, torch.ones(1), backward=False)
    assert float(forward.bound) == pytest.approx(math.log(3) / 2)
    assert float(forward.estimate) == pytest.approx(math.log(2))
    assert float(Annealed(weights, torch.ones(1), backward=True).estimate) == pytest.approx(
        math.log(1.5)
    )
    # std of {0, ln 3} is ln 3 / sqrt 2, over sqrt 2 chains.
    assert float(forward.error) == pytest.approx(math.log(3) / 2)
    assert forward.mean() == (float(forward.bound), float(forward.error))


def test_the_mean_over_samples_has_the_spread_over_samples():
    weights = torch.tensor([[0.0, 2.0], [2.0, 4.0]], dtype=torch.float64)
    value, error = Annealed(weights, torch.ones(2), backward=False).mean()
    assert (value, error) == pytest.approx((2.0, math.sqrt(2) / math.sqrt(2)))
    assert Annealed(weights[:1], torch.ones(2), backward=False).error.isnan().all()


def test_chunks_are_annealed_one_by_one():
    """The first chunk of two is what it is alone: its noise is its own."""
    x, how = EASY.data(3), Annealing(steps=2, chains=3, pilots=2)
    whole, alone = (ais(EASY.joint, part, how, seed=7, chunk=2) for part in (x, x[:2]))
    assert whole.log_weights.shape == (3, 3) and whole.acceptance.shape == (3,)
    assert torch.equal(whole.log_weights[:, :2], alone.log_weights)
    posterior = EASY.posterior(x, 3)
    both = bdmc(EASY.joint, x, posterior, how, seed=7, chunk=2)
    assert torch.equal(both.lower.log_weights, whole.log_weights)
    assert both.upper.log_weights.shape == (3, 3)


def test_the_weights_are_a_function_of_the_seed():
    x, how = EASY.data(2), Annealing(steps=2, chains=3, pilots=2)
    one, two, other = (ais(EASY.joint, x, how, seed).log_weights for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)


# ---- of a VAE


def made(likelihood, latent=1, widths=(8,), seed=0):
    torch.manual_seed(seed)
    config = VAEConfig(latent=latent, network=MLP(widths=widths), likelihood=likelihood)
    model = config.build(Vector(size=6))
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(2)
        # q = p: weights p(x|z) are bounded, and the delta method knows their error.
        for parameter in model.encoder.parameters():
            parameter.zero_()
    return model


def on_grid(model, x):
    """log of the integral of p(z) p(x|z) over one latent, by Gauss-Hermite quadrature of 150 nodes."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(150))
    joint = joint_of(model.prior, model.decoder, model.likelihood)
    likelihood = joint.log_likelihood(x, nodes.float()[:, None, None].expand(150, len(x), 1))
    return (likelihood.double() + (weights / weights.sum()).log()[:, None]).logsumexp(0)


def test_a_vaes_annealed_and_importance_weighted_bounds_agree_with_the_integral():
    """One latent, Gaussian pixels: quadrature knows log p(x). AIS and IWAE both come to it from below."""
    model = made(Gaussian(scale=1.0))
    x = torch.rand(4, 6, generator=torch.Generator().manual_seed(1))
    how = Annealing(steps=20, chains=400)
    with looking(model):
        truth = on_grid(model, x)
        annealed = ais(joint_of(model.prior, model.decoder, model.likelihood), x, how, seed=0)
        weighed = model.importance(x, noise_of(0), 20_000)
    assert (annealed.bound < truth + 4 * annealed.error).all()
    torch.testing.assert_close(annealed.estimate, truth, rtol=0, atol=0.1)
    assert ((weighed.value - truth).abs() < 4 * weighed.error + 1e-4).all()


def test_a_models_own_samples_are_sandwiched():
    """A linear decoder and Gaussian pixels: E log p(x) = -(D ln 2 pi e + ln det(W W^T + s^2)) / 2."""
    scale, count = 0.5, 60
    model = made(Gaussian(scale=scale), latent=2, widths=())
    both = bdmc_of_model(
        model.prior, model.decoder, model.likelihood, count, Annealing(steps=50, chains=4), 0
    )
    weight = model.decoder[0].weight.detach().double()
    covariance = weight @ weight.T + scale**2 * torch.eye(6).double()
    expected = -0.5 * (6 * math.log(2 * math.pi * math.e) + float(covariance.logdet()))
    assert both.lower.log_weights.shape == both.upper.log_weights.shape == (4, count)
    assert holds(both, expected)
    gap, error = both.gap()
    assert 4 * error < gap < 3


# ---- refusals


@pytest.mark.parametrize("name", ["steps", "chains", "leapfrogs", "pilots"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ConfigError, match=f"{name} is 0; write at least 1"):
        Annealing(**{name: 0})


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_an_acceptance_that_no_step_size_has_is_refused(rate):
    with pytest.raises(ConfigError, match=r"acceptance is .*; write a rate between 0 and 1"):
        Annealing(acceptance=rate)


def test_samples_that_cannot_be_annealed_are_refused():
    x, how = EASY.data(3), Annealing(steps=2, chains=2)
    x[1, 0] = math.nan
    with pytest.raises(DataError, match="1 of 3 samples hold NaN or infinite values"):
        ais(EASY.joint, x, how, seed=0)
    with pytest.raises(DataError, match="needs at least 1 sample; found none"):
        ais(EASY.joint, x[:0], how, seed=0)
    with pytest.raises(
        DataError, match=r"\(C, B, Z\) with C = 2 chains of B = 2 samples; found \(3, 2, 2\)"
    ):
        bdmc(EASY.joint, x[:1].expand(2, 3) * 0, drawn(0, 3, 2, 2), how, seed=0)
