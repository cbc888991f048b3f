"""Scores whose uncertainty or fit needs more than the score itself."""

import math

import pytest
import torch

from reverie.evaluation.scores import divergence, leaving_out, sliced, two_samples
from reverie.loading import Loaded


@pytest.fixture
def judged(subject, dataset, families, monkeypatch):
    """A GAN whose samples are given, judged on held-out data against a larger training split."""

    def make(made, train, test):
        monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: made[:count])
        return subject(families["gan"], dataset(train, test))

    return make


@pytest.mark.parametrize("seed", range(3))
def test_verbatim_copies_of_any_part_of_the_training_data_are_worse_than_fresh_samples(
    seed, judged, by_metric
):
    """600 of 12,000 training samples: of a fit to 600 of them, a twentieth would be copied."""
    x = torch.randn(13_200, 8, generator=torch.Generator().manual_seed(seed))
    train, test, fresh = x[:12_000], x[12_000:12_600], x[12_600:]
    copies = train[torch.randperm(12_000, generator=torch.Generator().manual_seed(seed))[:600]]
    honest, copied = (by_metric(divergence(judged(made, train, test))) for made in (fresh, copies))
    value = honest["FLD"]
    assert abs(value.value) < 5 * 2 * value.uncertainty
    assert copied["FLD"].value > value.value + 4 * value.uncertainty
    assert copied["FLD gap"].value > honest["FLD gap"].value + 4 * value.uncertainty
    assert honest["FLD gap"].value == pytest.approx(
        honest["FLD gap"].reference["held-out data"], abs=10 * value.uncertainty
    )


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_sliced_distances_error_is_that_of_fresh_samples(shift, judged, by_metric):
    """20 draws of 400 samples know their deviation to a sixth."""
    generator = torch.Generator().manual_seed(0)
    test = torch.randn(400, 3, generator=generator)
    values, stated = [], []
    for _ in range(20):
        made = torch.randn(400, 3, generator=generator) + shift
        record = by_metric(sliced(judged(made, test, test)))["sliced Wasserstein"]
        values.append(record.value)
        stated.append(record.uncertainty)
    spread = torch.tensor(values).std().item()
    assert 0.6 * spread < torch.tensor(stated).square().mean().sqrt().item() < 1.7 * spread


def test_where_one_sample_alone_differs_the_sliced_distance_has_no_error(judged, by_metric):
    """Without its group all are the same, of which there is no distance."""
    test = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    made = torch.cat([torch.ones(1, 3), torch.zeros(39, 3)])
    record = by_metric(sliced(judged(made, test, test)))["sliced Wasserstein"]
    assert record.value > 0 and (record.uncertainty, record.method, record.df) == (None, "", None)


def test_an_accuracy_that_is_best_at_one_half_is_not_ranked(judged, by_metric):
    """Copies of the held-out samples have a 1-NN accuracy near 0, which is no better than one half."""
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    records = by_metric(two_samples(judged(x + 1e-3, x, x)))
    assert records["1-NN accuracy"].value < 0.1
    assert [record.direction for record in records.values()] == ["none", "none"]


def test_a_mean_left_out_in_groups_has_the_standard_error_of_the_mean():
    """Of 1000 draws of N(0, 1) their own sd over sqrt 1000; the jackknife's is known to one in sqrt 18."""
    x = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0))
    found = leaving_out(x, lambda part: float(part.mean()), seed=0)
    assert found["uncertainty"] == pytest.approx(float(x.std()) / math.sqrt(1000), rel=4 / 18**0.5)
    assert found["method"] == "grouped jackknife of the samples"
    assert leaving_out(x[:19], lambda part: float(part.mean()), seed=0) == {}
