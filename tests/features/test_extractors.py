"""A shipped extractor is the one that its name and hash say, and sees pictures as 8-bit screens do."""

import hashlib
from importlib import resources

import pytest
import torch

from reverie import features
from reverie.errors import DataError
from reverie.features import SHIPPED, extractor_for, open_extractor
from reverie.features.lenet import LeNet

every_extractor = pytest.mark.parametrize("name", SHIPPED)


def pictures(name, count=6):
    shape = SHIPPED[name]["shape"]
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)


@every_extractor
def test_the_shipped_weights_are_the_pinned_ones(name):
    extractor = open_extractor(name)
    data = resources.files(features).joinpath(f"{name}.safetensors").read_bytes()
    assert extractor.sha256 == hashlib.sha256(data).hexdigest() == SHIPPED[name]["sha256"]
    assert extractor.tag == f"{name}@{extractor.sha256[:8]}"
    record = extractor.record()
    assert (
        record["name"] == name
        and record["sha256"] == extractor.sha256
        and record["resize"] == "none"
    )


def test_weights_that_are_not_the_pinned_ones_are_refused(monkeypatch):
    name = next(iter(SHIPPED))
    monkeypatch.setitem(SHIPPED, "other", SHIPPED[name] | {"sha256": "0" * 64})
    monkeypatch.setattr(features.resources, "files", lambda package: Renamed())
    with pytest.raises(DataError, match="pinned is 000000000000; reinstall reverie"):
        open_extractor.__wrapped__("other")


class Renamed:
    """A package in which one extractor's weights lie under another's name."""

    def joinpath(self, name):
        return self

    def read_bytes(self):
        return b"weights of something else"


@every_extractor
def test_features_have_the_dimension_that_records_say(name):
    extractor = open_extractor(name)
    found = extractor(pictures(name))
    assert found.shape == (6, extractor.dimension) and found.isfinite().all()
    assert not found.requires_grad


@every_extractor
def test_bytes_and_their_shares_of_one_give_the_same_features(name):
    """uint8 n and float n / 255 are the same picture; a float between two levels is rounded first."""
    extractor, x = open_extractor(name), pictures(name)
    expected = extractor(x)
    assert torch.equal(extractor(x.float() / 255), expected)
    assert torch.equal(extractor(((x.float() + 0.3) / 255).clamp(0, 1)), expected)


@every_extractor
def test_a_pictures_features_do_not_depend_on_its_company(name):
    """No batch norm in training mode, no chunk border: alone, in twos or all at once."""
    extractor, x = open_extractor(name), pictures(name)
    whole = extractor(x)
    torch.testing.assert_close(extractor(x, chunk=2), whole)
    torch.testing.assert_close(torch.cat([extractor(one[None]) for one in x]), whole)


@every_extractor
def test_features_tell_pictures_apart(name):
    found = open_extractor(name)(pictures(name))
    assert len(found.unique(dim=0)) == 6


def test_an_extractor_is_offered_for_its_own_shape_alone():
    assert extractor_for((1, 28, 28)) == "lenet-mnist-v1"
    assert extractor_for((3, 28, 28)) is None and extractor_for((1, 32, 32)) is None


def test_the_lenet_has_the_layers_of_its_paper():
    """5 x 5 kernels to 16 and 32 channels, 32 x 7 x 7 to 64, ten classes."""
    expected = (16 * 25 + 16) + (32 * 16 * 25 + 32) + (1568 * 64 + 64) + (64 * 10 + 10)
    network = LeNet()
    assert sum(p.numel() for p in network.parameters()) == expected
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_shipped_classifier_knows_digits():
    """Its features are worth something if its own head reads held-out digits: over 98 % of 1000."""
    from reverie.data import DataConfig, open_dataset

    test = open_dataset(DataConfig(source="mnist")).test
    x, y = test.rows(torch.arange(1000)), test.y[:1000]
    network = open_extractor("lenet-mnist-v1").network
    with torch.no_grad():
        guesses = network(x.float() / 255).argmax(1)
    assert (guesses == y).float().mean() > 0.98
