"""What is held out when a run is judged was held out when it was trained, or it is said or refused."""

import json

import numpy as np
import pytest
import torch

from reverie.artifact import save_model
from reverie.config import to_tree
from reverie.data import DataConfig, open_dataset
from reverie.errors import ConfigError, DataError, ModelFileError
from reverie.evaluation import evaluate
from reverie.evaluation.opening import data_of, judged_data
from reverie.loading import Loaded
from reverie.models import GANConfig
from reverie.monitor import Listener
from reverie.networks import MLP
from reverie.runs import RunFolder
from reverie.spec import Pixels

TINY = MLP(widths=(8,))
COUNT = 120


def store(path, count=COUNT, seed=0):
    """Pictures of 4 x 4, each of its own: one split, so that seed and share decide what is held out."""
    x = np.random.default_rng(seed).integers(0, 256, (count, 4, 4), dtype=np.uint8)
    np.save(path, x)
    return str(path)


@pytest.fixture
def trained(tmp_path):
    """Makes the folder of a run that was trained on this data, with the data."""

    def make(config):
        dataset = open_dataset(config)
        folder = RunFolder(tmp_path / "run")
        folder.path.mkdir(exist_ok=True)
        made = GANConfig(latent=2, generator=TINY, critic=TINY)
        save_model(made.build(dataset.spec), made, folder.path, 1, averaged=False)
        folder.config.write_text(json.dumps({"data": to_tree(config)}))
        folder.update_provenance({"data": {"fingerprint": dataset.fingerprint}})
        return folder, dataset

    return make


def opened(folder, data=None):
    return judged_data(folder, Loaded(folder.path), data, Listener())


def rows(x):
    return {tuple(row) for row in x.flatten(1).tolist()}


def test_the_runs_own_folder_by_its_name_is_held_out_as_it_was(trained, tmp_path):
    """Of another seed's 30 held-out pictures, about 22 would be of the 90 that were trained on."""
    source = store(tmp_path / "d.npy")
    folder, dataset = trained(DataConfig(source=source, seed=1, holdout=0.25))
    for data in (None, source, DataConfig(source=source)):
        found = opened(folder, data)
        assert found.fingerprint == dataset.fingerprint and len(found.test) == 30
        assert not rows(found.test.x) & rows(dataset.train.x)


@pytest.mark.parametrize("named", [False, True])
def test_own_data_that_has_changed_is_refused(named, trained, tmp_path):
    """The split is drawn anew for every number of pictures: what is held out now was trained on."""
    source = store(tmp_path / "d.npy")
    folder, _ = trained(DataConfig(source=source))
    store(source, COUNT + 1)
    with pytest.raises(
        ModelFileError,
        match=r"the data of .*run is not what it was trained on \(fingerprint .*; bring the data back",
    ):
        opened(folder, source if named else None)


@pytest.mark.parametrize("how", [{"seed": 5}, {"holdout": 0.5}])
def test_own_data_that_is_split_otherwise_is_refused(how, trained, tmp_path):
    source = store(tmp_path / "d.npy")
    folder, _ = trained(DataConfig(source=source))
    beside = str(tmp_path / "x" / ".." / "d.npy")  # the same file by another name
    (tmp_path / "x").mkdir()
    with pytest.raises(ModelFileError, match="is not what it was trained on"):
        opened(folder, DataConfig(source=beside, **how))


def test_other_data_is_read_as_the_runs_own_unless_it_says_otherwise(trained, tmp_path):
    folder, _ = trained(DataConfig(source=store(tmp_path / "d.npy"), seed=3, fit="pad", flip=True))
    other = store(tmp_path / "other.npy", seed=1)
    found = data_of(folder, other)
    assert (found.source, found.seed, found.fit, found.flip) == (other, 3, "pad", True)
    found = data_of(folder, DataConfig(source=other, seed=0))
    assert (found.seed, found.fit) == (0, "pad")


def test_own_data_that_is_gone_is_named_with_the_run_and_the_remedy(trained, tmp_path):
    folder, _ = trained(DataConfig(source=store(tmp_path / "d.npy")))
    (tmp_path / "d.npy").unlink()
    with pytest.raises(
        DataError, match=r"d.npy, which .*run was trained on, is not there any more"
    ) as e:
        opened(folder)
    assert "name where it is with --data" in str(e.value)
    moved = store(tmp_path / "moved.npy")
    assert len(opened(folder, moved).train) > 0


def test_an_empty_name_is_refused_in_a_line(trained, tmp_path):
    folder, _ = trained(DataConfig(source=store(tmp_path / "d.npy")))
    with pytest.raises(ConfigError, match=r"data\.source is empty; give a path"):
        opened(folder, "")


def test_a_home_that_is_not_known_is_no_place_of_the_runs_own_data(trained, tmp_path):
    """Of a run that was made on another machine."""
    folder, _ = trained(DataConfig(source=store(tmp_path / "d.npy")))
    folder.config.write_text(json.dumps({"data": {"source": "~nobody-of-that-name/d.npy"}}))
    found = opened(folder, store(tmp_path / "other.npy", seed=1))
    assert len(found.test) == COUNT / 10
    with pytest.raises(DataError, match=r"^~nobody-of-that-name/d.npy, which .* is not there"):
        opened(folder)


def test_a_toy_of_another_seed_is_fresh_data(tmp_path):
    folder = RunFolder(tmp_path)
    made = GANConfig(latent=2, generator=TINY, critic=TINY)
    ring = open_dataset(DataConfig(source="ring"))
    save_model(made.build(ring.spec), made, tmp_path, 1, averaged=False)
    folder.config.write_text(json.dumps({"data": to_tree(DataConfig(source="ring"))}))
    folder.update_provenance({"data": {"fingerprint": ring.fingerprint}})
    assert opened(folder).fingerprint == ring.fingerprint
    assert opened(folder, DataConfig(source="ring", seed=1)).fingerprint != ring.fingerprint


def test_a_run_whose_data_says_what_is_not_known_is_told_where(tmp_path):
    folder = RunFolder(tmp_path)
    folder.config.write_text(json.dumps({"data": {"siz": 3}}))
    with pytest.raises(
        ConfigError, match=r"config.json.data.siz does not exist; did you mean 'size'"
    ):
        data_of(folder, None)


def test_larger_pictures_of_another_colour_are_brought_to_a_run_that_was_itself_resized(
    trained, tmp_path
):
    folder, _ = trained(DataConfig(source=store(tmp_path / "d.npy"), size=8))
    np.save(tmp_path / "rgb.npy", np.zeros((30, 20, 16, 3), np.uint8))
    assert opened(folder, str(tmp_path / "rgb.npy")).spec == Pixels(shape=(1, 8, 8))


def test_a_judgement_on_other_data_says_nothing_of_what_was_trained_on(trained, tmp_path):
    """The whole way: records, verdict and page of `evaluate`."""
    torch.manual_seed(0)
    folder, _ = trained(DataConfig(source=store(tmp_path / "d.npy", 300), holdout=0.4))
    own = {r.metric.partition("[")[0]: r for r in evaluate(folder.path)}
    assert (
        own["C_T"].value is not None and own["critic: training above held-out"].value is not None
    )
    assert any("copying" in line for line in folder.read(folder.metrics)["verdict"])
    other = store(tmp_path / "other.npy", 300, seed=1)
    found = {r.metric.partition("[")[0]: r for r in evaluate(folder.path, data=other)}
    for name in ("C_T", "exact copies", "critic: training above held-out"):
        assert found[name].value is None and "trained on other data" in found[name].reason
    assert found["coverage"].value is not None
    assert not any("copying" in line for line in folder.read(folder.metrics)["verdict"])


def test_the_verdict_on_other_data_says_so_and_that_on_the_runs_own_does_not(trained, tmp_path):
    folder, _ = trained(DataConfig(source=store(tmp_path / "d.npy")))
    other = store(tmp_path / "other.npy", seed=1)
    for data, said in ((other, True), (None, False)):
        evaluate(folder.path, data=data, quick=True, listener=Listener())
        first = folder.read(folder.metrics)["verdict"][:1]
        assert (
            any(line.startswith("Judged on other, and not on what it was") for line in first)
            == said
        )
        assert ("Judged on other" in folder.report.read_text()) == said


def test_what_a_judgement_cannot_be_asked_for_is_named_with_the_closest(trained, tmp_path):
    folder, _ = trained(DataConfig(source=store(tmp_path / "d.npy")))
    with pytest.raises(ConfigError, match="sample does not exist; did you mean 'samples'"):
        evaluate(folder.path, sample=100, listener=Listener())
    with pytest.raises(ConfigError, match="a run is named by its folder; found 3"):
        evaluate(3, listener=Listener())
