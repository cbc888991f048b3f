"""The distance between samples: closed forms, collapse, and every family that samples."""

import pytest
import torch

from reverie.evaluation.between import between
from reverie.latent.likelihoods import Gaussian
from reverie.loading import Loaded


@pytest.fixture
def drawn(subject, dataset, families, monkeypatch):
    """The record of a model of this family that gives these samples `(N, D)`, on data `(M, D)`."""

    def make(samples, data, family="gan"):
        monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: samples[:count])
        config = families[family]
        if family != "gan":
            config = config.with_(likelihood=Gaussian())
        [record] = between(subject(config, dataset(data, data)))
        return record

    return make


def normal(seed, scale=1.0):
    return scale * torch.randn(2000, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_the_distance_between_samples_is_that_of_two_draws(family, drawn):
    """Of N(0, I) in two dimensions: E|x - y| = sqrt 2 sqrt(pi / 2) = sqrt pi."""
    record = drawn(normal(0) + torch.tensor([5.0, 0.0]), normal(1), family)
    assert record.value == pytest.approx(torch.pi**0.5, rel=0.05)
    assert record.reference["held-out data"] == pytest.approx(torch.pi**0.5, rel=0.05)
    assert record.warnings == ()


@pytest.mark.parametrize(("spread", "warned"), [(0.05, True), (0.5, False)])
def test_a_model_that_always_says_the_same_has_collapsed(spread, warned, drawn):
    record = drawn(normal(0, spread), normal(1))
    assert record.value == pytest.approx(spread * torch.pi**0.5, rel=0.2)
    assert bool(record.warnings) == warned


def test_data_that_lies_by_class_is_as_diverse_as_it_is(drawn):
    """Neighbours in the file are of one class; 0 and 10 apart by 10 in every other pair of the shuffled."""
    x = torch.zeros(1000, 2)
    x[500:, 0] = 10
    record = drawn(x[torch.randperm(1000, generator=torch.Generator().manual_seed(0))], x)
    assert record.value == pytest.approx(5, abs=0.7)
    assert record.reference["held-out data"] == pytest.approx(5, abs=0.7)


def test_samples_that_come_class_by_class_in_turn_are_as_diverse_as_they_are(drawn):
    """Those of a conditional GAN: every neighbour is of the other class, and half of all pairs are."""
    x = torch.zeros(1000, 2)
    x[::2, 0] = 10
    record = drawn(x, x)
    assert record.value == pytest.approx(5, abs=0.7)
    assert record.reference["held-out data"] == pytest.approx(5, abs=0.7)


def test_what_has_no_prior_says_so(drawn):
    record = drawn(normal(0), normal(1), "ae")
    assert record.value is None
    assert record.reason == "an autoencoder has no prior to sample from"
