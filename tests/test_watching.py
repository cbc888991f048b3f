"""Over training, samples are measured for models whose losses say nothing of quality."""

import numpy as np
import pytest
import torch

from reverie import verbs
from reverie.data import DataConfig, open_dataset
from reverie.latent.likelihoods import Gaussian
from reverie.models import AutoencoderConfig, GANConfig
from reverie.monitor import Listener
from reverie.networks import MLP
from reverie.networks.conditioning import Concatenation
from reverie.spec import Vector
from reverie.tensors import noise_of
from reverie.watching import Watch

TINY = MLP(widths=(8,))


@pytest.fixture
def dataset(tmp_path):
    x = np.random.default_rng(0).standard_normal((900, 2)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x_train=x[:300], x_test=x[300:])
    return open_dataset(DataConfig(source=str(tmp_path / "d.npz")))


def test_samples_of_the_datas_law_cover_what_equal_sets_cover_and_a_point_covers_nothing(
    dataset, monkeypatch
):
    """1 - prod (500 - i) / (1000 - i), i = 1 to 5: 0.969."""
    model = GANConfig(latent=2, generator=TINY, critic=TINY).build(Vector(size=2))
    draws = torch.randn(500, 2, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(type(model), "sample", lambda self, count, noise: draws[:count])
    found = Watch(dataset)(model)
    assert found["samples/coverage"] == pytest.approx(0.969, abs=0.03)
    monkeypatch.setattr(type(model), "sample", lambda self, count, noise: torch.zeros(count, 2))
    found = Watch(dataset)(model)
    assert found["samples/coverage"] < 0.05 and found["samples/precision"] == 1


def test_held_out_samples_are_of_all_classes_though_the_data_lies_by_class(tmp_path):
    """600 of each of two kinds, one after the other: of 500 drawn 250 +- 4 x 8.6 are of the second."""
    x = np.zeros((1200, 2), np.float32)
    x[600:, 0] = 1
    np.savez(tmp_path / "d.npz", x_train=x, x_test=x)
    watch = Watch(open_dataset(DataConfig(source=str(tmp_path / "d.npz"))))
    assert len(watch.held_out) == 500
    assert watch.held_out[:, 0].sum() == pytest.approx(250, abs=4 * 8.6)


def test_samples_of_classes_are_as_frequent_as_in_training(tmp_path):
    """A quarter of training is of class 0: of 500 drawn 125 +- 4 x 9.7; held out all are of class 2."""
    x = np.random.default_rng(0).standard_normal((80, 2)).astype(np.float32)
    y = np.array([0, 1, 1, 2] * 20)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=np.full(80, 2))
    data = open_dataset(DataConfig(source=str(tmp_path / "d.npz")))
    config = GANConfig(latent=2, generator=TINY, critic=TINY, conditioning=Concatenation())
    model = config.build(data.spec)
    asked = []
    model.sample = lambda count, noise, y: asked.append(y)
    Watch(data).samples(model, noise_of(0))
    assert len(asked[0]) == 500
    assert (asked[0] == 0).sum() == pytest.approx(125, abs=4 * 9.7)


def test_a_model_with_a_held_out_loss_is_not_watched(dataset):
    config = AutoencoderConfig(latent=1, network=TINY, likelihood=Gaussian())
    assert Watch(dataset)(config.build(Vector(size=2))) == {}


def test_too_few_held_out_samples_are_no_reason_to_stop(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=np.zeros((9, 2), "f"), x_test=np.zeros((3, 2), "f"))
    few = open_dataset(DataConfig(source=str(tmp_path / "d.npz")))
    model = GANConfig(latent=2, generator=TINY, critic=TINY).build(Vector(size=2))
    assert Watch(few)(model) == {}


def test_a_gans_coverage_stands_in_its_log_and_changes_no_weight(dataset, tmp_path, monkeypatch):
    source = str(tmp_path / "d.npz")
    how = {"data": source, "steps": 40, "listener": Listener()}
    watched = verbs.train("r3gan", out=tmp_path / "watched", **how)
    logged = [line["values"].get("samples/coverage") for line in watched.folder.read_log()]
    assert any(entry and 0 <= entry["value"] <= 1 for entry in logged)
    monkeypatch.setattr(verbs, "Watch", lambda dataset: lambda model: {})
    alone = verbs.train("r3gan", out=tmp_path / "alone", **how)
    weights = [(run.path / "model.safetensors").read_bytes() for run in (watched, alone)]
    assert weights[0] == weights[1]
    assert watched.folder.read(watched.folder.provenance)["peak_memory_mib"] > 50
