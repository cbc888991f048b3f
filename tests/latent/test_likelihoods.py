"""Each likelihood against torch.distributions, and against its own law: probabilities sum to one."""

import math

import pytest
import torch
from torch.distributions import Bernoulli as BernoulliLaw
from torch.distributions import Normal

from reverie.latent.likelihoods import Bernoulli, DiscretizedLogistic, Gaussian
from reverie.tensors import noise_of

SHAPE = (2, 3, 4)
LEVELS = torch.arange(256, dtype=torch.float64) / 255


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def logistic_cdf(x, mean, scale):
    """Of the tails, without cancellation: float64 keeps 1e-300 below the mean."""
    return torch.sigmoid((x - mean) / scale)


def of_levels(mean, log_scale, levels=LEVELS):
    """log p of levels under one mean and scale, `(256,)`."""
    count = len(levels)
    decoded = torch.tensor([mean - 0.5, log_scale], dtype=torch.float64).repeat(count, 1)[
        ..., None
    ]
    return DiscretizedLogistic().build().log_prob(decoded, levels[:, None])


# ---- Bernoulli


def test_the_bernoulli_of_bits_is_that_of_torch():
    logits, x = 3 * drawn(0, 5, *SHAPE), (drawn(1, 5, *SHAPE) > 0).double()
    expected = BernoulliLaw(logits=logits).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(Bernoulli().build().log_prob(logits[:, None], x), expected)


def test_grey_values_count_as_probabilities():
    """x ln p + (1 - x) ln(1 - p): the cross-entropy, which is greatest at p = x."""
    law, x = Bernoulli().build(), torch.full((1, 1), 0.3, dtype=torch.float64)
    p = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    values = law.log_prob(torch.logit(p)[:, None, None], x.expand(99, 1))
    assert float(p[values.argmax()]) == pytest.approx(0.3)
    assert float(values.max()) == pytest.approx(0.3 * math.log(0.3) + 0.7 * math.log(0.7))


def test_bernoulli_draws_have_their_mean():
    """400 draws of 24 coins: the share of ones is within four standard errors of p."""
    law, logits = Bernoulli().build(), torch.full((400, 1, *SHAPE), 1.0)
    x = law.sample(logits, noise_of(0))
    p = 1 / (1 + math.exp(-1))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert abs(float(x.mean()) - p) < 4 * math.sqrt(p * (1 - p) / x.numel())
    assert float(law.mean(logits)[0, 0, 0, 0]) == pytest.approx(p)


# ---- Gaussian


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_gaussian_is_that_of_torch_with_its_constants(scale):
    mean, x = drawn(0, 5, *SHAPE), drawn(1, 5, *SHAPE)
    expected = Normal(mean, scale).log_prob(x).flatten(1).sum(1)
    found = Gaussian(scale=scale).build().log_prob(mean[:, None], x)
    torch.testing.assert_close(
        found, expected, rtol=1e-6, atol=0
    )  # the scale is a float32 parameter


def test_gaussian_draws_have_their_mean_and_spread():
    law, mean = Gaussian(scale=0.5).build(), torch.full((400, 1, *SHAPE), 2.0)
    x = law.sample(mean, noise_of(0)).detach()
    error = 4 / math.sqrt(x.numel())
    assert abs(float(x.mean()) - 2.0) < 0.5 * error
    assert abs(float(x.std()) / 0.5 - 1) < error


def test_a_learned_scale_settles_at_the_residuals_root_mean_square():
    """d/d log_var of the log-likelihood vanishes where the variance is the mean squared residual.

    Rybkin et al. (2021), eq. 4.
    """
    mean, x = drawn(0, 5, *SHAPE), drawn(1, 5, *SHAPE)
    law = Gaussian(learn=True).build().double()
    with torch.no_grad():
        law.log_var.fill_((x - mean).square().mean().log())
    (slope,) = torch.autograd.grad(law.log_prob(mean[:, None], x).mean(), law.log_var)
    assert abs(float(slope)) < 1e-10


def test_only_a_learned_scale_is_trained():
    assert Gaussian(learn=True).build().log_var.requires_grad
    assert not Gaussian().build().log_var.requires_grad


# ---- discretised logistic


@pytest.mark.parametrize("mean", [-0.5, 0.0, 0.2, 0.5001, 1.0, 1.7])
@pytest.mark.parametrize("log_scale", [-7.0, -5.0, -2.0, 0.0, 4.0])
def test_the_probabilities_of_256_levels_sum_to_one(mean, log_scale):
    """The outermost bins hold the rest of the line, also for means outside [0, 1]."""
    assert float(of_levels(mean, log_scale).exp().sum()) == pytest.approx(1.0, abs=1e-6)


def test_a_levels_probability_is_the_logistic_laws_mass_of_its_bin():
    """F(x + 1/510) - F(x - 1/510), with F(-inf) = 0 and F(inf) = 1 at the ends."""
    mean, scale, half = 0.4, math.exp(-2.0), 0.5 / 255
    upper = logistic_cdf(LEVELS + half, mean, scale)
    lower = logistic_cdf(LEVELS - half, mean, scale)
    upper[-1], lower[0] = 1.0, 0.0
    torch.testing.assert_close(of_levels(mean, -2.0), (upper - lower).log(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("mean", [-0.2, 0.0, 0.3, 0.501, 0.9, 1.0, 1.2])
@pytest.mark.parametrize("log_scale", [-7.0, -5.0, -3.0, -1.0, 0.0, 2.0])
def test_the_mean_picture_is_the_mean_over_levels_and_not_the_laws_location(mean, log_scale):
    """Sum of x p(x) over the 256 levels, of which the outermost hold the tails; to half a level at most."""
    decoded = torch.tensor([[[mean - 0.5], [log_scale]]], dtype=torch.float64)
    exact = float((LEVELS * of_levels(mean, log_scale).exp()).sum())
    found = float(DiscretizedLogistic().build().mean(decoded))
    assert found == pytest.approx(exact, abs=1e-4 if log_scale > -4 else 0.51 / 255)


def test_levels_far_from_the_mean_keep_their_probability_and_their_slope():
    """Far above the mean the logistic's tail is exp(-(x - mean) / s): a bin at distance t has

        log p = -t / s + log(exp(h / s) - exp(-h / s)),   h = 1/510, up to exp(-t / s).

    In float32 the difference of two CDFs near 1 is exactly 0 there: a floor under it would hide how wrong
    the mean is, and give no gradient to mend it.
    """
    mean, s, half = 0.1, math.exp(-5.0), 0.5 / 255
    shift = torch.tensor([mean - 0.5], dtype=torch.float32, requires_grad=True)
    decoded = torch.stack([shift, torch.full((1,), -5.0)])[None]
    x = torch.tensor([[204 / 255]], dtype=torch.float32)
    found = DiscretizedLogistic().build().log_prob(decoded, x)
    t = 204 / 255 - mean
    expected = -t / s + math.log(math.exp(half / s) - math.exp(-half / s))
    assert found.item() == pytest.approx(expected, rel=1e-4)
    (slope,) = torch.autograd.grad(found.sum(), shift)
    assert float(slope) == pytest.approx(1 / s, rel=1e-3)


def test_a_wide_law_is_uniform_over_the_inner_levels():
    """A scale far wider than [0, 1] gives the inner levels equal mass."""
    inside = of_levels(0.5, 4.0)[1:-1]
    assert float(inside.max() - inside.min()) < 1e-3


def test_logistic_draws_are_levels_with_the_laws_frequencies():
    """20,000 draws against the probability of each level, by chi-squared over the likely levels."""
    mean, log_scale, count = 0.5, -3.0, 20_000
    decoded = torch.tensor([mean - 0.5, log_scale]).repeat(count, 1)[..., None]
    x = DiscretizedLogistic().build().sample(decoded, noise_of(0)).flatten()
    level = (x.double() * 255).round()
    torch.testing.assert_close(x.double(), level / 255, rtol=0, atol=1e-7)
    found = torch.bincount(level.long(), minlength=256).double()
    expected = count * of_levels(mean, log_scale).exp()
    likely = expected > 20
    statistic = ((found - expected).square() / expected)[likely].sum()
    freedom = int(likely.sum())
    assert float(statistic) < freedom + 5 * math.sqrt(2 * freedom)


def test_the_logistic_mean_lies_in_the_unit_range():
    decoded = torch.tensor([[[-3.0], [0.0]], [[0.2], [0.0]], [[3.0], [0.0]]])
    mean = DiscretizedLogistic().build().mean(decoded).flatten()
    assert 0 <= mean[0] < mean[1] < mean[2] <= 1


# ---- all of them

LAWS = (Bernoulli(), Gaussian(), DiscretizedLogistic())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_half_precision_outputs_give_at_least_float32(law):
    module, x = law.build(), torch.rand(2, *SHAPE)
    decoded = torch.zeros(2, module.outputs, *SHAPE, dtype=torch.bfloat16)
    assert module.log_prob(decoded, x).dtype == module.mean(decoded).dtype == torch.float32
    assert module.log_prob(decoded.double(), x.double()).dtype == torch.float64


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_log_likelihoods_are_sums_over_a_samples_entries(law):
    """Twice the entries, twice the nats."""
    module = law.build()
    decoded, x = drawn(0, 3, module.outputs, 4), (drawn(1, 3, 4) > 0).double()
    once = module.log_prob(decoded, x)
    twice = module.log_prob(decoded.repeat(1, 1, 2), x.repeat(1, 2))
    assert once.shape == (3,)
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_a_draw_is_a_function_of_the_noise(law):
    module = law.build()
    decoded = torch.zeros(2, module.outputs, *SHAPE)
    one, two, other = (module.sample(decoded, noise_of(seed)) for seed in (1, 1, 2))
    assert one.shape == (2, *SHAPE) and torch.equal(one, two) and not torch.equal(one, other)
