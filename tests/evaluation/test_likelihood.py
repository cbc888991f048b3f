"""Likelihoods against closed forms, and the difference estimator against repetitions of itself."""

import math

import pytest
import torch

from reverie.evaluation import subject as module
from reverie.evaluation.likelihood import (
    bits,
    carried_over,
    few_draws,
    losses,
    many_draws,
)
from reverie.evaluation.reconstruction import squared_error
from reverie.evaluation.subject import FEW
from reverie.latent.bounds import ImportanceBound
from reverie.latent.likelihoods import DiscretizedLogistic, Gaussian
from reverie.models import VAEConfig
from reverie.models.vae import VAE
from reverie.networks import MLP

TINY = MLP(widths=(8,))
COST = 64 * math.log(2)


def test_the_bound_of_a_vae_of_zero_weights_is_ln_2_a_pixel_for_any_number_of_draws(
    subject, families, noise_pictures, zero, by_metric
):
    """q is the prior and p(x|z) = 1/2 for each pixel: all weights are equal, and every draw counts."""
    judged = subject(families["vae"], noise_pictures(), zero, draws=123, images=7)
    records = by_metric(many_draws(judged))
    bound = records["-log p(x) bound, k=123"]
    assert bound.value == pytest.approx(COST, rel=1e-6)
    assert bound.uncertainty == pytest.approx(0, abs=1e-4)
    assert (bound.n, bound.unit, bound.direction) == (20, "nats", "lower")
    expected = {"likelihood": "bernoulli", "draws": 123, "images": 7, "draws_on_all": FEW}
    assert bound.settings == expected and bound.warnings == ()
    effective = records["effective draws"]
    assert effective.value == pytest.approx(123, rel=1e-6) and effective.n == 7
    assert few_draws(judged)[0].value == pytest.approx(COST, rel=1e-6)


def test_many_draws_of_all_samples_are_the_bound_itself(subject, families, noise_pictures):
    judged = subject(families["vae"], noise_pictures(), draws=5000, images=20)
    record = many_draws(judged)[0]
    direct = -judged.loaded.log_likelihood(judged.held_out, draws=5000, seed=99)
    assert record.values.tolist() == pytest.approx(direct.tolist(), abs=0.15)
    assert record.value == pytest.approx(float(direct.mean()), abs=0.02)
    error = float(record.values.std()) / math.sqrt(20)
    assert record.uncertainty == pytest.approx(error, rel=1e-5)


def test_a_subset_agrees_with_all_samples_within_its_error(subject, families, noise_pictures):
    """The few draws, known of all 200, carry most of what the subset of 20 lacks."""
    data = noise_pictures(test=200)
    whole = many_draws(subject(families["vae"], data, draws=400, images=200))[0]
    alone = float(whole.values.std()) / math.sqrt(20)
    for seed in range(5):
        part = many_draws(subject(families["vae"], data, draws=400, images=20, seed=seed))[0]
        assert abs(part.value - whole.value) < 3 * part.uncertainty
        assert part.uncertainty < alone / 2


@pytest.fixture
def drawn(subject, dataset, monkeypatch):
    """A VAE whose bound of few draws is a sample's first entry, and that of many less its second."""

    def importance(model, x, noise, draws, decoded=None):
        value = x[:, 0] - (draws > FEW) * x[:, 1]
        return ImportanceBound(draws, -value.double(), torch.full((len(x),), float(draws)))

    monkeypatch.setattr(VAE, "importance", importance)
    config = VAEConfig(latent=1, network=TINY, likelihood=Gaussian())

    def make(x, **protocol):
        return subject(config, dataset(torch.zeros(5, 2), x), draws=5000, **protocol)

    return make


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_stated_error_is_the_spread_over_repetitions(correlation):
    """Of 200 samples, 20 are drawn on often; gains of deviation 0.6 hang together with the first bound.

    Var = var(many) / n + var(gain) (1/m - 1/n): Cochran (1977), section 9.8. The mean of 2000 repetitions
    lies within 4 of its standard errors, their deviation within 4 / sqrt(2 x 2000) = 6 %.
    """
    n, m, spread = 200, 20, 0.6
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(2000):
        few, other = torch.randn(2, n, generator=generator, dtype=torch.float64)
        gain = spread * (correlation * few + math.sqrt(1 - correlation**2) * other)
        rows = torch.randperm(n, generator=generator)[:m].sort().values
        values = carried_over(few, (few + gain)[rows], rows)
        found.append((values.mean(), values.var() / n))
    means, variances = torch.tensor(found).T
    many = 1 + spread**2 + 2 * correlation * spread
    expected = many / n + spread**2 * (1 / m - 1 / n)
    assert abs(means.mean()) < 4 * math.sqrt(expected / 2000)
    assert means.std().item() == pytest.approx(math.sqrt(expected), rel=0.06)
    # The subset's own variance is known from 20 values, and the mean of all from a finite population.
    assert variances.mean().item() == pytest.approx(expected, rel=0.05)


def test_a_record_carries_the_gain_of_the_subset_over_to_all(drawn):
    """Bounds of 1 and 3, gains of 1 on every sample: 0 and 2, with nothing lost by the subset."""
    x = torch.tensor([[1.0, 1.0], [3.0, 1.0]]).repeat(50, 1)
    record = many_draws(drawn(x, images=10))[0]
    assert sorted(set(record.values.tolist())) == [0, 2]
    assert record.uncertainty == pytest.approx(math.sqrt(100 / 99) / 10)


def test_gains_that_differ_widen_the_error(drawn):
    """Gains of -3 and 3 on a tenth of the samples: 3 / sqrt 10 = 0.95 and not 3 / sqrt 100."""
    x = torch.tensor([[1.0, 3.0], [1.0, -3.0]]).repeat(50, 1)
    record = many_draws(drawn(x, images=10))[0]
    assert record.uncertainty == pytest.approx(3 / math.sqrt(10), rel=0.15)
    assert float(record.values.double().mean()) == pytest.approx(record.value, abs=1e-6)


def test_an_error_has_the_degrees_of_the_samples_whose_gain_is_known(drawn):
    """A gain of 10 samples says as little of all as 10 do; of every sample, as much as all do."""
    x = torch.tensor([[1.0, 3.0], [1.0, -3.0]]).repeat(50, 1)
    assert [many_draws(drawn(x, images=images))[0].df for images in (10, 100)] == [9, 99]


def test_few_effective_draws_are_warned_of(drawn, monkeypatch):
    judged = drawn(torch.zeros(20, 2), images=10)
    assert many_draws(judged)[0].warnings == ()

    def starved(model, x, noise, draws):
        return ImportanceBound(draws, x[:, 0].double(), torch.full((len(x),), 3.0))

    monkeypatch.setattr(VAE, "importance", starved)
    [warning] = many_draws(judged)[0].warnings
    assert warning.startswith("100 % of samples rest on fewer than 10 effective draws of 5,000")


def test_as_many_draws_as_the_few_are_no_second_record(
    subject, families, noise_pictures, by_metric
):
    for name in ("vae", "gan"):
        judged = subject(families[name], noise_pictures(), folder=name, draws=FEW)
        names = by_metric([*few_draws(judged), *many_draws(judged)])
        assert f"-log p(x) bound, k={FEW}" in names


def test_the_bound_tightens_with_draws(subject, families, noise_pictures):
    """In expectation, of the same samples: Burda et al. (2016), theorem 1."""

    def wild(model):
        for parameter in model.parameters():
            parameter.mul_(4)

    found = [
        many_draws(subject(families["vae"], noise_pictures(), wild, draws=k, images=20))[0].value
        for k in (1, 10, 1000)
    ]
    assert found[0] > found[1] > found[2]


LAWS = {
    "gaussian": VAEConfig(latent=2, network=TINY, likelihood=Gaussian()),
    "discretized_logistic": VAEConfig(latent=2, network=TINY, likelihood=DiscretizedLogistic()),
}


def test_bits_are_of_a_law_over_8_bit_levels_alone(subject, families, noise_pictures):
    bound = torch.tensor([64 * math.log(2), 192 * math.log(2)])
    [none] = bits(subject(families["vae"], noise_pictures()), bound)
    assert none.value is None and none.reason.startswith("pixels that count as probabilities")
    [none] = bits(subject(LAWS["gaussian"], noise_pictures()), bound)
    assert none.value is None and none.reason.startswith("a gaussian density of values that were")
    [record] = bits(subject(LAWS["discretized_logistic"], noise_pictures()), bound, draws=7)
    assert (record.value, record.unit) == (pytest.approx(2.0), "bits")
    assert record.settings == {"draws": 7}
    assert record.uncertainty == pytest.approx(1.0)  # sd of 1 and 3 over sqrt 2


def test_bits_have_the_error_of_the_bound_that_they_are_made_of(
    subject, noise_pictures, by_metric
):
    judged = subject(LAWS["discretized_logistic"], noise_pictures(), draws=100, images=5)
    records = by_metric(many_draws(judged))
    bound, found = records["-log p(x) bound, k=100"], records["bits/dim"]
    assert found.value == pytest.approx(bound.value / COST)
    # So that 100 draws are not ranked against 5,000, which this metric's name does not tell.
    assert found.settings == bound.settings and found.settings["draws"] == 100
    assert found.uncertainty == pytest.approx(bound.uncertainty / COST)


def test_vectors_have_no_bits(subject, dataset):
    points = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    assert bits(subject(LAWS["gaussian"], dataset(points, points)), torch.zeros(3)) == []


def test_the_anchors_of_grey_pictures_are_their_entropy_and_the_training_means(
    subject, families, dataset
):
    """Half of the training pictures are white: p = 1/2 and ln 2 a pixel; of values 1/4, H(1/4) each."""
    train = torch.zeros(10, 1, 8, 8)
    train[::2] = 1
    judged = subject(families["vae"], dataset(train, torch.full((10, 1, 8, 8), 0.25)))
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert judged.anchors == {
        "hard floor": pytest.approx(64 * entropy),
        "independent Bernoulli": pytest.approx(COST),
    }


@pytest.mark.parametrize("samples", [2, 7, 40])
def test_a_model_without_latents_is_of_the_whole_training_split_however_few_are_judged(
    samples, subject, families, dataset
):
    """Of 40 training pictures 10 are white: p = 1/4 for any number of held-out ones, all black."""
    train = torch.zeros(40, 1, 8, 8)
    train[::4] = 1
    data = dataset(train, torch.zeros(40, 1, 8, 8))
    judged = subject(families["vae"], data, samples=samples)
    assert judged.anchors["independent Bernoulli"] == pytest.approx(-64 * math.log(0.75))
    assert squared_error(judged)[0].reference["training mean"] == pytest.approx(1 / 16)


@pytest.mark.parametrize("law", LAWS)
def test_a_law_that_is_not_bernoulli_has_no_anchors(law, subject, noise_pictures):
    judged = subject(LAWS[law], noise_pictures(), draws=3)
    assert judged.anchors == {}
    assert all(record.reference == {} for record in [*losses(judged), many_draws(judged)[0]])


@pytest.mark.parametrize("law", LAWS)
def test_a_gaussian_without_latents_stands_beside_what_is_no_bernoulli_law(
    law, subject, dataset, by_metric
):
    """Four independent uniform levels: of U[0, 256) a Gaussian costs log2(2 pi e 256^2 / 12) / 2 = 8.255
    bits an entry, and of levels over 255 that less log2 255. Squares deviate by 0.45 nats an entry: over
    16,000 of them by 0.014 a sample.
    """
    x = torch.randint(0, 256, (8000, 1, 2, 2), generator=torch.Generator().manual_seed(0))
    x = x.to(torch.uint8)
    judged = subject(LAWS[law], dataset(x[:4000], x[4000:]), draws=3, images=5)
    nats = (8.255 if law == "discretized_logistic" else 8.255 - math.log2(255)) * 4 * math.log(2)
    found = by_metric(losses(judged))["held-out -elbo"].reference
    assert found == {"pPCA, full rank": pytest.approx(nats, abs=4 * 0.014)}
    if law == "discretized_logistic":
        beside = by_metric(many_draws(judged))["bits/dim"].reference
        assert beside == {"pPCA, full rank": pytest.approx(8.255, abs=0.02)}
    assert subject(LAWS[law], judged.dataset, quick=True).anchors == {}


def test_a_distortion_of_draws_is_not_ranked_and_is_not_one_of_codes(
    subject, families, noise_pictures, by_metric
):
    """A VAE's rests on noise and on beta, an autoencoder's on neither: `compare` reads the settings."""
    found = {
        name: by_metric(losses(subject(families[name], noise_pictures(), folder=name)))
        for name in ("ae", "vae")
    }
    ae, vae = (found[name]["held-out distortion"] for name in ("ae", "vae"))
    assert (ae.settings["latents"], ae.direction) == ("code", "lower")
    assert (vae.settings["latents"], vae.direction) == ("posterior draw", "none")
    for name in ("held-out -elbo", "held-out rate"):
        assert found["ae"][name].value is None and found["vae"][name].value is not None


def test_no_vae_is_below_the_floor(subject, families, noise_pictures, by_metric):
    judged = subject(families["vae"], noise_pictures(), draws=50)
    record = by_metric(losses(judged))["held-out -elbo"]
    assert record.value > record.reference["hard floor"]
    assert "hard floor" not in by_metric(losses(judged))["held-out rate"].reference


@pytest.fixture
def claims(subject, dataset, monkeypatch):
    """A VAE that claims to be so many nats above the floor, alike in its losses and its bounds.

    Each sample's entropy differs: of the first half of the pixels a share of 0 to 1/2, else white.
    """

    def make(above, config=None):
        share = torch.linspace(0.02, 0.5, 40)[:, None, None, None]
        x = torch.ones(40, 1, 8, 8)
        x[:, :, :4] = share
        entropy = -32 * (torch.xlogy(share, share) + torch.xlogy(1 - share, 1 - share)).flatten()
        claimed = torch.as_tensor(entropy.double() + above)

        def losses(model, batch):
            at = (batch.x[:, 0, 0, 0, None] - share.flatten()).abs().argmin(1)
            return {
                "-elbo": (claimed[at], "nats"),
                "distortion": (claimed[at] + 9, "nats"),
                "rate": (claimed[at] - 9, "nats"),
            }

        def importance(model, x, noise, draws, decoded=None):
            at = (x[:, 0, 0, 0, None] - share.flatten()).abs().argmin(1)
            return ImportanceBound(draws, -claimed[at], torch.full((len(x),), float(draws)))

        monkeypatch.setattr(VAE, "losses", losses)
        monkeypatch.setattr(VAE, "importance", importance)
        config = config or VAEConfig(latent=2, network=TINY)
        judged = subject(config, dataset(x, x), draws=500, images=10)
        return judged, entropy

    return make


BOUNDS = ("held-out -elbo", f"-log p(x) bound, k={FEW}", "-log p(x) bound, k=500")


def test_a_bound_below_the_entropy_of_the_pixels_is_a_wrong_number_and_no_value(claims, by_metric):
    """By 0.1 nats on every sample: no model of Bernoulli pixels can, by Gibbs' inequality."""
    judged, entropy = claims(-0.1)
    records = by_metric([*losses(judged), *few_draws(judged), *many_draws(judged)])
    least = float(entropy.mean())
    for name in BOUNDS:
        record = records[name]
        assert record.value is None and record.values is None, name
        assert f"of {least - 0.1:.2f} nats is below {least:.2f}, the entropy" in record.reason
        assert "no model reaches it; look for losses that are averaged" in record.reason
    for name in ("held-out distortion", "held-out rate", "effective draws"):
        assert records[name].value is not None


@pytest.mark.parametrize("above", [0.0, 0.1])
def test_a_bound_at_the_entropy_of_the_pixels_or_above_stands(above, claims, by_metric):
    """Samples cost from 4 to 22 nats: to their difference from the floor that spread is nothing."""
    judged, entropy = claims(above)
    records = by_metric([*losses(judged), *few_draws(judged), *many_draws(judged)])
    for name in BOUNDS:
        assert records[name].value == pytest.approx(float(entropy.mean()) + above, rel=1e-5)
        assert records[name].reference["hard floor"] == pytest.approx(float(entropy.mean()))


def test_a_bound_that_chance_alone_brings_below_the_floor_stands(claims, by_metric):
    """Half of the samples 3 above and half 3.5 below: -0.25 with a standard error of 0.51."""
    noise = torch.where(torch.arange(40) % 2 == 0, 3.0, -3.5).double()
    judged, _ = claims(noise)
    assert all(record.value is not None for record in losses(judged))
    judged, _ = claims(noise - 2)  # 4.4 standard errors
    assert losses(judged)[0].value is None


def test_a_loss_that_is_no_number_is_no_value(claims):
    judged, _ = claims(math.nan)
    assert "must be finite; found nan" in losses(judged)[0].reason


def test_a_density_may_be_as_high_as_it_likes(claims):
    """The floor is of pixels that are drawn as bits; a density knows none."""
    judged, _ = claims(-1000.0, LAWS["gaussian"])
    assert [record.value is None for record in losses(judged)] == [False] * 3


def test_the_anchors_are_computed_once(subject, families, noise_pictures, monkeypatch):
    calls = []
    for name in ("binarisation_floor", "independent_bernoulli"):
        kept = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *x, f=kept, n=name: (calls.append(n), f(*x))[1])
    judged = subject(families["vae"], noise_pictures(), draws=3)
    for judge in (losses, few_draws, many_draws):
        judge(judged)
    assert sorted(calls) == ["binarisation_floor", "independent_bernoulli"]


def test_the_elbo_is_its_parts_a_sample(subject, families, noise_pictures, by_metric):
    records = by_metric(losses(subject(families["vae"], noise_pictures())))
    total = records["held-out distortion"].values + records["held-out rate"].values
    assert records["held-out -elbo"].values.tolist() == pytest.approx(total.tolist(), rel=1e-6)


def test_what_has_no_likelihood_says_so(subject, families, noise_pictures):
    for name, words in {"gan": "a GAN", "ae": "an autoencoder"}.items():
        judged = subject(families[name], noise_pictures(), folder=name, draws=3)
        for record in (*few_draws(judged), *many_draws(judged)):
            assert (record.value, record.reason) == (None, f"{words} has no likelihood")
