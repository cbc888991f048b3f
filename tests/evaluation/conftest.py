"""Data in memory, and subjects of tiny models whose weights are known."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from reverie.artifact import save_model
from reverie.data.dataset import Dataset, Split
from reverie.evaluation.subject import Protocol, Subject
from reverie.loading import Loaded
from reverie.models import AutoencoderConfig, GANConfig, VAEConfig
from reverie.monitor import Listener
from reverie.networks import MLP
from reverie.spec import Pixels, Vector

TINY = MLP(widths=(8,))


@pytest.fixture
def families():
    """A small model of each family."""
    return {
        "ae": AutoencoderConfig(latent=2, network=TINY),
        "vae": VAEConfig(latent=2, network=TINY),
        "gan": GANConfig(latent=2, generator=TINY, critic=TINY),
    }


@pytest.fixture
def dataset():
    """Makes a data set of samples: pictures `(N, C, H, W)`, or vectors `(N, D)`."""

    def make(train, test, y=None, y_test=None, classes=(), name="mine"):
        shape = tuple(train.shape[1:])
        kind = {"size": shape[0]} if len(shape) == 1 else {"shape": shape}
        spec = (Vector if len(shape) == 1 else Pixels)(**kind, classes=classes)
        digest = hashlib.sha256(train.numpy().tobytes() + test.numpy().tobytes()).hexdigest()
        return Dataset(name, spec, Split(train, y), Split(test, y_test), digest)

    return make


@pytest.fixture
def noise_pictures(dataset):
    """Makes a data set of pictures of 8 x 8 independent pixels."""

    def make(train=50, test=20, **more):
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(0, 256, (train + test, 1, 8, 8), generator=generator).to(torch.uint8)
        return dataset(x[:train], x[train:], **more)

    return make


@pytest.fixture
def subject(tmp_path):
    """Makes a subject; `weights` sets those of the model, which are random else.

    It was trained on the data that it is judged on, unless `seen` is another fingerprint.
    """

    def make(config, data, weights=None, folder="run", seen=None, **protocol):
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        torch.manual_seed(0)
        model = config.build(data.spec)
        with torch.no_grad():
            (weights or (lambda model: None))(model)
        save_model(model, config, path, 11, averaged=False)
        made = {"data": {"fingerprint": seen or data.fingerprint}}
        (path / "provenance.json").write_text(json.dumps(made))
        return Subject(Loaded(path), data, Protocol(**protocol), Listener())

    return make


@pytest.fixture
def zero():
    """Sets all weights of a model to 0."""

    def fill(model):
        for parameter in model.parameters():
            parameter.zero_()

    return fill


@pytest.fixture
def by_metric():
    """Records by their metrics, without the extractors; no name may stand twice."""

    def index(records):
        names = [record.metric.partition("[")[0] for record in records]
        assert len(names) == len(set(names)), sorted(names)
        return dict(zip(names, records, strict=True))

    return index
