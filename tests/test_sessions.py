"""A run that goes on elsewhere says so: what it cost and where is of all of its sessions."""

import pytest

from reverie.runs import RunFolder
from reverie.sessions import note_session, over_sessions, sessions

FIRST = {"commit": "aaa", "machine": "one", "threads": 1, "seed": 3}


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
