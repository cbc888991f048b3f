"""What a recipe gave is a mean over the runs that have a value, and says of how many."""

import importlib.util
import json

import pytest

from reverie import recipes, verbs
from reverie.errors import ConfigError
from reverie.monitor import Listener
from reverie.records import Record
from reverie.runs import RunFolder
from reverie.settings import TrainConfig
from reverie.verification import Verified, _value, verify


def finish(run, dataset, listener):
    """What is left of the end of a run where nothing is judged."""
    run.folder.metrics.write_text(json.dumps({"records": []}))


@pytest.fixture
def runs(tmp_path):
    """Runs that were judged by one metric; None is a dash."""

    def make(*values):
        folders = []
        for seed, value in enumerate(values):
            reason = "" if value is not None else "below the floor"
            record = Record(metric="held-out -elbo", value=value, unit="nats", reason=reason)
            folder = RunFolder(tmp_path / str(seed))
            folder.path.mkdir()
            folder.metrics.write_text(json.dumps({"records": [record.to_dict()]}))
            folders.append(folder)
        return folders

    return make


def test_a_value_is_the_mean_over_seeds_with_their_deviation(runs):
    """Of 90, 100 and 110: 100 and sd 10."""
    assert _value("held-out -elbo", runs(90.0, 100.0, 110.0)) == "held-out -elbo 100 (sd 10) nats"


def test_a_run_without_the_value_is_left_out_and_the_rest_are_counted(runs):
    """Of 90 and 104: 97 and sd 9.9."""
    found = _value("held-out -elbo", runs(90.0, None, 104.0))
    assert found == "held-out -elbo 97 (sd 9.9) nats in 2 of 3 runs"


def test_a_run_of_other_settings_is_not_taken_for_the_recipes(tmp_path, pictures, monkeypatch):
    """Of the same recipe, data and seed: once it has another latent, the value would be another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verbs, "finish", finish)
    plain = recipes.RECIPES["ae"]
    short = TrainConfig(budget="2 steps", batch=8)
    monkeypatch.setitem(recipes.RECIPES, "ae", lambda spec: (plain(spec)[0], short))
    verify("ae", 1, str(pictures), Listener())
    verify("ae", 1, str(pictures), Listener())
    longer = short.with_(budget="4 steps")
    monkeypatch.setitem(recipes.RECIPES, "ae", lambda spec: (plain(spec)[0], longer))
    with pytest.raises(ConfigError, match=r"with train\.budget=2 steps, and now it is 4 steps"):
        verify("ae", 1, str(pictures), Listener())
    monkeypatch.setitem(
        recipes.RECIPES, "ae", lambda spec: (plain(spec)[0].with_(latent=3), short)
    )
    with pytest.raises(ConfigError, match=r"was made with model\.latent=64, and now it is 3"):
        verify("ae", 1, str(pictures), Listener())


SOURCE = '''"""Recipes."""


def other(spec):
    """Another.

    Takes:   1 s.
    Expect:  nothing.
    """
    return spec


def mine(spec):
    """Mine.

    Run:     reverie train mine
    Takes:   {takes}
    Expect:  {expect}
    Differs: no paper.
    """
    return spec
'''


def test_both_lines_are_written_into_the_recipes_docstring_and_nothing_else_moves(
    tmp_path, monkeypatch
):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE.format(takes="old.", expect="old\n             in two lines."))
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("m", path))
    module.__spec__.loader.exec_module(module)
    monkeypatch.setattr(recipes, "find", lambda name: module.mine)
    values = "; ".join(f"metric {n} of a recipe 100.{n} (sd 1.0) nats" for n in range(3))
    assert Verified("mine", "42 s of training.", values).write() == path
    written = path.read_text()
    lines = written.split("Expect:  metric")[1].partition("    Differs")[0]
    assert (
        " ".join(f"metric{lines}".split()) == values and max(map(len, written.splitlines())) < 100
    )
    assert written == SOURCE.format(takes="42 s of training.", expect=f"metric{lines.rstrip()}")


def test_an_installed_copy_is_not_written_to(tmp_path, monkeypatch):
    path = tmp_path / "site-packages" / "mine.py"
    monkeypatch.setattr("inspect.getsourcefile", lambda function: str(path))
    with pytest.raises(ConfigError, match="in a source checkout only"):
        Verified("ae", "1 s.", "nothing.").write()
