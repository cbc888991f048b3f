"""What latents carry: closed forms of probabilistic PCA, and probes on codes that are known."""

import math

import pytest
import torch

from reverie.data import DataConfig, open_dataset, sprites, toys
from reverie.evaluation.codes import codes, posteriors, probes
from reverie.evaluation.factors import factors
from reverie.latent.likelihoods import Gaussian
from reverie.latent.priors import GaussianMixture
from reverie.models import AutoencoderConfig, VAEConfig
from reverie.networks import MLP

LINEAR = MLP(widths=())


def passing(model):
    """Encodes a point as itself."""
    weight, bias = model.encoder[-1].weight, model.encoder[-1].bias
    weight.zero_()
    bias.zero_()
    weight[:2, :2] = torch.eye(2)


@pytest.fixture
def encoded(subject, dataset):
    """A VAE of two latents on N(0, I): q(z|x) = N(a x, b^2), a on the first alone where `dead`."""

    def make(a, b, dead=False, count=2000):
        def weights(model):
            for parameter in model.parameters():
                parameter.zero_()
            model.encoder[-1].weight[:2] = a * torch.eye(2)
            model.encoder[-1].bias[2:] = 2 * math.log(b)
            if dead:
                model.encoder[-1].weight[1] = 0
                model.encoder[-1].bias[3] = 0

        x = torch.randn(2 * count, 2, generator=torch.Generator().manual_seed(0))
        config = VAEConfig(latent=2, network=LINEAR, likelihood=Gaussian(scale=0.1))
        return subject(config, dataset(x[:count], x[count:]), weights)

    return make


def test_information_and_gap_are_those_of_probabilistic_pca(encoded, by_metric):
    """a^2 + b^2 = 1: q(z) is the prior. Of each latent I = -ln b, the whole rate; Var E[z|x] = a^2."""
    b = 0.5
    records = by_metric(posteriors(encoded(math.sqrt(1 - b * b), b)))
    information, gap = records["mutual information"], records["aggregate-posterior gap"]
    assert information.value == pytest.approx(2 * math.log(2), abs=5 * information.uncertainty)
    assert abs(gap.value) < 5 * gap.uncertainty
    assert information.reference["rate"] == pytest.approx(2 * math.log(2), rel=0.05)
    assert information.reference["cap ln n"] == pytest.approx(math.log(2000))
    assert information.warnings == () and information.n == 2000
    active = records["active units"]
    assert (active.value, active.reference, active.warnings) == (2, {"latents": 2}, ())


def test_a_latent_that_carries_nothing_is_not_counted_and_is_warned_of(encoded, by_metric):
    record = by_metric(posteriors(encoded(math.sqrt(0.75), 0.5, dead=True)))["active units"]
    assert record.value == 1 and record.shown["kl"][1] == 0
    assert record.shown["kl"][0] == pytest.approx(math.log(2), rel=0.05)


def test_information_near_its_cap_is_said_to_be_no_more_than_large(encoded, by_metric):
    records = by_metric(posteriors(encoded(1.0, 1e-3, count=50)))
    assert records["mutual information"].value == pytest.approx(math.log(50), rel=0.02)
    assert records["mutual information"].warnings[0].startswith("this is a lower bound")


@pytest.mark.parametrize("b", [0.1, 0.05])
def test_what_the_information_of_too_few_samples_lacks_is_not_called_a_gap(encoded, by_metric, b):
    """a^2 + b^2 = 1: the gap is 0, and rate minus information is above it by many of its errors.

    The information is -2 ln b, at 0.6 and 0.8 of its cap; it lies between the two bounds.
    """
    records = by_metric(posteriors(encoded(math.sqrt(1 - b * b), b)))
    information = records["mutual information"]
    upper = information.reference["upper bound"]
    assert information.value < -2 * math.log(b) < upper + 3 * information.uncertainty
    assert records["aggregate-posterior gap"].reason.startswith(
        "2,000 samples leave it between 0 "
    )


def test_what_information_lacks_at_its_cap_is_not_called_a_gap(encoded, by_metric):
    """a^2 + b^2 = 1, so q(z) is the prior and the gap 0; of 50 samples rate minus information is 6 nats."""
    b = 1e-3
    records = by_metric(posteriors(encoded(math.sqrt(1 - b * b), b, count=50)))
    rate, information = (records["mutual information"].reference["rate"], math.log(50))
    assert rate - information > 6
    gap = records["aggregate-posterior gap"]
    assert gap.value is None and gap.reason.startswith("50 samples leave it between 0 and 9")


def test_one_held_out_sample_has_no_units_and_says_so(subject, families, noise_pictures):
    records = posteriors(subject(families["vae"], noise_pictures(train=2, test=1)))
    assert [record.metric for record in records] == [
        "active units",
        "mutual information",
        "aggregate-posterior gap",
    ]
    assert all("at least 2 samples" in record.reason for record in records)


def test_other_priors_have_units_but_no_information(subject, noise_pictures, by_metric):
    config = VAEConfig(latent=2, network=LINEAR, prior=GaussianMixture())
    records = by_metric(posteriors(subject(config, noise_pictures())))
    assert records["active units"].value is not None
    assert "kl" not in records["active units"].shown
    for name in ("mutual information", "aggregate-posterior gap"):
        assert records[name].reason == "estimated against N(0, I) alone, and this prior is another"


def test_probes_read_classes_of_data_that_lies_by_class(subject, dataset, by_metric):
    """Twelve places in the plane, a thousand samples each; more are stored than probes are fitted to."""
    angle = torch.arange(12) * 2 * math.pi / 12
    places = torch.stack([angle.cos(), angle.sin()], 1)
    y = torch.arange(12).repeat_interleave(1000)
    x = places[y] + 0.02 * torch.randn(12_000, 2, generator=torch.Generator().manual_seed(0))
    some = torch.arange(0, 12_000, 30)
    data = dataset(x, x[some], y, y[some], tuple("abcdefghijkl"))
    config = AutoencoderConfig(latent=2, network=LINEAR, likelihood=Gaussian())
    records = by_metric(probes(subject(config, data, passing)))
    for name in ("linear probe", "kNN probe"):
        assert records[name].value == 1 and records[name].n == 400
        assert records[name].reference["commonest class"] == pytest.approx(1 / 12, abs=0.005)
        assert records[name].settings["fitted to"] == 10_000
        low, high = records[name].interval
        assert high == pytest.approx(1) and low == pytest.approx(400 / (400 + 1.96**2), abs=1e-4)


def test_codes_that_hold_no_class_are_at_chance(subject, dataset, by_metric):
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.randn(1000, 2, generator=generator),
        torch.randint(2, (1000,), generator=generator),
    )
    config = AutoencoderConfig(latent=2, network=LINEAR, likelihood=Gaussian())
    records = by_metric(
        probes(subject(config, dataset(x[:500], x[500:], y[:500], y[500:], ("a", "b"))))
    )
    for name in ("linear probe", "kNN probe"):
        low, high = records[name].interval
        assert low < 0.5 < high


def test_what_has_no_labels_encoder_or_posterior_says_so(subject, families, noise_pictures):
    expected = {
        "gan": dict.fromkeys(
            (
                "active units",
                "mutual information",
                "aggregate-posterior gap",
                "linear probe",
                "kNN probe",
            ),
            "a GAN has no encoder",
        ),
        "ae": {
            "active units": "an autoencoder has no posterior",
            "linear probe": "the data has no labels",
        },
        "vae": {"linear probe": "the data has no labels", "kNN probe": "the data has no labels"},
    }
    for name, reasons in expected.items():
        found = {
            r.metric: r.reason
            for r in codes(subject(families[name], noise_pictures(), folder=name))
        }
        assert reasons.items() <= found.items()


def test_one_class_alone_is_told_so(subject, families, noise_pictures, by_metric):
    y = torch.zeros(50, dtype=torch.long)
    data = noise_pictures(y=y, y_test=y[:20], classes=("a",))
    records = by_metric(probes(subject(families["ae"], data)))
    assert "at least 2 classes" in records["linear probe"].reason


@pytest.mark.parametrize("shape", [(2,), (3, 8, 8), (1, 8, 8)])
def test_data_of_ones_own_that_is_called_sprites_has_no_known_factors(shape, subject, dataset):
    x = torch.rand(30, *shape, generator=torch.Generator().manual_seed(0))
    config = AutoencoderConfig(latent=2, network=LINEAR, likelihood=Gaussian())
    assert factors(subject(config, dataset(x, x, name="sprites"))) == []


def test_factors_of_sprites_are_read_off_codes_that_hold_nothing(
    subject, monkeypatch, families, by_metric
):
    """An untrained encoder: every score is a share, and far from telling factors apart."""
    for name in ("SPRITES_TRAIN", "SPRITES_TEST"):
        monkeypatch.setattr(toys, name, 100)
    monkeypatch.setattr("reverie.evaluation.factors.COUNT", 600)
    data = open_dataset(DataConfig(source="sprites", size=16))
    records = by_metric(factors(subject(families["vae"], data)))
    assert {"MIG", "SAP", "DCI disentanglement", "FactorVAE score"} <= set(records)
    # Told worse than by a factor's mean, informativeness falls below 0.
    shares = {n: r.value for n, r in records.items() if n != "DCI informativeness"}
    assert all(value is None or 0 <= value <= 1 for value in shares.values())
    silent = records["DCI informativeness"].value < 0.02
    assert (
        (shares["DCI disentanglement"] is None) == (shares["DCI completeness"] is None) == silent
    )
    assert records["DCI informativeness"].value < 0.5
    assert records["MIG"].value < 0.3 and set(records["MIG"].shown["gaps"]) == set(sprites.FACTORS)
    found = {r.metric: r.reason for r in factors(subject(families["gan"], data, folder="gan"))}
    assert set(found.values()) == {"a GAN has no encoder"}
