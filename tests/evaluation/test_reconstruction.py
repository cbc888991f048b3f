"""Reconstructions against closed forms, and what is said where one is exact or too small."""

import pytest
import torch

from reverie.evaluation.reconstruction import likeness, squared_error
from reverie.loading import Loaded


@pytest.fixture
def reconstructed(subject, families, dataset, monkeypatch):
    """An autoencoder that gives pictures back through this function."""

    def make(give_back, side=16, count=20):
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(0, 200, (2 * count, 1, side, side), generator=generator).to(torch.uint8)
        monkeypatch.setattr(Loaded, "reconstruct", lambda self, x: give_back(x))
        return subject(families["ae"], dataset(x[:count], x[count:]))

    return make


def test_an_error_of_a_tenth_is_20_db(reconstructed, by_metric):
    judged = reconstructed(lambda x: x + 0.1, count=300)
    records = by_metric([*squared_error(judged), *likeness(judged)])
    assert records["reconstruction MSE"].value == pytest.approx(0.01, rel=1e-5)
    assert records["reconstruction MSE"].uncertainty == pytest.approx(0, abs=1e-6)
    assert records["PSNR"].value == pytest.approx(20, rel=1e-5)
    assert 0 < records["SSIM"].value < 1
    assert records["rFD"].reference["training data"] > 0 and "@" in records["rFD"].metric
    assert records["rFD"].metric.startswith("rFD[random-conv-v1@")


def test_the_training_mean_is_the_baseline_of_the_error(reconstructed):
    """Levels 0 to 199 of 255, uniform: variance (200^2 - 1) / 12 / 255^2 = 0.0513."""
    [record] = squared_error(reconstructed(lambda x: x, count=400))
    assert record.value == 0
    assert record.reference["training mean"] == pytest.approx(39999 / 12 / 255**2, rel=0.02)


def test_exact_pictures_are_no_infinite_decibels(reconstructed, by_metric):
    """A PSNR of infinity is no number: it is left out, and all of it where all are exact."""
    record = by_metric(likeness(reconstructed(lambda x: x)))["PSNR"]
    assert (record.value, record.reason) == (None, "every one is exact")
    half = torch.arange(20)[:, None, None, None] < 5
    record = by_metric(likeness(reconstructed(lambda x: torch.where(half, x, x + 0.1))))["PSNR"]
    assert record.value == pytest.approx(20, rel=1e-5) and record.n == 15
    assert by_metric(likeness(reconstructed(lambda x: x)))["SSIM"].value == pytest.approx(1)


def test_pictures_below_the_window_have_no_ssim(reconstructed, by_metric):
    record = by_metric(likeness(reconstructed(lambda x: x + 0.1, side=8)))["SSIM"]
    assert (record.value, record.reason) == (None, "its window of 11 pixels does not fit into 8")


def test_a_distance_of_no_more_samples_than_features_is_a_dash_that_says_why(
    reconstructed, by_metric
):
    """The random network has 256 features."""
    record = by_metric(likeness(reconstructed(lambda x: x + 0.1, count=256)))["rFD"]
    assert record.value is None
    assert "needs at least 257 samples" in record.reason and "found 256" in record.reason


def test_the_error_of_the_distance_of_reconstructions_is_its_spread_over_data_sets(
    subject, families, dataset, by_metric, monkeypatch
):
    """Over 60 draws of 400 pictures of 4 pixels, each given back with noise of its own."""
    generator = torch.Generator().manual_seed(0)
    monkeypatch.setattr(
        Loaded,
        "reconstruct",
        lambda self, x: (0.8 * x + 0.15 * torch.randn(x.shape, generator=generator)).clamp(0, 1),
    )
    found = []
    for _ in range(60):
        x = torch.randint(0, 256, (400, 1, 2, 2), generator=generator).to(torch.uint8)
        judged = subject(families["ae"], dataset(x, x), extractor="pixels")
        found.append(by_metric(likeness(judged))["rFD"])
    values = torch.tensor([record.value for record in found])
    errors = torch.tensor([record.uncertainty for record in found])
    assert float(errors.mean()) == pytest.approx(float(values.std()), rel=0.3)
    assert found[0].method == "grouped jackknife of the samples" and found[0].df == 9


def test_a_small_training_split_leaves_the_distance_of_reconstructions(
    subject, families, noise_pictures, by_metric
):
    record = by_metric(likeness(subject(families["vae"], noise_pictures(train=50, test=300))))[
        "rFD"
    ]
    assert record.value > 0 and record.reference == {}
    few, alone = record.warnings
    assert few == "300 samples are few for 256 features; 2,560 or more are needed"
    assert alone == ("no training data stands beside it: it has 50 samples, and 300 are judged")


class Lpips:
    """In the network's place: ten times the mean difference of a pair."""

    tag = "vgg16@00000000"

    def __call__(self, x, y):
        return 10 * (x - y).abs().flatten(1).mean(1)

    def record(self):
        return {"name": "vgg16"}


def test_lpips_is_a_mean_over_pairs_where_it_is_asked_for(reconstructed, by_metric):
    """Ten pairs are 0.1 apart and ten 0.3: the mean 2, and sd 1.026 over sqrt 20."""
    far = torch.arange(20)[:, None, None, None] % 2 == 0
    judged = reconstructed(lambda x: torch.where(far, x + 0.1, x - 0.3))
    assert "LPIPS" not in by_metric(likeness(judged))
    judged.__dict__["lpips"] = Lpips()
    record = by_metric(likeness(judged))["LPIPS"]
    assert record.metric == "LPIPS[vgg16@00000000]"
    assert (record.direction, record.n, len(record.values)) == ("lower", 20, 20)
    assert record.value == pytest.approx(2, rel=1e-5)
    assert record.uncertainty == pytest.approx((20 / 19) ** 0.5 / 20**0.5, rel=1e-4)
    # Networks see small pictures otherwise: values of two sizes are not compared.
    settings = {"extractor": {"name": "vgg16"}, "size": "16 x 16", "latents": "posterior mean"}
    assert record.settings == settings


def test_lpips_of_what_has_no_encoder_says_so_where_it_is_asked_for(
    subject, families, noise_pictures, by_metric
):
    judged = subject(families["gan"], noise_pictures(), lpips="anywhere")
    assert by_metric(likeness(judged))["LPIPS"].reason == "a GAN has no encoder"


def test_vectors_have_an_error_and_no_likeness(subject, dataset):
    from reverie.latent.likelihoods import Gaussian
    from reverie.models import AutoencoderConfig

    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    judged = subject(AutoencoderConfig(latent=2, likelihood=Gaussian()), dataset(x, x))
    assert squared_error(judged)[0].value > 0 and likeness(judged) == []


def test_what_has_no_encoder_says_so(subject, families, noise_pictures):
    judged = subject(families["gan"], noise_pictures())
    for record in (*squared_error(judged), *likeness(judged)):
        assert (record.value, record.reason) == (None, "a GAN has no encoder")
