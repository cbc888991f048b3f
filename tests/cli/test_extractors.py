"""`reverie extractor train` and `list`."""

import json

import numpy as np
import pytest

from reverie.features import REGISTRY, open_extractor


@pytest.fixture
def labelled(here):
    """Dark and bright pictures: two classes."""
    random = np.random.default_rng(0)
    y = np.arange(80) % 2
    x = random.integers(0, 100, (80, 10, 10)) + 120 * y[:, None, None]
    np.savez(here / "mine.npz", x=x.astype(np.uint8), y=y)
    return here / "mine.npz"


def test_training_writes_a_file_that_is_named_where_extractors_are_asked_for(
    reverie, labelled, here
):
    said = reverie("extractor", "train", "--data", labelled, "--out", "mine.v1", "--steps", 30)
    assert said.code == 0 and "training an extractor ..." in said.out
    tag = open_extractor("mine.v1.safetensors").tag
    assert f"{tag}: 100.0 % right of 8 held-out samples, 2 classes of mine" in said.out
    assert "wrote mine.v1.safetensors" in said.out and (here / "mine.v1.json").exists()


def test_without_a_name_the_file_is_called_after_the_data_and_numbered(reverie, labelled, here):
    command = ["extractor", "train", "--data", labelled, "--steps", 1]
    for name in ("mine-classifier", "mine-classifier-2"):
        assert f"wrote {name}.safetensors" in reverie(*command).out
        assert open_extractor(here / name).dimension == 64


def test_settings_of_the_data_are_taken(reverie, labelled):
    command = ["extractor", "train", "--data", labelled, "--out", "small", "--steps", 1, "--json"]
    tree = json.loads(reverie(*command, "data.size=6", "data.color=rgb").out.splitlines()[-1])
    assert tree["input"] == "3 x 6 x 6" and tree["out"] == "small.safetensors"
    assert tree["tag"] == open_extractor("small").tag


def test_a_seed_may_be_as_large_as_those_of_runs(reverie, labelled):
    command = ["extractor", "train", "--data", labelled, "--out", "m", "--steps", 1, "-q"]
    assert reverie(*command, "--seed", 10**20 - 1).code == 0
    assert open_extractor("m").dimension == 64


def test_training_quietly_prints_nothing(reverie, labelled):
    said = reverie("extractor", "train", "--data", labelled, "--out", "m", "--steps", 1, "-q")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_the_list_names_every_extractor_and_how_to_get_what_is_not_here(reverie):
    said = reverie("extractor", "list")
    for name, entry in REGISTRY.items():
        (line,) = [line for line in said.out.splitlines() if line.startswith(f"{name} ")]
        assert str(entry.card.takes) in line and entry.pinned[:8] in line
        assert (entry.install in line) != entry.here or not entry.install
    assert "and for reconstructions LPIPS: `reverie evaluate RUN --lpips FOLDER`" in said.out
    rows = json.loads(reverie("extractor", "list", "--json").out)
    assert [row["name"] for row in rows] == list(REGISTRY)
    assert rows[0]["sha256"] == REGISTRY["lenet-mnist-v1"].pinned and rows[0]["installed"]


def test_what_cannot_be_trained_on_is_refused_in_a_line(reverie, here, pictures):
    refused = [
        (["--data", pictures], 3, "pictures: has no labels, and a classifier learns from them"),
        (["--data", "ring"], 3, "ring: an extractor is trained on pictures"),
        (["--data", "nothing"], 3, "there is no such file, folder or data set"),
        (["--data", pictures, "--device", "gpu"], 2, "--device is 'gpu'"),
        (["--data", pictures, "data.siz=3"], 2, "did you mean 'size'?"),
        (["--data", ""], 2, "data.source is empty; give a path, or one of mnist"),
        (
            ["--data", pictures, "--out", "."],
            2,
            "names no file of an extractor; write one, e.g. mine",
        ),
    ]
    for arguments, code, message in refused:
        said = reverie("extractor", "train", "--out", "x", *arguments)
        assert said.code == code and said.err.startswith("error: ") and message in said.err
        assert said.err.count("\n") == 1
    assert list(here.iterdir()) == []
