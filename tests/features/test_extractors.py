"""An extractor is the one that its name and hash say, and sees pictures as 8-bit screens do."""

import dataclasses
import hashlib
from importlib import resources

import pytest
import torch

from reverie import features
from reverie.errors import CapabilityError, ConfigError, DataError
from reverie.features import (
    REGISTRY,
    Extractor,
    Takes,
    distance_name,
    extractor_for,
    open_extractor,
    registry,
    weights,
)
from reverie.features.fidelity import INCEPTION_SHA256
from reverie.features.lenet import LeNet
from reverie.features.pixels import Entries

SHIPPED = [name for name, entry in REGISTRY.items() if entry.made]
SHAPES = {
    "lenet-mnist-v1": (1, 28, 28),
    "lenet-fashion-v1": (1, 28, 28),
    "random-conv-v1": (3, 9, 12),
    "pixels": (2, 5, 4),
}
every_shipped = pytest.mark.parametrize("name", SHIPPED)
every_of_pictures = pytest.mark.parametrize("name", SHAPES)


def pictures(name, count=6):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *SHAPES[name]), dtype=torch.uint8, generator=generator)


def test_three_extractors_are_shipped():
    assert SHIPPED == ["lenet-mnist-v1", "lenet-fashion-v1", "random-conv-v1"]


@every_shipped
def test_the_shipped_weights_are_the_pinned_ones_in_less_than_half_a_megabyte(name):
    extractor = open_extractor(name)
    data = resources.files(features).joinpath(f"{name}.safetensors").read_bytes()
    assert extractor.sha256 == hashlib.sha256(data).hexdigest() == REGISTRY[name].pinned
    assert extractor.tag == f"{name}@{extractor.sha256[:8]}"
    assert len(data) < 500_000


def test_the_lenet_of_digits_is_the_one_that_published_scores_rest_on():
    """Scores were written down with it; another file would need another name."""
    digest = "ea27721276848f1377fa42ac1496bc02c2c194af43545f3aab205121f88de93e"
    assert open_extractor("lenet-mnist-v1").sha256 == digest


def test_a_record_says_name_version_hash_input_resize_range_and_dimension():
    digest = REGISTRY["random-conv-v1"].pinned
    assert open_extractor("random-conv-v1").record() == {
        "name": "random-conv-v1",
        "version": "1",
        "sha256": digest,
        "input": "C x H x W, H, W >= 4",
        "resize": "none",
        "range": [0, 1],
        "quantised_uint8": True,
        "dimension": 256,
    }
    record = open_extractor("coordinates").record()
    assert (record["input"], record["range"], record["sha256"]) == ("vectors", None, "")


@every_shipped
@pytest.mark.parametrize("damage", ["one bit", "the end is missing"])
def test_an_altered_file_is_refused(name, damage, monkeypatch, tmp_path):
    data = bytearray(resources.files(features).joinpath(f"{name}.safetensors").read_bytes())
    if damage == "one bit":
        data[-1] ^= 1
    else:
        del data[-100:]
    (tmp_path / f"{name}.safetensors").write_bytes(data)
    monkeypatch.setattr(weights.resources, "files", lambda package: tmp_path)
    found = hashlib.sha256(data).hexdigest()[:12]
    pinned = REGISTRY[name].pinned[:12]
    message = f"extractor {name}: its file has SHA-256 {found}, pinned is {pinned}; reinstall"
    with pytest.raises(DataError, match=message):
        registry._open.__wrapped__(name, None)


def test_a_missing_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(weights.resources, "files", lambda package: tmp_path)
    message = "random-conv-v1: its file cannot be read .No such file or directory.; reinstall"
    with pytest.raises(DataError, match=message):
        registry._open.__wrapped__("random-conv-v1", None)


@every_of_pictures
def test_features_have_the_dimension_that_records_say(name):
    extractor = open_extractor(name)
    found = extractor(pictures(name))
    expected = extractor.dimension or 2 * 5 * 4
    assert found.shape == (6, expected) and found.isfinite().all()
    assert not found.requires_grad


@every_of_pictures
def test_bytes_and_their_shares_of_one_give_the_same_features(name):
    """uint8 n and float n / 255 are the same picture; a float between two levels is rounded first."""
    extractor, x = open_extractor(name), pictures(name)
    expected = extractor(x)
    assert torch.equal(extractor(x.float() / 255), expected)
    assert torch.equal(extractor(((x.float() + 0.3) / 255).clamp(0, 1)), expected)


@every_of_pictures
def test_a_pictures_features_do_not_depend_on_its_company(name):
    """No batch norm in training mode, no chunk border: alone, in twos or all at once."""
    extractor, x = open_extractor(name), pictures(name)
    whole = extractor(x)
    torch.testing.assert_close(extractor(x, chunk=2), whole)
    torch.testing.assert_close(torch.cat([extractor(one[None]) for one in x]), whole)


@every_of_pictures
def test_features_tell_pictures_apart(name):
    found = open_extractor(name)(pictures(name))
    assert len(found.unique(dim=0)) == 6


def test_large_pictures_are_done_few_at_a_time():
    """4 million entries at once: 5 pictures of 3 x 512 x 512, not 1000."""
    sizes = []

    class Spy(Entries):
        def features(self, x):
            sizes.append(len(x))
            return x.flatten(1)[:, :2]

    extractor = dataclasses.replace(open_extractor("pixels"), network=Spy())
    extractor(torch.zeros(12, 3, 512, 512, dtype=torch.uint8))
    assert sizes == [5, 5, 2]


def test_coordinates_are_left_as_they_are():
    x = torch.tensor([[-3.0, 1e6], [0.1234567, 7.0]])
    assert torch.equal(open_extractor("coordinates")(x), x)
    assert open_extractor("coordinates").tag == "coordinates"


def test_pixels_are_the_eight_bit_levels_in_their_order():
    x = torch.tensor([[[[0.0, 0.5], [0.25, 1.0]]]])
    expected = torch.tensor([[0.0, 128, 64, 255]]) / 255
    assert torch.equal(open_extractor("pixels")(x), expected)


REFUSED = {
    "shape": ("lenet-mnist-v1", torch.zeros(2, 3, 28, 28), "takes 1 x 28 x 28; found 3 x 28 x 28"),
    "vector": ("random-conv-v1", torch.zeros(2, 5), "found 5; choose another extractor .coordin"),
    "picture": ("coordinates", torch.zeros(2, 1, 5, 5), "takes vectors; found 1 x 5 x 5"),
    "small": (
        "random-conv-v1",
        torch.zeros(2, 1, 4, 3),
        "takes C x H x W, H, W >= 4; found 1 x 4",
    ),
    "none": ("pixels", torch.zeros(0, 1, 4, 4), "needs at least 1 sample; found 0"),
    "signed": ("pixels", torch.linspace(-1, 1, 4).view(1, 1, 2, 2), "values from -1 to 1; scale"),
    "nan": ("pixels", torch.full((1, 1, 2, 2), torch.nan), "values from nan to nan"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_samples_that_it_does_not_take_are_refused(what):
    name, x, message = REFUSED[what]
    with pytest.raises(DataError, match=message):
        open_extractor(name)(x)


def test_probabilities_are_those_of_a_classifier_alone():
    x = pictures("lenet-mnist-v1")
    found = open_extractor("lenet-mnist-v1").probabilities(x)
    assert found.shape == (6, 10) and (found >= 0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(6))
    with pytest.raises(CapabilityError, match="random-conv-v1 is no classifier"):
        open_extractor("random-conv-v1").probabilities(x)


DEFAULTS = {
    ((1, 28, 28), ""): "random-conv-v1",
    ((1, 28, 28), "stripes"): "random-conv-v1",
    ((1, 28, 28), "kmnist"): "random-conv-v1",
    ((1, 28, 28), "mnist"): "lenet-mnist-v1",
    ((1, 28, 28), "my MNIST"): "lenet-mnist-v1",
    ((1, 28, 28), "Fashion-MNIST"): "lenet-fashion-v1",
    ((3, 28, 28), "fashion"): "random-conv-v1",
    ((1, 32, 32), ""): "random-conv-v1",
    ((4, 4, 9), ""): "random-conv-v1",
    ((1, 3, 9), ""): "pixels",
    ((2,), "fashion"): "coordinates",
}


@pytest.mark.parametrize(("shape", "data"), DEFAULTS)
def test_the_extractor_that_is_chosen_takes_the_shape(shape, data):
    name = extractor_for(shape, data)
    assert name == DEFAULTS[shape, data]
    assert len(open_extractor(name)(torch.zeros(2, *shape))) == 2


def test_a_name_close_to_another_is_told_of_it():
    with pytest.raises(ConfigError, match="did you mean 'lenet-fashion-v1'"):
        open_extractor("lenet-fashon-v1")
    with pytest.raises(ConfigError, match="no extractor 'zzz', and no file of that name; choose"):
        open_extractor("zzz")
    with pytest.raises(ConfigError, match="train it with `reverie extractor train"):
        open_extractor("classifier")


def test_a_path_to_weights_is_refused_where_they_are_shipped():
    with pytest.raises(ConfigError, match=r"lenet-mnist-v1 takes no path.*inception-2015, dinov2"):
        open_extractor("lenet-mnist-v1=some/file")


def of_inception(**card):
    entry = REGISTRY["inception-2015"]
    return Extractor(dataclasses.replace(entry.card, **card), INCEPTION_SHA256, Entries())


def test_fid_is_one_network_with_its_resize_and_ten_thousand_samples():
    """Heusel et al. (2017) recommend at least 10,000 samples; anything else has a name of its own."""
    tag = "inception-2015@6726825d"
    assert distance_name(of_inception(), 10_000) == "FID"
    assert distance_name(of_inception(), 9_999) == f"FD[{tag}]"
    assert distance_name(of_inception(resize="bicubic"), 50_000) == f"FD[{tag}]"
    other = dataclasses.replace(of_inception(), sha256="0" * 64)
    assert distance_name(other, 50_000) == "FD[inception-2015@00000000]"
    digits = open_extractor("lenet-mnist-v1")
    assert distance_name(digits, 50_000) == "FD[lenet-mnist-v1@ea277212]"
    assert distance_name(open_extractor("coordinates"), 50_000) == "FD[coordinates]"


@pytest.mark.parametrize("name", REGISTRY)
def test_every_entry_fills_its_card(name):
    card = REGISTRY[name].card
    assert card.name == name and card.version and isinstance(card.takes, Takes)
    assert card.dimension is None or card.dimension > 0
    pinned = REGISTRY[name].pinned
    assert len(pinned) in (0, 64) and (bool(pinned) or not REGISTRY[name].made)


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
    guesses = open_extractor("lenet-mnist-v1").probabilities(x).argmax(1)
    assert (guesses == y).float().mean() > 0.98
