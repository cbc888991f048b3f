"""The doctor names the cause of latents that carry nothing: on linear Gaussian models, where it is known.

The optimum of a linear VAE has an active latent for each direction of the data whose variance is above
beta sigma^2, with W_j = sqrt(l_j - beta sigma^2) and q(z_j|x) of variance beta sigma^2 / l_j: Lucas et al.
(2019), section 4, which for beta = 1 is probabilistic PCA.
"""

import math

import pytest
import torch

from reverie.evaluation.codes import posteriors
from reverie.evaluation.doctor import eigenvalues
from reverie.latent.likelihoods import Gaussian
from reverie.latent.priors import GaussianMixture
from reverie.models import VAEConfig
from reverie.networks import MLP
from reverie.schedules import Ramp

VARIANCES = (9.0, 6.0, 4.0, 2.5, 2.0)
LINEAR = MLP(widths=())


def linear(sigma2, beta=1.0, latent=5, learn=False):
    likelihood = Gaussian(scale=math.sqrt(sigma2), learn=learn)
    return VAEConfig(latent=latent, network=LINEAR, likelihood=likelihood, beta=beta)


def optimum(noise):
    """Sets the weights of the optimum for beta sigma^2 = `noise`, on data that lies along the axes."""

    def fill(model):
        for parameter in (*model.encoder.parameters(), *model.decoder.parameters()):
            parameter.zero_()
        encoder, decoder, latent = model.encoder[-1], model.decoder[0], model.latent
        for j, variance in enumerate(VARIANCES[:latent]):
            if variance > noise:
                decoder.weight[j, j] = math.sqrt(variance - noise)
                encoder.weight[j, j] = math.sqrt(variance - noise) / variance
                encoder.bias[latent + j] = math.log(noise / variance)

    return fill


@pytest.fixture
def diagnosis(subject, dataset):
    """What the record of the active units warns of, on data of exactly these variances."""
    x = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    white = torch.linalg.qr(x - x.mean(0)).Q * math.sqrt(3999)
    data = dataset(*((white * torch.tensor(VARIANCES).sqrt()).float(),) * 2)

    def find(config, weights):
        judged = subject(config, data, weights)
        record = posteriors(judged)[0]
        return record.value, " ".join(record.warnings)

    find.data = data
    return find


def test_the_variances_are_those_of_the_data(diagnosis, subject):
    judged = subject(linear(0.5), diagnosis.data)
    assert eigenvalues(judged).tolist() == pytest.approx(sorted(VARIANCES), rel=1e-5)


def test_where_every_latent_carries_something_there_is_nothing_to_say(diagnosis):
    assert diagnosis(linear(1.0), optimum(1.0)) == (5, "")


def test_a_sigma_above_directions_of_the_data_switches_their_latents_off(diagnosis):
    """sigma^2 = 3 is above 2.5 and 2."""
    active, cause = diagnosis(linear(3.0), optimum(3.0))
    assert active == 3
    assert cause == (
        "2 of 5 latents carry nothing: sigma is too large (only 3 directions of the data vary by more than "
        "sigma^2 = 3); lower model.likelihood.scale, or learn it (model.likelihood.learn=true)"
    )


def test_a_sigma_above_all_directions_is_a_collapse(diagnosis):
    active, cause = diagnosis(linear(100.0), optimum(100.0))
    assert active == 0
    assert cause.startswith(
        "posterior collapse: no latent carries anything: sigma is too large (only 0 "
    )


def test_a_learned_sigma_is_not_blamed(diagnosis):
    """It settles at what the latents leave over: there are no more directions worth a latent."""
    _, cause = diagnosis(linear(3.0, learn=True), optimum(3.0))
    assert cause == (
        "2 of 5 latents carry nothing: only 3 directions of the data vary by more than the learned "
        "sigma^2 = 3; fewer latents (model.latent) would do"
    )


def test_a_beta_that_asks_for_more_than_directions_bring_is_blamed(diagnosis):
    """sigma^2 = 1 is below all five, and beta sigma^2 = 5 only below 9 and 6."""
    active, cause = diagnosis(linear(1.0, beta=5.0), optimum(5.0))
    assert active == 2
    assert cause == (
        "3 of 5 latents carry nothing: beta = 5 asks for more than they bring; lower model.beta"
    )


@pytest.mark.parametrize("unit", ["budget", "samples"])
def test_a_beta_that_rises_is_judged_by_where_it_ends(unit, diagnosis):
    until = 1.0 if unit == "budget" else 60_000
    beta = Ramp(start=0.0, end=5.0, until=until, unit=unit)
    assert "beta = 5 asks for more" in diagnosis(linear(1.0, beta=beta), optimum(5.0))[1]


def test_a_decoder_that_does_without_latents_is_named(diagnosis, zero):
    active, cause = diagnosis(linear(1.0), optimum(1e9))  # all weights 0, sigma^2 as it is
    assert active == 0
    assert cause.startswith(
        "posterior collapse: no latent carries anything: the decoder does without"
    )


def test_a_collapse_that_the_data_does_not_ask_for_was_made_in_training(diagnosis):
    """The decoder answers to its latents, but the encoder says nothing."""

    def lost(model):
        optimum(1.0)(model)
        for parameter in model.encoder.parameters():
            parameter.zero_()

    active, cause = diagnosis(linear(1.0), lost)
    assert active == 0
    assert "though the data would pay for more: lost in training" in cause


def test_latents_beyond_the_directions_of_the_data_are_no_collapse_in_training(diagnosis):
    """Of eight latents, the five entries of the data can fill five."""
    active, cause = diagnosis(linear(1.0, latent=8), optimum(1.0))
    assert active == 5
    assert cause.endswith("sigma^2 = 1; fewer latents (model.latent) would do")


@pytest.mark.parametrize(
    ("beta", "words"), [(10.0, "beta = 10 asks for more"), (1.0, "the decoder does without them")]
)
def test_a_bernoulli_model_has_no_sigma_to_blame(beta, words, subject, noise_pictures, zero):
    config = VAEConfig(latent=3, network=LINEAR, beta=beta)
    record = posteriors(subject(config, noise_pictures(), zero))[0]
    [cause] = record.warnings
    assert record.value == 0 and words in cause and "sigma" not in cause


def test_latents_beside_those_that_do_the_work_are_named(subject, noise_pictures, zero):
    """A mean of one latent varies; nothing is known of why the others do not, but that they are spare."""

    def first_alone(model):
        zero(model)
        model.encoder[-1].weight[0] = 1.0

    config = VAEConfig(latent=3, network=LINEAR)
    record = posteriors(subject(config, noise_pictures(), first_alone))[0]
    [cause] = record.warnings
    assert record.value == 1 and cause.startswith("2 of 3 latents carry nothing")
    assert "model.latent=1 would do as well" in cause


def test_a_latent_of_a_mixture_prior_is_used_where_its_mean_varies(subject, noise_pictures, zero):
    """One posterior for all data, away from N(0, I): a KL to that of 2 nats a latent, and nothing said."""

    def away(model):
        zero(model)
        model.encoder[-1].bias[:3] = 2.0

    config = VAEConfig(latent=3, network=LINEAR, prior=GaussianMixture())
    record = posteriors(subject(config, noise_pictures(), away))[0]
    [cause] = record.warnings
    assert record.value == 0 and cause.startswith("posterior collapse: no latent carries anything")


def test_pictures_larger_than_their_number_ask_for_no_square_of_their_pixels(subject, dataset):
    """Two pictures of 3 x 128 x 128 differ in one direction, by 1 in one entry: its variance is 1/2."""
    x = torch.zeros(2, 3, 128, 128)
    x[1, 0, 0, 0] = 1
    found = eigenvalues(subject(linear(1.0), dataset(x, x)))
    assert float(found.max()) == pytest.approx(0.5) and len(found) == 2
