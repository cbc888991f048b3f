"""How torch-fidelity 0.4 is used, with a module of the same interface in its place.

The real one imports torchvision, for which there is no build on the machines that run these tests.
"""

import dataclasses
import hashlib
import sys
import types

import pytest
import torch
from torch import nn

from reverie.errors import ConfigError, DataError
from reverie.features import REGISTRY, distance_name, fidelity, registry


class Inception(nn.Module):
    """The interface of `FeatureExtractorInceptionV3`: bytes in, a tuple in the order asked for."""

    def __init__(self, name, features_list, feature_extractor_weights_path=None):
        super().__init__()
        assert name == "inception-v3-compat" and isinstance(features_list, list)
        assert feature_extractor_weights_path is not None, "it would download"
        self.features_list = features_list
        self.scale = nn.Parameter(torch.load(feature_extractor_weights_path)["scale"])

    def forward(self, x):
        assert x.dtype == torch.uint8 and x.dim() == 4 and x.shape[1] == 3
        mean = x.float().mean((1, 2, 3))[:, None]
        known = {"2048": mean * self.scale, "logits_unbiased": mean.expand(-1, 1008)}
        return tuple(known[name] for name in self.features_list)


class DinoV2(nn.Module):
    """The interface of `FeatureExtractorDinoV2`: weights come from torch.hub, and a path is refused."""

    def __init__(self, name, features_list, feature_extractor_weights_path=None):
        super().__init__()
        assert features_list == ["dinov2"]
        if feature_extractor_weights_path is not None:
            raise NotImplementedError
        hub = torch.hub.get_dir()
        try:
            self.load(torch.load(f"{hub}/checkpoints/{name}.pth"))
        except FileNotFoundError:
            raise RuntimeError("there is no internet connection") from None

    def load(self, state):
        self.scale = nn.Parameter(state["scale"])

    def forward(self, x):
        assert x.dtype == torch.uint8 and x.shape[1] == 3
        return (x.float().mean((1, 2, 3))[:, None] * self.scale,)


@pytest.fixture(autouse=True)
def package(monkeypatch, tmp_path):
    """torch_fidelity, and a torch.hub of this test's own."""
    module = types.SimpleNamespace(
        FeatureExtractorInceptionV3=Inception, FeatureExtractorDinoV2=DinoV2
    )
    monkeypatch.setitem(sys.modules, "torch_fidelity", module)
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "own-hub"))
    yield module
    torch.hub.set_dir(before)


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """A file of weights that is taken for the pinned one."""
    path = tmp_path / "inception.pth"
    torch.save({"scale": torch.arange(2048.0)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = dataclasses.replace(REGISTRY["inception-2015"], pinned=digest)
    monkeypatch.setitem(REGISTRY, "inception-2015", entry)
    return path


@pytest.fixture
def hub(tmp_path):
    """A torch.hub folder that was copied here."""
    folder = tmp_path / "hub"
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"scale": torch.ones(384)}, folder / "checkpoints" / "dinov2-vit-s-14.pth")
    return folder


def opened(name, weights=None):
    return registry._open.__wrapped__(name, None if weights is None else str(weights))


@pytest.mark.parametrize("channels", [1, 3])
def test_inception_is_given_bytes_in_three_channels(weights, channels):
    """An even grey of level 100 has the mean 100, times 0, 1, 2, ..."""
    x = torch.full((3, channels, 8, 8), 100 / 255)
    extractor = opened("inception-2015", weights)
    assert torch.equal(extractor(x), torch.arange(2048.0).expand(3, -1) * 100)
    assert extractor.probabilities(x).shape == (3, 1008)


def test_inceptions_weights_are_checked_before_they_are_unpickled(tmp_path):
    """The file is no pickle at all: it is refused for its hash, which comes first."""
    path = tmp_path / "other.pth"
    path.write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"has SHA-256 .*, pinned is 6726825d0af5; get https://"):
        opened("inception-2015", path)
    with pytest.raises(DataError, match=r"missing.pth cannot be read .No such file"):
        opened("inception-2015", tmp_path / "missing.pth")


def test_inceptions_weights_are_fetched_once_into_torch_hub(weights, monkeypatch):
    calls = []

    def fetch(url, path, prefix, progress):
        calls.append((url.rpartition("/")[2], prefix))
        with open(path, "wb") as file:
            file.write(weights.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    for _ in range(2):
        opened("inception-2015")
    assert len(calls) == 1
    assert calls[0][0] == "weights-inception-2015-12-05-6726825d.pth"


def test_weights_that_cannot_be_fetched_are_asked_for_as_a_file(monkeypatch):
    def refuse(*arguments, **named):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    message = "could not be fetched .no route to host.; .* name it with inception-2015=FILE"
    with pytest.raises(DataError, match=message):
        opened("inception-2015")


def test_weights_of_another_hash_never_give_a_fid(weights):
    """The registry was made to take them for the pinned ones; the name still knows the original's."""
    extractor = opened("inception-2015", weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert distance_name(extractor, 10_000) == f"FD[inception-2015@{digest[:8]}]"


def test_dinov2_is_read_from_a_hub_folder_and_hashed_by_its_tensors(hub):
    before = torch.hub.get_dir()
    extractor = opened("dinov2-vit-s-14", hub)
    assert torch.hub.get_dir() == before
    found = extractor(torch.full((2, 1, 8, 8), 51, dtype=torch.uint8))
    assert torch.equal(found, torch.full((2, 384), 51.0))
    torch.save({"scale": torch.full((384,), 2.0)}, hub / "checkpoints" / "dinov2-vit-s-14.pth")
    other = opened("dinov2-vit-s-14", hub)
    assert len(other.sha256) == 64 and other.tag != extractor.tag


def test_a_digest_depends_on_names_types_shapes_and_values():
    tensors = {
        "a": torch.zeros(2, 3),
        "b": torch.ones(4, dtype=torch.bfloat16),
        "c": torch.tensor(3),
    }
    changed = [
        {**tensors, "a": torch.zeros(3, 2)},
        {**tensors, "a": torch.zeros(2, 3, dtype=torch.int32)},
        {**tensors, "c": torch.tensor(4)},
        {"A": tensors["a"], "b": tensors["b"], "c": tensors["c"]},
    ]
    digests = {fidelity.digest(each) for each in [tensors, *changed]}
    assert len(digests) == 5
    assert fidelity.digest(dict(reversed(tensors.items()))) == fidelity.digest(tensors)


def test_a_dinov2_that_is_not_there_is_refused_with_what_to_copy(hub, tmp_path):
    with pytest.raises(DataError, match=r"nowhere is no folder; name a torch.hub folder"):
        opened("dinov2-vit-b-14", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no internet.*name it with dinov2-vit-b-14=FOLDER"):
        opened("dinov2-vit-b-14", hub)


@pytest.mark.parametrize("name", ["inception-2015", "dinov2-vit-s-14"])
def test_without_the_extra_the_command_that_installs_it_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ConfigError, match=r"needs torch-fidelity .*pip install 'reverie\[fid\]'"):
        opened(name)


def test_a_torchvision_that_does_not_fit_is_refused_in_a_line(monkeypatch):
    """It raises a RuntimeError as it is imported."""

    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(fidelity, "import_module", broken)
    with pytest.raises(ConfigError, match=r"torchvision that fits this torch .operator"):
        opened("inception-2015")
