"""The importance-weighted bound of thousands of draws: its values, its error, its pieces.

reference/evaluation.md, section 3.2: p(z) = N(0, 1), p(x|z) = N(z, 1) at x = 0 with q(z) = p(z). There

    log p(x) = -ln(4 pi) / 2,    E[w^2] / E[w]^2 = 2 / sqrt(3).
"""

import math

import pytest
import torch

from reverie.errors import ConfigError
from reverie.latent.bounds import (
    ImportanceBound,
    importance_bound,
    log_prob_of_draws,
)
from reverie.latent.likelihoods import Bernoulli, DiscretizedLogistic, Gaussian
from reverie.latent.priors import GaussianMixture
from reverie.losses.divergences import log_mean_exp
from reverie.models import VAEConfig, vae
from reverie.networks import MLP, Conv
from reverie.spec import Pixels, Vector
from reverie.tensors import noise_of

LOG_P = -0.5 * math.log(4 * math.pi)
SPREAD = 2 / math.sqrt(3)
"""E[w^2] / E[w]^2."""


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def toy(k, count, seed=0):
    """log w = log p(x=0|z) of prior draws, `(k, count)`."""
    return -0.5 * (math.log(2 * math.pi) + drawn(seed, k, count).square())


# ---- the bound


@pytest.mark.parametrize(
    ("k", "count", "expected", "error"),
    [
        (1, 200_000, -1.4189385332, 0),
        (2, 200_000, -1.3173038882, 0),
        (3, 200_000, -1.2962613830, 0),
        (5, 100_000, -1.28253, 2e-5),
        (10, 100_000, -1.27362, 1e-5),
        (50, 40_000, -1.267079, 5e-6),
        (500, 4_000, -1.265668, 2e-6),
    ],
)
def test_the_bound_has_its_known_values(k, count, expected, error):
    """Every row of section 3.2, with mean w / p - 1, of expectation 0, as a control variate."""
    weights = toy(k, count, seed=k)
    excess = (weights - LOG_P).exp().mean(0) - 1
    controlled = importance_bound(weights.split(7)).value - excess
    own = float(controlled.std()) / math.sqrt(count)
    assert abs(float(controlled.mean()) - expected) < 4 * math.hypot(own, error)
    assert float(controlled.mean()) < LOG_P
    assert own < 0.002


def test_pieces_of_draws_change_nothing():
    weights = 5 * drawn(0, 23, 4)
    whole = importance_bound([weights])
    torch.testing.assert_close(whole.value, log_mean_exp(weights), rtol=1e-13, atol=0)
    for size in (1, 5, 22):
        found = importance_bound(weights.split(size))
        assert found.draws == 23
        torch.testing.assert_close(found.value, whole.value, rtol=1e-12, atol=0)
        torch.testing.assert_close(found.ess, whole.ess, rtol=1e-11, atol=0)


def test_small_weights_count_in_float64():
    """One weight 1 and 2^20 - 1 of e^-20: float32 would lose each of the small ones beside the large.

    log mean w = log((1 + (2^20 - 1) e^-20) / 2^20).
    """
    count = 2**20
    pieces = [torch.zeros(1, 1), torch.full((count - 1, 1), -20.0)]
    small = math.exp(-20)
    found = importance_bound(part for piece in pieces for part in piece.split(100_000))
    assert found.value.dtype == torch.float64
    expected = math.log((1 + (count - 1) * small) / count)
    assert float(found.value) == pytest.approx(expected, rel=1e-13)
    squares = 1 + (count - 1) * small**2
    assert float(found.ess) == pytest.approx((1 + (count - 1) * small) ** 2 / squares, rel=1e-12)


def test_weights_far_from_one_neither_overflow_nor_vanish():
    for shift in (-1e5, 1e5):
        found = importance_bound(
            [torch.tensor([[shift], [shift + math.log(3)]], dtype=torch.float64)]
        )
        assert float(found.value) == pytest.approx(shift + math.log(2), abs=1e-9)
        assert float(found.ess) == pytest.approx(16 / 10, rel=1e-9)


# ---- the effective sample size and the errors


def test_the_effective_sample_size_is_of_one_to_k():
    """Equal weights are worth K draws; one that outweighs all others is worth 1."""
    equal, single = torch.zeros(50, 1), torch.full((50, 1), -800.0)
    single[7] = 0
    assert float(importance_bound([equal]).ess) == pytest.approx(50, rel=1e-12)
    assert float(importance_bound([single]).ess) == pytest.approx(1, rel=1e-12)


def test_the_effective_share_is_that_of_the_weights_law():
    """ess / K goes to E[w]^2 / E[w^2] = sqrt(3) / 2."""
    found = importance_bound(toy(100_000, 5).split(9_999))
    torch.testing.assert_close(
        found.ess / 100_000, torch.full((5,), 1 / SPREAD).double(), rtol=0.01, atol=0
    )


def test_the_error_is_the_spread_of_the_bound_over_draws():
    """20,000 bounds of 50 draws each: their standard deviation, against the mean of the estimates."""
    found = importance_bound([toy(50, 20_000)])
    spread = float(found.value.std())
    assert float(found.error.square().mean().sqrt()) == pytest.approx(spread, rel=0.03)
    assert spread == pytest.approx(math.sqrt((SPREAD - 1) / 50), rel=0.03)


def test_the_bias_is_how_far_the_bound_lies_below_the_truth():
    """(E[w^2] / E[w]^2 - 1) / 2K = 0.0773503 / K. Section 3.2's asymptote."""
    k = 200
    found = importance_bound([toy(k, 5_000)])
    assert float(found.bias.mean()) * k == pytest.approx(0.0773503, rel=0.01)


def test_draws_of_the_true_posterior_leave_no_error():
    """w = p(x) for every draw: log p(x) to 1e-12, at every K."""
    z = math.sqrt(0.5) * drawn(1, 40, 3)
    log_prior = -0.5 * (math.log(2 * math.pi) + z.square())
    log_posterior = -0.5 * (math.log(math.pi) + 2 * z.square())
    weights = 2 * log_prior - log_posterior
    for k in (1, 2, 40):
        found = importance_bound(weights[:k].split(7))
        assert ((found.value - LOG_P).abs() < 1e-12).all()
        if k > 1:
            assert (found.error < 1e-6).all() and (found.bias < 1e-12).all()


def test_one_draw_knows_nothing_of_its_error():
    found = importance_bound([torch.zeros(1, 3)])
    assert found.error.isnan().all() and found.bias.isnan().all()


def test_the_errors_of_draws_follow_from_the_effective_sample_size():
    """K = 101 with ess 101/5 and 101/17: squared errors (5 - 1)/100 and (17 - 1)/100."""
    found = ImportanceBound(
        101, torch.tensor([-80.0, -84.0]).double(), 101 / torch.tensor([5.0, 17.0]).double()
    )
    torch.testing.assert_close(found.error, torch.tensor([0.2, 0.4]).double())
    torch.testing.assert_close(found.bias, torch.tensor([0.02, 0.08]).double())


# ---- log p(x|z) of many draws

LAWS = (Bernoulli(), Gaussian(), DiscretizedLogistic())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_each_draw_has_the_density_that_the_likelihood_gives_it(law):
    """Grey values too."""
    module, shape = law.build().double(), (2, 3, 4)
    decoded, x = 3 * drawn(0, 5, 7, module.outputs, *shape), torch.rand(5, *shape).double()
    found = log_prob_of_draws(module, decoded, x)
    assert found.shape == (5, 7)
    for k in range(7):
        torch.testing.assert_close(
            found[:, k], module.log_prob(decoded[:, k], x), rtol=1e-12, atol=0
        )


def test_half_precision_logits_are_summed_in_float32():
    decoded, x = torch.zeros(2, 3, 1, 4, dtype=torch.bfloat16), torch.rand(2, 4)
    found = log_prob_of_draws(Bernoulli().build(), decoded, x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((2, 3), -4 * math.log(2)))


# ---- of a VAE

CHOICES = {
    "bits": (VAEConfig(latent=3, network=MLP(widths=(8,))), Pixels(shape=(1, 5, 4))),
    "convolutions": (VAEConfig(latent=3, network=Conv(widths=(4, 4))), Pixels(shape=(2, 8, 8))),
    "levels": (
        VAEConfig(latent=2, network=MLP(widths=(8,)), likelihood=DiscretizedLogistic()),
        Pixels(shape=(1, 3, 3)),
    ),
    "mixture": (
        VAEConfig(
            latent=2,
            network=MLP(widths=(8,)),
            prior=GaussianMixture(components=3),
            likelihood=Gaussian(),
        ),
        Vector(size=4),
    ),
}


def built(name):
    config, spec = CHOICES[name]
    torch.manual_seed(0)
    model = config.build(spec).eval()
    return model, torch.rand(6, *spec.shape, generator=torch.Generator().manual_seed(1))


def one_by_one(model, x, noise, pieces):
    """Both densities of every draw as the training bound has them, in float64."""
    parts = []
    with torch.no_grad():
        for count in pieces:
            made, _ = model.draws(x, noise, count, ratio=True)
            parts.append(made.log_likelihood - made.log_ratio)
    return log_mean_exp(torch.cat(parts).double())


@pytest.mark.parametrize("name", CHOICES)
def test_a_models_bound_is_the_log_mean_of_its_training_weights(name):
    model, x = built(name)
    found = model.log_likelihood(x, noise_of(3), 20)
    assert found.dtype == torch.float32
    expected = one_by_one(model, x, noise_of(3), [20]).float()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", CHOICES)
def test_chunks_of_draws_and_samples_are_the_same_bound(name, monkeypatch):
    """Room for 4 decoded samples: 10 draws go as 4, 4 and 2; the last decodes 2 samples at a time."""
    model, x = built(name)
    entries = model.likelihood.outputs * x[0].numel()
    monkeypatch.setitem(vae.ENTRIES, "cpu", 4 * entries)
    found = model.importance(x, noise_of(3), 10)
    expected = one_by_one(model, x, noise_of(3), [4, 4, 2])
    torch.testing.assert_close(found.value, expected, rtol=1e-5, atol=1e-4)
    assert found.draws == 10 and found.value.dtype == found.ess.dtype == torch.float64


def test_few_latents_at_a_time_are_the_same_bound(monkeypatch):
    """Room for 2 draws of 6 samples' 3 latents: 5 draws go as 2, 2 and 1."""
    model, x = built("bits")
    monkeypatch.setattr(vae, "CODES", 2 * 6 * 3)
    found = model.importance(x, noise_of(3), 5)
    expected = one_by_one(model, x, noise_of(3), [2, 2, 1])
    torch.testing.assert_close(found.value, expected, rtol=1e-5, atol=1e-4)


def test_a_sample_is_encoded_once_and_few_are_decoded_at_a_time(monkeypatch):
    """Memory: 1000 draws of 6 samples, never more than 50 decoded samples at once."""
    model, x = built("bits")
    monkeypatch.setitem(vae.ENTRIES, "cpu", 50 * 20)
    encoded, decoded = [], []
    model.encoder.register_forward_hook(lambda m, given, out: encoded.append(len(out)))
    model.decoder.register_forward_hook(lambda m, given, out: decoded.append(len(out)))
    model.importance(x, noise_of(0), 1000)
    assert encoded == [6]
    assert sum(decoded) == 6000 and max(decoded) == 50


def test_a_sample_larger_than_the_room_goes_alone(monkeypatch):
    model, x = built("bits")
    monkeypatch.setitem(vae.ENTRIES, "cpu", 1)
    found = model.importance(x, noise_of(3), 3)
    torch.testing.assert_close(
        found.value, one_by_one(model, x, noise_of(3), [1, 1, 1]), rtol=1e-5, atol=1e-4
    )


def test_the_bound_keeps_no_graph_and_its_tensors_may_be_used_like_any():
    """Made in inference mode, they could otherwise not be changed in place or saved for a gradient."""
    model, x = built("bits")
    assert any(p.requires_grad for p in model.parameters())
    for found in (
        model.log_likelihood(x, noise_of(0), 3),
        model.importance(x, noise_of(0), 3).ess,
    ):
        assert not found.requires_grad and not found.is_inference()
    leaf = torch.ones(6, requires_grad=True)
    (leaf * model.log_likelihood(x, noise_of(0), 3)).sum().backward()
    assert leaf.grad is not None


def test_double_precision_stays_double():
    model, x = built("mixture")
    found = model.double().log_likelihood(x.double(), noise_of(0), 2)
    assert found.dtype == torch.float64


# ---- of a VAE, with few of the draws decoded


@pytest.mark.parametrize("name", CHOICES)
def test_the_mean_weight_of_few_decoded_draws_is_that_of_all(name):
    """E[mean w] = p(x) of both: 300 times 400 draws with 40 decoded, and 100,000 all decoded: 4 se."""
    model, x = built(name)
    full = model.importance(x, noise_of(1), 100_000)
    many = x.repeat(300, *(x.dim() - 1) * [1])
    thin = model.importance(many, noise_of(2), 400, 40)
    ratio = (thin.value.view(300, len(x)) - full.value).exp()
    error = (ratio.var(0) / 300 + full.error.square()).sqrt()
    assert ((ratio.mean(0) - 1).abs() < 4 * error).all()
    assert (error < 0.2).all()


@pytest.mark.parametrize("decoded", [10, 50])
def test_as_many_decoded_as_drawn_are_the_bound_itself(decoded):
    model, x = built("bits")
    whole = model.importance(x, noise_of(3), 10)
    found = model.importance(x, noise_of(3), 10, decoded)
    assert found.value.equal(whole.value) and found.error.equal(whole.error)


def test_no_more_are_decoded_than_was_asked_and_each_sample_is_encoded_once(monkeypatch):
    """Of 1000 draws of 6 samples 152 are decoded, thirds of 50, 50 and 52, 40 at a time."""
    model, x = built("bits")
    monkeypatch.setitem(vae.ENTRIES, "cpu", 40 * 20)
    monkeypatch.setattr(vae, "CODES", 2 * 1000 * 3)
    encoded, decoded, drawn = [], [], []
    model.encoder.register_forward_hook(lambda m, given, out: encoded.append(len(out)))
    model.decoder.register_forward_hook(lambda m, given, out: decoded.append(len(out)))
    plain = noise_of(0)
    monkeypatch.setattr(plain, "normal", lambda *shape: drawn.append(shape) or torch.randn(shape))
    found = model.importance(x, plain, 1000, 152)
    assert encoded == [6] and drawn == 3 * [(2, 1000, 3)]
    assert sum(decoded) == 6 * 152 and max(decoded) == 40
    assert found.draws == 1000 and found.value.shape == found.thinned.shape == (6,)


def test_a_thinned_bound_is_made_of_the_training_weights():
    """Weights that are all but equal: a mean of any of them is the mean of all."""
    config = VAEConfig(latent=3, network=MLP(widths=(8,)))
    torch.manual_seed(0)
    model = config.build(Pixels(shape=(1, 5, 4))).double().eval()
    with torch.no_grad():
        for linear in (
            list(model.encoder.parameters())[-2:],
            list(model.decoder.parameters())[-2:],
        ):
            for parameter in linear:
                parameter.mul_(1e-9)
    x = torch.rand(6, 1, 5, 4).double()
    found = model.importance(x, noise_of(0), 500, 8)
    torch.testing.assert_close(
        found.value, torch.full((6,), -20 * math.log(2)).double(), rtol=0, atol=1e-7
    )
    assert (found.error < 1e-7).all()


def test_too_few_decoded_are_refused():
    model, x = built("bits")
    with pytest.raises(ConfigError, match="decoded is 5; write at least 6"):
        model.importance(x, noise_of(0), 10, 5)


def test_no_draws_are_refused():
    model, x = built("bits")
    with pytest.raises(ConfigError, match="draws is 0; write at least 1"):
        model.log_likelihood(x, noise_of(0), 0)
