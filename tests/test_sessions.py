"""A run that goes on elsewhere says so: what it cost and where is of all of its sessions."""

import json

import pytest

from reverie.runs import RunFolder
from reverie.sessions import note_session, over_sessions, sessions

FIRST = {"commit": "aaa", "machine": "one", "threads": 1, "seed": 3}


STOPPED_AFTER_2 = """
import os, signal
from reverie import fitting
plain = fitting.train_step
def train_step(state, plan):
    values = plain(state, plan)
    if state.step == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return values
fitting.train_step = train_step
"""


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path)
    made.update_provenance(FIRST)
    return made


def test_a_run_that_goes_on_where_it_was_has_nothing_to_note(folder):
    before = folder.provenance.read_bytes()
    assert note_session(folder, 5, {"commit": "aaa", "machine": "one", "threads": 1}) == ""
    assert folder.provenance.read_bytes() == before
    assert sessions(folder.read(folder.provenance)) == [FIRST]


def test_what_changes_from_one_session_to_the_next_is_noted_once(folder):
    elsewhere = {"commit": "bbb", "machine": "one", "threads": 2}
    assert note_session(folder, 5, elsewhere) == "commit: aaa -> bbb, threads: 1 -> 2"
    assert note_session(folder, 7, elsewhere) == ""
    assert note_session(folder, 9, {**elsewhere, "commit": "aaa"}) == "commit: bbb -> aaa"
    made = folder.read(folder.provenance)
    assert [each["step"] for each in made["resumed"]] == [5, 9]
    assert [each["threads"] for each in sessions(made)] == [1, 2, 2]
    assert over_sessions(made, "threads") == "1, then 2"
    assert over_sessions(made, "commit") == "aaa, then bbb"
    assert over_sessions(made, "machine") == "one" and over_sessions(made, "seed") == 3
    assert over_sessions(made, "nothing") is None


def test_a_fact_that_was_garbled_is_given_as_it_stands():
    """By hand, into what no dictionary takes for a key: a table of runs is still to be made."""
    assert over_sessions({"machine": ["one"]}, "machine") == ["one"]
    assert over_sessions({"machine": [], "resumed": [{"machine": "b"}]}, "machine") == "[], then b"


@pytest.mark.parametrize("garbled", [None, 3, "later", {"step": 1}, [3, None]])
def test_garbled_sessions_are_none(folder, garbled):
    folder.update_provenance({"resumed": garbled})
    assert len(sessions(folder.read(folder.provenance))) == 1


def test_resuming_with_another_number_of_threads_says_so(processes, pictures, tmp_path):
    run = tmp_path / "run"
    settings = ["--data", pictures, "--out", run, "--steps", 4, "model.network.widths=[8]"]
    assert processes.run("train", "ae", *settings, prelude=STOPPED_AFTER_2).code != 0
    ended = processes.run("resume", run, prelude="import torch\ntorch.set_num_threads(2)")
    assert ended.code == 0, ended.err
    assert "note: the run goes on elsewhere than before: threads: 1 -> 2" in ended.out
    made = json.loads((run / "provenance.json").read_text())
    assert made["threads"] == 1 and made["resumed"][0]["threads"] == 2
    assert made["resumed"][0]["step"] == 2
    records = json.loads((run / "metrics.json").read_text())["records"]
    (cost,) = [r for r in records if r["metric"] == "training time"]
    assert cost["settings"]["threads"] == "1, then 2"


def test_a_budget_of_wall_time_written_into_a_run_is_refused(processes, pictures, tmp_path):
    run = tmp_path / "run"
    settings = ["--data", pictures, "--out", run, "--steps", 1, "model.network.widths=[8]"]
    assert processes.run("train", "ae", *settings).code == 0
    text = (run / "config.json").read_text()
    assert '"budget": "1 steps"' in text
    (run / "config.json").write_text(text.replace('"budget": "1 steps"', '"budget": "5m"'))
    ended = processes.run("resume", run)
    assert ended.code == 2
    assert "train.budget is '5m'; a run that goes on has a number of steps" in ended.err
