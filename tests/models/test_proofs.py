"""Where mathematics knows the answer, the models give it.

The linear VAE is probabilistic PCA (Tipping & Bishop 1999; Lucas et al. 2019, section 3). With lambda_j
the eigenvalues of the data's covariance (1/N), U their vectors and q latents, its optimum is

    sigma^2 = mean of lambda_{q+1..d},   W = U_q (Lambda_q - sigma^2)^(1/2),
    q(z|x) = N(M^-1 W^T (x - mu), sigma^2 M^-1),   M = W^T W + sigma^2 = Lambda_q,

and there the posterior is exact, so that the ELBO is the likelihood.
"""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from reverie.data.dataset import Split
from reverie.data.stream import Stream
from reverie.latent.bounds import ELBO, IWAE, Draws
from reverie.latent.likelihoods import Gaussian
from reverie.losses.adversarial import NonSaturating
from reverie.losses.penalties import R1, NoPenalty
from reverie.models import AutoencoderConfig, GANConfig, VAEConfig
from reverie.models.base import Batch
from reverie.models.vae import ACTIVE
from reverie.networks import MLP, Conv
from reverie.optim import SGD, Adam
from reverie.schedules import Ramp
from reverie.settings import TrainConfig
from reverie.spec import Pixels, Vector
from reverie.tensors import mix, noise_of
from reverie.training import Plan, looking, start, train_step

LINEAR = MLP(widths=())
TABLE = {2: 0.0057, 5: 8.9076, 10: 17.4519, 20: 27.2773, 32: 35.2470}
"""The maximum average log-likelihood of digits / 16 with q latents, in nats: the closed form."""


class Digits:
    """scikit-learn's digits / 16, `(1797, 64)`, and the eigenvalues of their covariance."""

    def __init__(self):
        x = load_digits().data / 16
        values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
        self.x, self.mean = torch.from_numpy(x), torch.from_numpy(x.mean(0))
        self.values = torch.from_numpy(values[::-1].clip(0).copy())
        self.vectors = torch.from_numpy(vectors[:, ::-1].copy())

    def noise_variance(self, q):
        """sigma^2 at the optimum."""
        return self.values[q:].mean()

    def rates(self, q):
        """KL of each latent, averaged over the data: ln(lambda_j / sigma^2) / 2."""
        return 0.5 * (self.values[:q] / self.noise_variance(q)).log()

    def log_likelihood(self, q, variance=None):
        """The maximum average log-likelihood, Tipping & Bishop (1999), eq. 8 with C at its optimum."""
        s = self.noise_variance(q) if variance is None else torch.tensor(variance)
        active = self.values[:q][self.values[:q] > s]
        rest = self.values.sum() - active.sum()
        d, k = len(self.values), len(active)
        logs = active.log().sum() + (d - k) * s.log() + d * math.log(2 * math.pi)
        return float(-0.5 * (logs + k + rest / s))


@pytest.fixture(scope="module")
def digits():
    return Digits()


def optimal_vae(digits, q):
    """Our VAE with the closed-form optimum as its weights, in float64."""
    model = VAEConfig(latent=q, network=LINEAR, likelihood=Gaussian(learn=True)).build(
        Vector(size=64)
    )
    model = model.double()
    variance, values = digits.noise_variance(q), digits.values[:q]
    scale = (values - variance).sqrt()
    encode = (scale / values)[:, None] * digits.vectors[:, :q].T
    encoder, decoder = model.encoder[-1], model.decoder[0]
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.weight[:q] = encode
        encoder.bias[:q] = -encode @ digits.mean
        encoder.bias[q:] = (variance / values).log()
        decoder.weight.copy_(digits.vectors[:, :q] * scale)
        decoder.bias.copy_(digits.mean)
        model.likelihood.log_var.fill_(variance.log())
    return model.requires_grad_(False)


# ---- the linear VAE at its optimum


@pytest.mark.parametrize("q", TABLE)
def test_the_table_is_the_closed_form(digits, q):
    """The table's four decimals are what Tipping & Bishop's formula gives on these very digits."""
    assert abs(digits.log_likelihood(q) - TABLE[q]) < 1e-4


@pytest.mark.parametrize("q", TABLE)
def test_the_likelihood_bound_of_a_linear_vae_is_that_of_ppca(digits, q, shows):
    """With the exact posterior every draw has the same weight p(x): one draw gives log p(x) itself."""
    model = optimal_vae(digits, q)
    one, many = (model.log_likelihood(digits.x, noise_of(k), k) for k in (1, 3))
    shows(
        f"linear VAE at its optimum, {q:2} latents: log-likelihood in nats", one.mean(), TABLE[q]
    )
    assert abs(float(one.mean()) - TABLE[q]) < 1e-4
    torch.testing.assert_close(one, many, rtol=0, atol=1e-8)


def test_each_samples_bound_is_its_density_under_ppca(digits):
    """p(x) = N(mu, W W^T + sigma^2 I), from torch.distributions."""
    model = optimal_vae(digits, 5)
    weight, variance = model.decoder[0].weight, digits.noise_variance(5)
    covariance = weight @ weight.T + variance * torch.eye(64, dtype=torch.float64)
    law = torch.distributions.MultivariateNormal(digits.mean, covariance)
    bound = model.log_likelihood(digits.x, noise_of(0), 1)
    torch.testing.assert_close(bound, law.log_prob(digits.x), rtol=0, atol=1e-8)


@pytest.mark.parametrize("q", TABLE)
def test_the_elbo_equals_the_likelihood_at_the_optimum(digits, q):
    """Rate: sum_j ln(lambda_j / sigma^2) / 2 exactly. Distortion: d (ln 2 pi sigma^2 + 1) / 2 on average
    over draws, whose squared residual is d sigma^2; their sum is the table's number with its sign turned.
    """
    model = optimal_vae(digits, q)
    losses = model.losses(Batch(x=digits.x, noise=noise_of(0)))
    rate, distortion = losses["rate"][0], losses["distortion"][0]
    torch.testing.assert_close(rate.mean(), digits.rates(q).sum(), rtol=0, atol=1e-9)
    expected = 32 * (float(digits.noise_variance(q).log()) + math.log(2 * math.pi) + 1)
    assert abs(expected + float(digits.rates(q).sum()) + TABLE[q]) < 1e-4
    error = float(distortion.std()) / math.sqrt(len(distortion))
    assert abs(float(distortion.mean()) - expected) < 4 * error


@pytest.mark.parametrize("q", TABLE)
def test_the_rate_of_each_latent_is_half_the_log_of_its_share(digits, q):
    """E_x KL_j = ln(lambda_j / sigma^2) / 2: every latent above sigma^2 is in use."""
    model = optimal_vae(digits, q)
    draws, _ = model.draws(digits.x, noise_of(0), 1, ratio=False)
    torch.testing.assert_close(draws.kl.mean(0), digits.rates(q), rtol=0, atol=1e-9)
    _, parts = model.loss(Batch(x=digits.x, noise=noise_of(0)))
    assert parts["active"] == int((digits.values[:q] > digits.noise_variance(q)).sum()) == q


def test_codes_have_the_variance_that_the_posterior_leaves(digits):
    """Var_x E[z_j|x] = 1 - sigma^2 / lambda_j; with the posterior's variance it sums to 1."""
    codes = optimal_vae(digits, 10).encode(digits.x)
    expected = 1 - digits.noise_variance(10) / digits.values[:10]
    torch.testing.assert_close(codes.var(0, correction=0), expected, rtol=0, atol=1e-9)


def test_the_squared_error_of_reconstructions_is_that_of_ppca(digits):
    """E |x - x_hat|^2 = sum_j sigma^4 / lambda_j + (d - q) sigma^2."""
    q, variance = 10, digits.noise_variance(10)
    x_hat = optimal_vae(digits, q).reconstruct(digits.x)
    expected = (variance**2 / digits.values[:q]).sum() + (64 - q) * variance
    torch.testing.assert_close(
        (digits.x - x_hat).square().sum(1).mean(), expected, rtol=0, atol=1e-9
    )


def test_a_linear_autoencoder_at_pca_costs_the_rest_of_the_variance(digits):
    """Baldi & Hornik (1989): the least squared error is sum_{j>q} lambda_j. As a Gaussian of scale s the
    distortion is that over 2 s^2, plus d (ln 2 pi s^2) / 2.
    """
    q, scale = 10, 0.5
    config = AutoencoderConfig(latent=q, network=LINEAR, likelihood=Gaussian(scale=scale))
    model = config.build(Vector(size=64)).double().requires_grad_(False)
    encoder, decoder, u = model.encoder[-1], model.decoder[0], digits.vectors[:, :q]
    encoder.weight.copy_(u.T)
    encoder.bias.copy_(-u.T @ digits.mean)
    decoder.weight.copy_(u)
    decoder.bias.copy_(digits.mean)
    loss, _ = model.loss(Batch(x=digits.x, noise=noise_of(0)))
    expected = digits.values[q:].sum() / (2 * scale**2) + 32 * math.log(2 * math.pi * scale**2)
    assert (
        abs(float(loss) - float(expected)) < 1e-5
    )  # the scale's logarithm is a float32 parameter


# ---- the linear VAE trained


def analytic_elbo(model, x):
    """The average ELBO of any linear VAE, with the expectation over z in closed form:
    E |x - W z - b|^2 = |x - W m - b|^2 + sum_j |W_j|^2 s_j^2.
    """
    model = model.double().requires_grad_(False)
    with looking(model):
        posterior = model.config.posterior(model.encoder(x))
        weight, variance = model.decoder[0].weight, model.likelihood.log_var.exp()
        residual = (x - model.decode(posterior.mean)).square().sum(1)
        spread = posterior.log_var.exp() @ weight.square().sum(0)
        distortion = 0.5 * (64 * (2 * math.pi * variance).log() + (residual + spread) / variance)
        rate = 0.5 * (posterior.mean.square() + posterior.log_var.exp() - 1 - posterior.log_var)
    return float(-(distortion + rate.sum(1)).mean()), rate.mean(0)


@pytest.mark.parametrize("q", TABLE)
def test_the_elbo_in_closed_form_is_the_likelihood_at_the_optimum(digits, q, shows):
    """Without any draw: -rate - distortion is Tipping & Bishop's maximum to 1e-10 nats."""
    elbo, _ = analytic_elbo(optimal_vae(digits, q), digits.x)
    shows(f"linear VAE at its optimum, {q:2} latents: ELBO in nats", elbo, TABLE[q])
    assert abs(elbo - digits.log_likelihood(q)) < 1e-10


@pytest.mark.parametrize("entry", ["encoder", "decoder", "variance"])
def test_off_the_optimum_the_elbo_is_below_the_likelihood(digits, entry):
    """The optimum is one: each part changed by 1 % costs more than 1e-6 nats, and never gains."""
    model = optimal_vae(digits, 5)
    changed = {
        "encoder": model.encoder[-1].weight,
        "decoder": model.decoder[0].weight,
        "variance": model.likelihood.log_var,
    }[entry]
    changed.mul_(1.01)
    elbo, _ = analytic_elbo(model, digits.x)
    assert elbo < digits.log_likelihood(5) - 1e-6


def largest_angle(a, b):
    """The largest principal angle of the spans of two `(d, q)`, in radians. Bjorck & Golub (1973), eq. 13.

    From its sine, which is exact where the cosine is 1 to rounding.
    """
    a, b = (torch.linalg.qr(x.double()).Q for x in (a, b))
    return float(torch.linalg.matrix_norm(b - a @ (a.T @ b), 2).clamp_max(1).asin())


def test_the_largest_angle_is_that_of_planes_turned_by_it():
    """Planes of e1, e2 and of e1, cos t e2 + sin t e3, each in another basis of its own."""
    basis = torch.tensor([[2.0, 1.0], [-1.0, 3.0]], dtype=torch.float64)
    for angle in (0.0, 1e-6, 0.3, math.pi / 2):
        a = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64).T
        b = torch.tensor(
            [[1.0, 0, 0], [0, math.cos(angle), math.sin(angle)]], dtype=torch.float64
        ).T
        assert largest_angle(a @ basis, b) == pytest.approx(angle, abs=1e-12)


def trained_vae(digits, q, likelihood, steps=1500, seed=0):
    """Trained by the loop that trains everything, on float32 samples."""
    torch.manual_seed(seed)
    model = VAEConfig(latent=q, network=LINEAR, likelihood=likelihood).build(Vector(size=64))
    rate = Ramp(kind="cosine", start=5e-2, end=1e-5)
    config = TrainConfig(batch=256, optimizer=Adam(lr=rate), seed=seed)
    stream = Stream(Split(digits.x.float()), 256, seed, "raw", torch.device("cpu"))
    state, plan = start(model, config), Plan(config, steps, stream)
    for _ in range(steps):
        train_step(state, plan)
    return model


@pytest.fixture(scope="module", params=[2, 5])
def trained(request, digits):
    """A number of latents, and the VAE of as many, trained. Its variance starts at 1, above every
    eigenvalue: from far below the optimum, the stiff way up takes ten times as long.
    """
    q = request.param
    return q, trained_vae(digits, q, Gaussian(scale=1.0, learn=True), steps=3000)


def test_training_reaches_the_likelihood_of_ppca(digits, trained, shows):
    """Within 0.01 nats below the maximum, and never above it: the ELBO is a bound."""
    q, model = trained
    elbo, rates = analytic_elbo(model, digits.x)
    best = digits.log_likelihood(q)
    shows(f"linear VAE trained, {q:2} latents: ELBO in nats", elbo, best)
    assert best - 0.01 < elbo < best
    torch.testing.assert_close(rates.sum(), digits.rates(q).sum(), rtol=0, atol=0.1)
    variance = model.likelihood.log_var.exp()
    torch.testing.assert_close(variance, digits.noise_variance(q), rtol=0.002, atol=0)


def test_training_finds_the_principal_subspace(digits, trained):
    """The decoder's columns span that of the first q eigenvectors, to 0.01 radians in every direction."""
    q, model = trained
    assert largest_angle(model.decoder[0].weight.detach(), digits.vectors[:, :q]) < 1e-2


def test_as_many_latents_are_active_as_eigenvalues_exceed_a_fixed_variance(digits, shows):
    """Lucas et al. (2019), section 4: at sigma^2 fixed, the optimum's column j vanishes where
    lambda_j <= sigma^2. Between the fourth and fifth eigenvalue, 0.395 and 0.271, four of eight stay.
    """
    variance = 0.33
    count = int((digits.values > variance).sum())
    assert count == 4
    model = trained_vae(digits, 8, Gaussian(scale=math.sqrt(variance)))
    elbo, rates = analytic_elbo(model, digits.x)
    shows(
        "linear VAE trained at sigma^2 = 0.33: active of 8 latents", (rates > ACTIVE).sum(), count
    )
    assert int((rates > ACTIVE).sum()) == count
    expected = 0.5 * (digits.values[:count] / variance).log().sum()
    torch.testing.assert_close(rates.sum(), expected, rtol=0, atol=0.02)
    best = digits.log_likelihood(8, variance)
    assert best - 0.02 < elbo < best + 1e-4


# ---- the importance-weighted bound of p(z) = N(0, 1), p(x|z) = N(z, 1) at x = 0 with q(z) = p(z)

LOG_P = -0.5 * math.log(4 * math.pi)


def log_weights(z):
    """log p(x=0|z), and log q(z) - log p(z) = 0."""
    return -0.5 * (math.log(2 * math.pi) + z.square()), torch.zeros_like(z)


def bound_of(log_likelihood, log_ratio, bound):
    draws = Draws(
        log_likelihood, log_ratio, torch.zeros(log_likelihood.shape[1], 1, dtype=torch.float64)
    )
    return bound(draws, 1.0).value


def quadrature(k, order):
    """L_k by a product of Gauss-Hermite rules: our bound of every node, weighted."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    z = torch.cartesian_prod(*[torch.from_numpy(nodes)] * k).reshape(-1, k)
    w = (
        torch.cartesian_prod(*[torch.from_numpy(weights / weights.sum())] * k)
        .reshape(-1, k)
        .prod(1)
    )
    one = torch.vmap(lambda z: bound_of(*log_weights(z[:, None]), IWAE(draws=k)))
    return float(one(z) @ w)


@pytest.mark.parametrize(
    ("k", "order", "expected"),
    [(1, 60, -1.4189385332), (2, 120, -1.3173038882), (3, 60, -1.2962613830)],
)
def test_the_iwae_bound_has_its_values_by_quadrature(k, order, expected, shows):
    """k = 1 is -ln(2 pi)/2 - 1/2; the others are reference/evaluation.md, section 3.2."""
    found = quadrature(k, order)
    shows(f"IWAE of one dimension, {k:2} draws, by quadrature: nats", found, expected)
    assert abs(found - expected) < 1e-6


def test_one_draws_iwae_bound_is_the_elbo():
    """E log p(x|z) = -ln(2 pi)/2 - 1/2, and the KL of q = p is zero: the same number from both bounds."""
    z = torch.randn(1, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one = bound_of(*log_weights(z), IWAE(draws=1))
    assert torch.equal(one, bound_of(*log_weights(z), ELBO()))


def drawn(k, count=100_000):
    """L_k and its standard error, with mean_k w / p - 1, of expectation 0, as a control variate."""
    generator = torch.Generator().manual_seed(k)
    z = torch.randn(k, count, dtype=torch.float64, generator=generator)
    log_likelihood, log_ratio = log_weights(z)
    excess = (log_likelihood - LOG_P).exp().mean(0) - 1
    value = float(bound_of(log_likelihood, log_ratio, IWAE(draws=k)) - excess.mean())
    each = (1 + excess).log() - excess
    return value, float(each.std()) / math.sqrt(count)


def test_the_iwae_bound_tightens_with_every_draw(shows):
    """Burda et al. (2016), theorem 1: rising in k and below log p. The values at 5, 10 and 50 are
    reference/evaluation.md, section 3.2; the gap goes as (2 / sqrt 3 - 1) / 2k = 0.07735 / k.
    """
    known = {5: -1.28253, 10: -1.27362, 50: -1.267079}
    found = {k: drawn(k) for k in (1, 2, 3, 5, 10, 50)}
    values = [value for value, _ in found.values()]
    assert values == sorted(values)
    assert all(value <= LOG_P + 4 * error for value, error in found.values())
    for k, expected in known.items():
        shows(f"IWAE of one dimension, {k:2} draws, drawn: nats", found[k][0], expected)
        assert abs(found[k][0] - expected) < 4 * found[k][1] + 2e-5
    assert abs(50 * (LOG_P - found[50][0]) / 0.0773503 - 1) < 0.03


@pytest.mark.parametrize("k", [1, 2, 7])
def test_drawn_from_the_true_posterior_every_bound_is_the_likelihood(k):
    """q(z) = p(z | x = 0) = N(0, 1/2) gives every draw the weight p(x): no variance, at any k."""
    z = math.sqrt(0.5) * torch.randn(
        k, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    log_q = -0.5 * (math.log(math.pi) + 2 * z.square())
    log_prior = -0.5 * (math.log(2 * math.pi) + z.square())
    for column in range(5):
        one = bound_of(
            log_weights(z)[0][:, [column]], (log_q - log_prior)[:, [column]], IWAE(draws=k)
        )
        assert abs(float(one) - LOG_P) < 1e-12


# ---- the Dirac-GAN: real data at 0, generated at theta, critic psi x. Mescheder et al. (2018), section 2


class Dirac(torch.nn.Module):
    """D(x) = psi x."""

    def __init__(self, psi):
        super().__init__()
        self.psi = torch.nn.Parameter(torch.tensor(psi, dtype=torch.float64))

    def forward(self, x):
        return self.psi * x


def play(steps, h, penalty, start=1e-3):
    """Simultaneous gradient descent of our game and penalty from theta = start, psi = 0."""
    critic, theta = Dirac(0.0), torch.tensor([[start]], dtype=torch.float64, requires_grad=True)
    game, real = NonSaturating(), torch.zeros(1, 1, dtype=torch.float64)
    for _ in range(steps):
        real_scores, fake_scores, slope = penalty.judge(critic, real, theta.detach(), noise_of(0))
        loss = game.critic(real_scores, fake_scores)
        if slope is not None:
            loss = loss + penalty.weight * slope
        (down_psi,) = torch.autograd.grad(loss, critic.psi)
        fake = critic(theta)
        (down_theta,) = torch.autograd.grad(game.generator(fake, fake), theta)
        with torch.no_grad():
            critic.psi -= h * down_psi
            theta -= h * down_theta
    return torch.stack([theta.detach().squeeze(), critic.psi.detach()])


def linearised(steps, h, gamma, start=1e-3):
    """Near the equilibrium theta' = theta + h psi / 2 and psi' = psi - h (theta / 2 + gamma psi)."""
    step = torch.tensor([[1, h / 2], [-h / 2, 1 - h * gamma]], dtype=torch.float64)
    return torch.linalg.matrix_power(step, steps) @ torch.tensor([start, 0.0], dtype=torch.float64)


def test_the_dirac_gan_diverges_without_a_penalty(shows):
    """The step's eigenvalues are 1 +- i h/2, of modulus (1 + h^2/4)^(1/2): it grows by that each step."""
    h, steps = 0.2, 300
    end = play(steps, h, NoPenalty())
    growth = float(end.norm()) / 1e-3
    shows("Dirac-GAN without a penalty: growth", growth, (1 + h * h / 4) ** (steps / 2))
    assert growth == pytest.approx((1 + h * h / 4) ** (steps / 2), rel=1e-3)
    assert growth > 4


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_dirac_gan_converges_with_r1(gamma, shows):
    """Eigenvalues -gamma/2 +- (gamma^2/4 - 1/4)^(1/2) have negative real parts: the same start dies out."""
    h, steps = 0.2, 300
    end = play(steps, h, R1(weight=gamma))
    expected = linearised(steps, h, gamma)
    growth, known = float(end.norm()) / 1e-3, float(expected.norm()) / 1e-3
    shows(f"Dirac-GAN with R1 of {gamma}: growth", growth, known)
    assert growth < 0.05
    torch.testing.assert_close(end, expected, rtol=0, atol=1e-3 * 1e-3)


# ---- R1 of critics whose slope is known


def test_the_penalty_of_a_linear_critic_is_half_its_squared_weight(shows):
    """D(x) = w.x + b has slope w everywhere: gamma |w|^2 / 2 is added to the game, whatever the data."""
    config = GANConfig(latent=2, generator=LINEAR, critic=LINEAR, penalty=R1(weight=3.0))
    torch.manual_seed(0)
    model = config.build(Vector(size=4))
    x = torch.randn(6, 4)
    loss, parts = model.critic_loss(Batch(x=x, noise=noise_of(0)))
    weight = model.critic[-1].weight
    expected = parts["game"] + 3.0 * 0.5 * weight.square().sum()
    shows("R1 of a linear critic", parts["penalty"].detach(), 0.5 * weight.detach().square().sum())
    torch.testing.assert_close(loss, expected)


def test_the_penalty_of_a_quadratic_critic_is_that_of_its_moments(shows):
    """D(x) = x.A x / 2 + b.x has slope A x + b, so E |.|^2 / 2 = (tr(A S A) + |A m + b|^2) / 2 with the
    mean m and the covariance S of the samples.
    """
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(4, 4, generator=generator)
    a, b = a + a.T, torch.randn(4, generator=generator)
    x = torch.randn(50, 4, generator=generator) * 2 + 1
    critic = torch.nn.Module()
    critic.forward = lambda x: (0.5 * ((x @ a) * x).sum(1) + x @ b)[:, None]
    _, _, slope = R1().judge(critic, x, x, noise_of(0))
    mean, covariance = x.mean(0), torch.cov(x.T, correction=0)
    expected = 0.5 * ((a @ covariance @ a).trace() + (a @ mean + b).square().sum())
    shows("R1 of a quadratic critic", slope.detach(), expected)
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=0)


# ---- what the generator learns from


def tutorials_step(generator, critic, x, z, lr):
    """Two players' turns as tutorials print them, by plain gradient descent; gives both losses."""
    criterion = torch.nn.BCEWithLogitsLoss()
    of_critic, of_generator = (torch.optim.SGD(n.parameters(), lr=lr) for n in (critic, generator))
    real, fake = torch.ones(len(x), 1), torch.zeros(len(x), 1)
    made = generator(z)
    of_critic.zero_grad()
    loss = criterion(critic(x), real) + criterion(critic(made.detach()), fake)
    loss.backward()
    of_critic.step()
    of_generator.zero_grad()
    generator_loss = criterion(critic(made), real)
    generator_loss.backward()
    of_generator.step()
    return loss.detach(), generator_loss.detach()


def a_gan(**changes):
    """A small one, with data, and a plan of 10 samples a step."""
    torch.manual_seed(0)
    tiny = MLP(widths=(8,))
    model = GANConfig(latent=3, generator=tiny, critic=tiny, **changes).build(Vector(size=4))
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
    train = TrainConfig(batch=10, optimizer=SGD(lr=0.1))
    return model, x, Plan(train, 5, Stream(Split(x), 10, 0, "raw", torch.device("cpu")))


@pytest.mark.parametrize("accumulate", [1, 2, 5])
def test_a_gan_of_shared_fakes_takes_the_tutorials_step(accumulate):
    """One batch of generated samples serves both players, whatever the parts it comes in."""
    model, x, plan = a_gan(shared_fakes=True)
    by_hand = copy.deepcopy(model)
    state = start(model, plan.config)
    values = train_step(state, replace(plan, config=plan.config.with_(accumulate=accumulate)))
    z = torch.randn(10, 3, generator=torch.Generator().manual_seed(mix(plan.config.seed + 1, 1)))
    losses = tutorials_step(by_hand.generator, by_hand.critic, x, z, lr=0.1)
    torch.testing.assert_close(
        (values["critic/game"], values["generator/game"]), losses, rtol=1e-5, atol=0
    )
    for ours, theirs in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("shared", "batches"), [(False, 2), (True, 1)])
def test_the_generator_runs_once_a_step_where_fakes_are_shared(shared, batches):
    """Goodfellow et al. (2014), algorithm 1, draws noise for each player."""
    model, _, plan = a_gan(shared_fakes=shared)
    made = []
    model.generator.register_forward_hook(lambda *of: made.append(len(of[2])))
    train_step(start(model, plan.config), plan)
    assert made == [10] * batches


def test_shared_fakes_of_several_critic_turns_are_refused():
    with pytest.raises(ValueError, match=r"write model\.shared_fakes=false"):
        GANConfig(shared_fakes=True, critic_turns=2)


# ---- a critic with batch norm


def test_a_batch_norm_sees_real_and_generated_samples_apart():
    """Radford et al. (2016) normalise each: over both at once, their means would tell them apart."""
    config = Conv(widths=(4, 8), norm="batch")
    torch.manual_seed(0)
    model = GANConfig(latent=2, generator=config, critic=config).build(Pixels(shape=(1, 8, 8)))
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    _, parts = model.critic_loss(Batch(x=x, noise=noise_of(0)))
    with torch.no_grad():
        fake = model.sample(6, noise_of(0))
        apart = model.critic(x), model.critic(fake)
        together = model.critic(torch.cat([x, fake])).chunk(2)
    game = model.config.game.critic
    torch.testing.assert_close(parts["game"].detach(), game(*apart))
    assert abs(game(*apart) - game(*together)) > 1e-3
