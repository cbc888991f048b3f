"""Features of data are kept and found again, and a classifier learns what its data can teach."""

import dataclasses
import threading

import numpy as np
import pytest
import torch

from reverie import extracting
from reverie.data import DataConfig, open_dataset
from reverie.errors import ConfigError, DataError
from reverie.extracting import features_of, train_extractor
from reverie.features import open_extractor
from reverie.monitor import Listener


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def dataset(tmp_path):
    """30 training and 12 held-out pictures of 8 x 8."""
    x = np.random.default_rng(0).integers(0, 256, (42, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x[:30], x_test=x[30:])
    return open_dataset(DataConfig(source=str(tmp_path / "d.npz")))


@pytest.fixture
def extractor():
    """The random network, counting the samples it is given."""
    whole = open_extractor("random-conv-v1")

    class Counting(type(whole.network)):
        seen = 0

        def features(self, x):
            type(self).seen += len(x)
            return super().features(x)

    network = Counting()
    network.load_state_dict(whole.network.state_dict())
    return dataclasses.replace(whole, network=network.eval())


class Heard(Listener):
    def __init__(self):
        self.notes, self.work = [], []

    def said(self, message):
        self.notes.append(message)

    def worked(self, what, done, total):
        self.work.append((what, done, total))


def test_features_are_those_of_the_first_stored_samples(dataset, extractor):
    expected = extractor(dataset.test.x[:7])
    assert torch.equal(features_of(dataset, "test", extractor, 7), expected)
    assert torch.equal(features_of(dataset, "train", extractor), extractor(dataset.train.x))
    assert len(features_of(dataset, "test", extractor, 1000)) == 12


def test_a_second_look_reads_the_file(dataset, extractor, cache):
    first = features_of(dataset, "train", extractor)
    assert type(extractor.network).seen == 30
    second = features_of(dataset, "train", extractor)
    assert type(extractor.network).seen == 30
    assert torch.equal(first, second) and len(list(cache.glob("*.safetensors"))) == 1


def test_another_split_count_extractor_or_data_is_another_file(dataset, extractor, cache):
    features_of(dataset, "train", extractor, 12)
    others = [
        features_of(dataset, "test", extractor, 12),
        features_of(dataset, "train", extractor, 11),
        features_of(dataset, "train", dataclasses.replace(extractor, sha256="0" * 64), 12),
        features_of(dataclasses.replace(dataset, fingerprint="f" * 64), "train", extractor, 12),
    ]
    assert len(list(cache.glob("*.safetensors"))) == 1 + len(others)
    assert type(extractor.network).seen == 12 + 12 + 11 + 12 + 12


@pytest.mark.parametrize("damage", ["a bit", "the end is missing", "nothing left", "another's"])
def test_a_damaged_file_is_made_again(dataset, extractor, cache, damage):
    expected = features_of(dataset, "train", extractor)
    (path,) = cache.glob("*.safetensors")
    data = bytearray(path.read_bytes())
    if damage == "a bit":
        data[-1] ^= 1
    elif damage == "the end is missing":
        del data[-8:]
    elif damage == "nothing left":
        data.clear()
    else:
        features_of(dataset, "test", extractor)
        (other,) = set(cache.glob("*.safetensors")) - {path}
        data = other.read_bytes()
    path.write_bytes(data)
    seen = type(extractor.network).seen
    for _ in range(2):
        assert torch.equal(features_of(dataset, "train", extractor), expected)
    assert type(extractor.network).seen == seen + 30


def test_a_cache_that_cannot_be_written_costs_no_more_than_time(dataset, extractor, cache):
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file stands where the folder should be")
    heard = Heard()
    found = features_of(dataset, "train", extractor, listener=heard)
    assert torch.equal(found, extractor(dataset.train.x))
    (note,) = heard.notes
    assert note.startswith("features of data are not kept (")


def test_two_at_once_make_them_once(dataset, extractor):
    """The second waits for the first, and finds the file whole."""
    began, both, results = threading.Event(), threading.Event(), []
    network = type(extractor.network)
    plain = network.features

    def slow(self, x):
        began.set()
        assert both.wait(30)
        second.join(0.3)  # it would end in this time if it did not wait
        return plain(self, x)

    network.features = slow
    first, second = (
        threading.Thread(target=lambda: results.append(features_of(dataset, "train", extractor)))
        for _ in range(2)
    )
    first.start()
    assert began.wait(30)
    second.start()
    both.set()
    first.join()
    second.join()
    assert network.seen == 30 and torch.equal(*results)


def test_the_features_unused_for_longest_make_room(dataset, extractor, cache, monkeypatch):
    """Room for two files of 12 x 256 numbers: of three, the one least lately read goes."""
    import os

    for count, age in [(10, 300), (11, 200)]:
        before = set(cache.glob("*.safetensors"))
        features_of(dataset, "train", extractor, count)
        (path,) = set(cache.glob("*.safetensors")) - before
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    features_of(dataset, "train", extractor, 10)  # read again, and so younger than the other
    monkeypatch.setattr(extracting, "CACHE_BYTES", 27_000)
    features_of(dataset, "train", extractor, 12)
    seen = type(extractor.network).seen
    features_of(dataset, "train", extractor, 10)
    assert type(extractor.network).seen == seen and len(list(cache.glob("*.safetensors"))) == 2


def test_entries_of_samples_are_not_kept_twice(dataset, cache):
    found = features_of(dataset, "test", open_extractor("pixels"))
    assert torch.equal(found, dataset.test.x.flatten(1).float() / 255) and not cache.exists()


def test_an_extractor_of_another_shape_is_refused_before_any_work(dataset, cache):
    with pytest.raises(DataError, match="lenet-mnist-v1 takes 1 x 28 x 28; found 1 x 8 x 8"):
        features_of(dataset, "test", open_extractor("lenet-mnist-v1"))
    assert not list(cache.glob("*.safetensors"))


def bars(count, seed, channels=3):
    """Noise with an upright, level or slanting bar in one channel: three classes."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 100, (count, channels, 9, 12), dtype=np.uint8)
    y = random.integers(0, 3, count)
    for picture, label in zip(x, y, strict=True):
        at = random.integers(2, 6)
        plane = picture[random.integers(channels)]
        if label == 0:
            plane[:, at] = 255
        elif label == 1:
            plane[at] = 255
        else:
            plane[np.arange(9), np.arange(9)] = 255
    return x, y


@pytest.fixture
def labelled(tmp_path):
    (x, y), (x_test, y_test) = bars(400, 0), bars(100, 1)
    path = tmp_path / "bars.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return path


def test_a_classifier_learns_three_bars_and_its_accuracy_is_of_held_out_samples(
    labelled, tmp_path
):
    heard = Heard()
    extractor, training = train_extractor(
        str(labelled), tmp_path / "bars", steps=100, listener=heard
    )
    test = open_dataset(DataConfig(source=str(labelled))).test
    right = (extractor.probabilities(test.x).argmax(1) == test.y).float().mean()
    assert training.accuracy == pytest.approx(float(right)) and training.accuracy > 0.95
    assert training.held_out == 100 and training.classes == ("0", "1", "2")
    assert ("training an extractor", 100, 100) in heard.work
    assert open_extractor(str(tmp_path / "bars.safetensors")).sha256 == extractor.sha256


def test_the_same_seed_gives_the_same_file_and_another_seed_another(labelled, tmp_path):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    made = [
        train_extractor(str(labelled), tmp_path / f"{n}", steps=3, seed=seed, device="cpu")[0]
        for n, seed in enumerate([0, 0, 1])
    ]
    assert made[0].sha256 == made[1].sha256 != made[2].sha256
    assert torch.equal(torch.get_rng_state(), state)


def test_a_seed_may_be_as_large_as_those_of_runs(labelled, tmp_path):
    """PyTorch takes 64 bits, of which its generator on the CPU keeps 32."""
    made = [
        train_extractor(str(labelled), tmp_path / f"{n}", steps=1, seed=seed, device="cpu")
        for n, seed in enumerate([1, 1 + 2**32, 10**20])
    ]
    assert len({extractor.sha256 for extractor, _ in made}) == 3
    assert made[2][1].seed == 10**20


def test_an_empty_name_of_data_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.source is empty; give a path"):
        train_extractor("", tmp_path / "mine")


def test_the_fingerprint_of_the_data_is_kept(labelled, tmp_path):
    extractor, training = train_extractor(str(labelled), tmp_path / "bars", steps=1)
    fingerprint = open_dataset(DataConfig(source=str(labelled))).fingerprint
    assert extractor.record()["data"] == training.fingerprint == fingerprint


REFUSED = {
    "no labels": ({"x": bars(20, 0)[0]}, "has no labels, and a classifier learns from them"),
    "one class": ({"x": bars(20, 0)[0], "y": np.zeros(20, int)}, r"has one class \(0\), and a"),
    "vectors": (
        {"x": np.zeros((20, 2), np.float32) + np.arange(20, dtype=np.float32)[:, None]},
        "trained on pictures, and these samples are vectors of 2",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_data_that_teaches_no_classes_is_refused(what, tmp_path):
    arrays, message = REFUSED[what]
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DataError, match=f"mine.*: .*{message}"):
        train_extractor(str(tmp_path / "mine.npz"), tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_a_file_that_is_there_is_not_written_over(labelled, tmp_path):
    (tmp_path / "mine.json").write_text("something of mine")
    with pytest.raises(ConfigError, match=r"mine\.json is there already; name another file"):
        train_extractor(str(labelled), tmp_path / "mine.safetensors")
    with pytest.raises(ConfigError, match="steps is 0; write at least 1"):
        train_extractor(str(labelled), tmp_path / "other", steps=0)
