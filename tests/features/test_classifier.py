"""A classifier's two files are read back as they were written, and no other way."""

import json

import pytest
import torch

from reverie.errors import ConfigError, ModelFileError
from reverie.features import open_extractor
from reverie.features.classifier import (
    Classifier,
    Training,
    classifier_files,
    open_classifier,
    write_classifier,
)
from reverie.storage import seal, unseal

SHAPE = (3, 8, 10)
TRAINING = Training(
    data="mine",
    fingerprint="f" * 64,
    classes=("cat", "dog", "hen"),
    accuracy=0.75,
    held_out=8,
    steps=5,
    batch=4,
    seed=0,
)


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(SHAPE, 3).eval()


@pytest.fixture
def path(tmp_path, network):
    write_classifier(tmp_path / "mine.safetensors", network, SHAPE, TRAINING)
    return tmp_path / "mine.safetensors"


def pictures(shape=SHAPE):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (5, *shape), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 5), (2, 4, 4), (3, 28, 28), (4, 65, 300)])
def test_pictures_of_any_size_and_channels_are_classified(shape):
    network = Classifier(shape, 7).eval()
    x = torch.rand(2, *shape)
    assert network.features(x).shape == (2, 64) and network(x).shape == (2, 7)


def test_it_stays_small_however_large_the_pictures_are():
    """Sides are halved down to about 4, at most five times: below a million weights."""
    for side in (8, 64, 1024):
        assert sum(p.numel() for p in Classifier((3, side, side), 10).parameters()) < 1e6


def test_features_and_probabilities_come_back(path, network):
    extractor, x = open_extractor(str(path)), pictures()
    with torch.no_grad():
        assert torch.equal(extractor(x), network.features(x.float() / 255))
        assert torch.equal(extractor.probabilities(x), network(x.float() / 255).softmax(1))


def test_its_record_says_where_it_comes_from(path):
    import hashlib

    extractor = open_extractor(str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert extractor.tag == f"classifier@{digest[:8]}"
    assert extractor.record() == {
        "name": "classifier",
        "version": "1",
        "sha256": digest,
        "input": "3 x 8 x 10",
        "resize": "none",
        "range": [0, 1],
        "quantised_uint8": True,
        "dimension": 64,
        "data": "f" * 64,
        "accuracy": 0.75,
    }


@pytest.mark.parametrize("name", ["mine", "mine.json", "mine.safetensors"])
def test_either_file_or_what_both_begin_with_names_it(path, name):
    assert open_extractor(str(path.with_name(name))).sha256 == open_classifier(path).sha256


def test_altered_weights_are_refused(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"mine.safetensors: altered or truncated"):
        open_extractor(str(path))


def test_an_altered_json_is_refused(path):
    told = path.with_suffix(".json")
    told.write_text(told.read_text().replace("0.75", "0.99"))
    with pytest.raises(ModelFileError, match=r"mine.json: altered or truncated"):
        open_extractor(str(path))


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_one_file_without_the_other_is_refused(path, suffix):
    path.with_suffix(suffix).unlink()
    with pytest.raises(ModelFileError, match=f"mine{suffix}: cannot be read"):
        open_extractor(str(path))


CHANGES = {
    "kind": ({"kind": "model"}, "is no extractor that this version reads"),
    "format": ({"format": 2}, "is no extractor that this version reads"),
    "shape": ({"shape": [3, 300, 300]}, "does not describe mine.safetensors"),
    "no shape": ({"shape": None}, "does not describe mine.safetensors"),
    "training": ({"training": {}}, "does not describe mine.safetensors"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_json_of_something_else_is_refused(path, what):
    change, message = CHANGES[what]
    told = path.with_suffix(".json")
    tree = unseal(told)
    told.write_bytes(seal({**tree, **change}))
    with pytest.raises(ModelFileError, match=message):
        open_classifier(path)


def test_a_json_that_cannot_be_written_leaves_no_weights(tmp_path, network, monkeypatch):
    from reverie.errors import StorageError
    from reverie.features import classifier

    def full(path, data):
        raise StorageError(f"{path}: not written, the disk is full")

    monkeypatch.setattr(classifier, "write_bytes", full)
    with pytest.raises(StorageError, match=r"mine.json: not written"):
        write_classifier(tmp_path / "mine", network, SHAPE, TRAINING)
    assert list(tmp_path.iterdir()) == []


def test_a_dot_in_the_name_is_kept(tmp_path):
    assert classifier_files(tmp_path / "mine.v2") == (
        tmp_path / "mine.v2.safetensors",
        tmp_path / "mine.v2.json",
    )


@pytest.mark.parametrize("name", [".", "..", "", "/"])
def test_a_folder_names_no_file(name):
    with pytest.raises(
        ConfigError, match=r"names no file of an extractor; write one, e\.g\. .*mine"
    ):
        open_extractor(name)


def test_the_json_is_readable_by_others(path):
    tree = json.loads(path.with_suffix(".json").read_text())
    assert tree["training"]["classes"] == ["cat", "dog", "hen"] and tree["shape"] == [3, 8, 10]
