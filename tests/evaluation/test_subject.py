"""What is judged: samples drawn at random from splits that may lie by class, and a baseline."""

import math
from dataclasses import replace

import pytest
import torch

from reverie.data.dataset import Split
from reverie.errors import ConfigError
from reverie.evaluation.samples import fidelity
from reverie.evaluation.subject import Protocol
from reverie.loading import Loaded
from reverie.networks.conditioning import Concatenation


@pytest.fixture
def sorted_points(dataset):
    """2000 and 400 points of ten classes, each at a place of its own, stored class by class."""

    def make(train=2000, test=400):
        y, y_test = (torch.arange(n).mul(10).div(n, rounding_mode="floor") for n in (train, test))
        noise = torch.randn(train + test, 2, generator=torch.Generator().manual_seed(0))
        x = torch.cat([y, y_test])[:, None] * torch.tensor([10.0, 0]) + noise
        return dataset(x[:train], x[train:], y, y_test, classes=tuple("abcdefghij"))

    return make


def test_samples_used_are_of_all_classes_though_the_data_lies_by_class(
    sorted_points, subject, families
):
    """An image folder is read by name: its first thousand pictures are of the first class."""
    judged = subject(families["gan"], sorted_points(), samples=100)
    means = {"held out": judged.features("held out"), "training": judged.features("training")}
    for name, x in means.items():
        assert len(x) == 100, name
        # Places 0, 10, ..., 90: mean 45 and deviation 28.7, over sqrt 100 and four times that.
        assert x[:, 0].mean() == pytest.approx(45, abs=4 * 2.87), name
        assert x[:50, 0].mean() == pytest.approx(45, abs=4 * 4.06), name
    assert set(judged.labels.tolist()) == set(range(10))


def test_samples_labels_and_features_are_of_the_same_rows(sorted_points, subject, families):
    judged = subject(families["gan"], sorted_points(), samples=100)
    assert torch.equal(judged.features("held out"), judged.held_out)
    assert torch.equal(judged.features("training"), judged.training)
    nearest = (judged.held_out[:, 0] / 10).round().clamp(0, 9).long()
    assert (nearest == judged.labels).float().mean() > 0.99


def test_what_is_used_is_the_same_for_every_model_and_seed(sorted_points, subject, families):
    """So that values a sample of two models may be paired, whatever the seed of their noise."""
    one, two = (subject(families["gan"], sorted_points(), samples=100, seed=s) for s in (0, 1))
    assert torch.equal(one.held_out, two.held_out)
    assert torch.equal(one.training, two.training)


def test_samples_of_classes_are_drawn_as_often_as_training_data_has_them(
    sorted_points, subject, families
):
    """Perfect samples of every class in turn would be far from data in which one class is rare.

    400 draws of which one in five is of the second class: 80, and a deviation of 8.
    """
    config = families["gan"].with_(conditioning=Concatenation())
    data = sorted_points()
    rare = Split(data.train.x[:250], data.train.y[:250])  # 200 of one class, and 50 of the next
    judged = subject(config, replace(data, train=rare))
    first, second = judged.asked_labels.bincount().tolist()
    assert first + second == 400 and abs(second - 80) < 4 * 8
    expected = judged.loaded.sample_of(judged.asked_labels, seed=judged.seed)
    assert torch.equal(judged.samples, torch.Tensor(expected))
    other = subject(config, replace(data, train=rare), folder="other", seed=1)
    assert not torch.equal(judged.asked_labels, other.asked_labels)


def test_fewer_training_samples_than_are_judged_stand_in_no_place(
    noise_pictures, subject, families
):
    judged = subject(families["ae"], noise_pictures(train=12, test=40))
    assert judged.too_few == "it has 12 samples, and 40 are judged"
    assert judged.count == 40
    assert subject(families["ae"], noise_pictures(40, 40), folder="other").too_few == ""


def test_samples_of_classes_that_the_data_lacks_are_of_all_in_turn(
    sorted_points, subject, families
):
    config = families["gan"].with_(conditioning=Concatenation())
    data = sorted_points()
    judged = subject(config, data)
    unlabelled = replace(data, spec=data.spec.with_(classes=()), test=Split(data.test.x))
    judged.dataset = unlabelled
    assert judged.asked_labels.tolist() == [i % 10 for i in range(400)]


def test_the_quick_form_holds_no_more_entries_than_it_may(noise_pictures, subject, families):
    """Pictures of 64 entries and room for 640: ten; the full form takes what it was asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reverie.evaluation.subject.QUICK_ENTRIES", 640)
        quick = subject(families["ae"], noise_pictures(), quick=True)
        whole = subject(families["ae"], noise_pictures(), folder="other")
    assert (quick.count, whole.count) == (10, 20)
    assert len(quick.held_out) == 10


def test_no_sample_is_used_twice_or_left_out_where_all_are_asked_for(
    sorted_points, subject, families
):
    judged = subject(families["gan"], sorted_points())
    for used, stored in (
        (judged.held_out, judged.dataset.test.x),
        (judged.features("all training"), judged.dataset.train.x),
    ):
        assert torch.equal(used[used[:, 1].argsort()], stored[stored[:, 1].argsort()])
    assert judged.training.unique(dim=0).shape == (400, 2)


def test_training_data_in_the_samples_place_covers_data_that_lies_by_class(
    sorted_points, subject, families, monkeypatch, by_metric
):
    judged = subject(families["gan"], sorted_points(), quick=True)
    place = judged.dataset.train.x[torch.randperm(2000)[:400]]
    monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: place[:count])
    coverage = by_metric(fidelity(judged))["coverage"]
    assert coverage.reference["training data"] > 0.9


def test_the_gaussian_baseline_has_the_mean_and_covariance_of_the_training_data(
    sorted_points, subject, families
):
    data = sorted_points(test=2000)
    made = subject(families["gan"], data).gaussian
    real = data.train.x
    assert made.shape == (2000, 2)
    error = real.std(0) * math.sqrt(2 / 2000)
    assert ((made.mean(0) - real.mean(0)).abs() < 4 * error).all()
    assert torch.allclose(made.T.cov(), real.T.cov(), rtol=0.15, atol=0.15 * 28.7)


def test_the_gaussian_baseline_of_large_pictures_asks_for_no_square_of_their_pixels(
    dataset, subject, families
):
    """3 x 128 x 128 entries: their covariance would be 19 GB. It stays within the pictures' span."""
    x = torch.zeros(8, 3, 128, 128)
    x[:4, 0, 0, 0], x[4:, 0, 0, 0] = 0.25, 0.75
    made = subject(families["gan"], dataset(x, x)).gaussian
    assert made.shape == x.shape and 0 <= made.min() and made.max() <= 1
    assert made.flatten(1)[:, 1:].abs().max() < 1e-6
    assert 0 < made[:, 0, 0, 0].std() < 1


def test_a_subset_is_drawn_by_the_seed(noise_pictures, subject, families):
    one, same, other = (
        subject(families["vae"], noise_pictures(), seed=seed).subset(8).tolist()
        for seed in (1, 1, 2)
    )
    assert one == same != other
    assert sorted(set(one)) == one and len(one) == 8 and 0 <= one[0] and one[-1] < 20


def test_nats_become_bits_a_dimension(noise_pictures, subject, families):
    """ln 2 nats for each of 64 pixels are one bit."""
    judged = subject(families["vae"], noise_pictures())
    assert 64 * math.log(2) * judged.nats_to_bits == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("samples", 1, 2), ("draws", 0, 1), ("images", 1, 2), ("chains", -1, 0)],
)
def test_a_protocol_that_judges_nothing_is_refused(name, value, least):
    with pytest.raises(ConfigError, match=f"{name} is {value}; write at least {least}"):
        Protocol(**{name: value})
