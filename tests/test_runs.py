"""The run folder: its log survives a cut, its files may be missing, and two runs never share one."""

import json
import os

import pytest

from reverie.errors import ConfigError, ReverieError, StorageError
from reverie.runs import RunFolder, find_run, is_run, list_runs, new_run, summary


def line(step, value=0.0):
    return {"step": step, "seen": step * 8, "values": {"a/b": {"value": value, "unit": "nats"}}}


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


def steps(run):
    return [entry["step"] for entry in run.read_log()]


def make(folder, name="config.json"):
    folder.mkdir(parents=True)
    (folder / name).write_text("{}")
    return folder


def test_no_log_is_an_empty_one(run):
    assert run.read_log() == []


def test_a_line_cut_anywhere_costs_itself_alone(run):
    """A crash may stop the writing after any byte; what is written next begins a line of its own."""
    for step in (1, 2, 3):
        run.append_log(line(step))
    whole = run.log.read_bytes()
    last = len(json.dumps(line(3))) + 1
    for cut in range(1, last + 1):
        run.log.write_bytes(whole[: len(whole) - cut])
        kept = [1, 2, 3] if cut == 1 else [1, 2]
        assert steps(run) == kept
        run.append_log(line(4))
        assert steps(run) == [*kept, 4]


def test_of_steps_that_were_repeated_after_a_crash_the_later_line_counts(run):
    for step, value in ((1, 0.1), (2, 0.2), (3, 0.3), (2, 0.25), (3, 0.35), (4, 0.4)):
        run.append_log(line(step, value))
    assert [entry["values"]["a/b"]["value"] for entry in run.read_log()] == [0.1, 0.25, 0.35, 0.4]


@pytest.mark.parametrize(
    "garbage", [b"\xff\xfe\n", b"[1]\n", b"3\n", b"null\n", b'{"seen": 1}\n', b'{"step": null}\n']
)
def test_lines_that_are_none_are_passed_over(garbage, run):
    run.append_log(line(1))
    with run.log.open("ab") as file:
        file.write(garbage)
    run.append_log(line(2))
    assert steps(run) == [1, 2]


@pytest.mark.parametrize("garbage", [None, b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000])
def test_a_file_that_is_missing_or_garbled_reads_as_empty(garbage, run):
    if garbage is not None:
        run.metrics.write_bytes(garbage)
    assert run.read(run.metrics) == {}


def test_provenance_gathers_facts(run):
    run.update_provenance({"a": 1, "b": 2})
    run.update_provenance({"b": 3})
    assert run.read(run.provenance) == {"a": 1, "b": 3}


def test_new_runs_are_numbered_and_never_share_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [str(new_run(None, "vae", "mnist").path) for _ in range(3)]
    assert made == ["runs/vae-mnist", "runs/vae-mnist-2", "runs/vae-mnist-3"]


def test_a_folder_of_ones_own_may_exist_if_it_is_empty(tmp_path):
    (tmp_path / "own").mkdir()
    assert new_run(str(tmp_path / "own"), "vae", "mnist").path == tmp_path / "own"
    (tmp_path / "own" / ".config.json.99999999.part").write_text(
        "{"
    )  # of a process that was killed at its start
    assert new_run(str(tmp_path / "own"), "vae", "mnist").path == tmp_path / "own"
    assert new_run(str(tmp_path / "a" / "b"), "vae", "mnist").path.is_dir()


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"is not empty; choose another folder"):
        new_run(str(tmp_path), "vae", "mnist")
    make(tmp_path / "run")
    with pytest.raises(
        ConfigError, match=r"is not empty; `reverie resume .*run` goes on with it; choose"
    ):
        new_run(str(tmp_path / "run"), "vae", "mnist")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", [".download.part", ".tmpabcdef", ".song.mp3.part"])
def test_hidden_files_of_others_are_neither_passed_over_nor_removed(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        new_run(str(tmp_path), "vae", "mnist")
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/run: cannot be made \(Not a directory\)"):
        new_run(str(tmp_path / "file" / "run"), "vae", "mnist")


def test_a_folder_of_runs_that_leads_nowhere_is_named(tmp_path, monkeypatch):
    """A link to a disk that is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(tmp_path / "unmounted")
    with pytest.raises(StorageError, match=r"^runs: cannot be made"):
        new_run(None, "vae", "mnist")


def test_runs_are_found_by_path_and_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "runs" / "a")
    make(tmp_path / "elsewhere", "model.json")
    assert find_run("a").path == find_run("runs/a").path
    assert find_run(tmp_path / "elsewhere").path == tmp_path / "elsewhere"


def test_a_run_that_is_not_there_names_the_closest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no run 'x'; there is nothing to choose from"):
        find_run("x")
    make(tmp_path / "runs" / "vae-mnist")
    with pytest.raises(
        ConfigError, match=r"there is no run 'runs/vae-mnits'; did you mean 'runs/vae-mnist'\?"
    ):
        find_run("runs/vae-mnits")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ConfigError, match=r"empty holds no run \(no config.json and no model.json\)"
    ):
        find_run("empty")


def test_only_folders_with_settings_or_a_model_are_runs(tmp_path):
    make(tmp_path / "b")
    make(tmp_path / "a", "model.json")
    (tmp_path / "c").mkdir()
    (tmp_path / "file").write_text("")
    assert [path.name for path in list_runs(tmp_path)] == ["a", "b"]
    assert list_runs(tmp_path / "nowhere") == [] and not is_run(tmp_path)


@pytest.mark.parametrize(
    ("budget", "state"),
    [
        ("1200 steps", "step 7 of 1,200"),
        ("2M samples", "step 7"),
        ("90s", "step 7"),
        (3, "step 7"),
        (None, "step 7"),
    ],
)
def test_a_summary_says_how_far_a_run_came(budget, state, run):
    run.config.write_text(json.dumps({"recipe": "vae", "train": {"budget": budget}}))
    run.append_log(line(7))
    assert summary(run.path) == {
        "run": str(run.path),
        "recipe": "vae",
        "state": state,
        "headline": "",
    }


def test_a_run_stands_where_its_checkpoint_does_though_the_log_ends_before(run):
    """Stopped between two lines of the log; a checkpoint may also be older than the last line."""
    run.config.write_text(json.dumps({"recipe": "vae", "train": {"budget": "1200 steps"}}))
    run.append_log(line(100))
    (run.checkpoint / "step-0000000101").mkdir(parents=True)
    assert summary(run.path)["state"] == "step 101 of 1,200"
    run.append_log(line(200))
    assert summary(run.path)["state"] == "step 200 of 1,200"


RECORD = {"metric": "FD", "value": 2.0}


def judged(run, records, fingerprint="a"):
    """Writes what was judged, on data of that fingerprint."""
    data = {"name": "digits", "fingerprint": fingerprint}
    run.metrics.write_text(json.dumps({"records": records, "data": data}))


@pytest.mark.parametrize("trained_on", [None, 3, {}, {"fingerprint": "a"}])
def test_a_summary_shows_the_first_numbers_of_a_judged_run(trained_on, run):
    """Data of which nothing is known is not called other data."""
    run.update_provenance({"data": trained_on})
    judged(run, [{"metric": "IS", "value": None}, RECORD, {**RECORD, "value": 3}, RECORD])
    assert summary(run.path)["headline"] == "FD 2, FD 3"
    assert summary(run.path)["state"] == "finished"


@pytest.mark.parametrize(("step", "state"), [(7, "step 7 of 1,200"), (1200, "finished")])
def test_a_run_that_was_judged_on_its_way_is_not_finished(step, state, run):
    run.config.write_text(json.dumps({"recipe": "vae", "train": {"budget": "1200 steps"}}))
    run.append_log(line(7))
    run.metrics.write_text(json.dumps({"records": [RECORD], "step": step}))
    assert summary(run.path)["state"] == state


def test_a_summary_names_the_data_where_it_is_not_what_the_run_was_trained_on(run):
    run.update_provenance({"data": {"name": "points", "fingerprint": "b"}})
    judged(run, [RECORD])
    assert summary(run.path)["headline"] == "on digits: FD 2"
    judged(run, [{"metric": "IS", "value": None}])
    assert summary(run.path)["headline"] == ""


@pytest.mark.parametrize("records", [3, None, "FD", {"FD": 2}, []])
def test_records_of_another_shape_are_none(records, run):
    judged(run, records)
    assert (summary(run.path)["state"], summary(run.path)["headline"]) == ("step 0", "")


@pytest.mark.parametrize(
    "record",
    [
        3,
        {},
        {"metric": "FD"},
        {"value": 2.0},
        {"metric": "FD", "value": "2"},
        {"metric": "FD", "value": [2.0]},
        {"metric": "FD", "value": True},
        {"metric": "FD", "value": float("nan")},
        {"metric": "FD", "value": 10**400},
    ],
)
def test_a_record_of_another_shape_is_passed_over(record, run):
    judged(run, [record, RECORD])
    assert summary(run.path)["headline"] == "FD 2"


@pytest.mark.parametrize("tree", [{"train": 3}, {"recipe": 3}, {"recipe": ["vae"], "train": []}])
def test_settings_of_another_shape_are_none(tree, run):
    run.config.write_text(json.dumps(tree))
    run.append_log({"step": "7"})
    assert (summary(run.path)["recipe"], summary(run.path)["state"]) == ("model only", "step 7")


def test_a_lock_keeps_a_second_process_out_and_ends_with_its_holder(run, tmp_path):
    ready, done = os.pipe(), os.pipe()
    if not (pid := os.fork()):
        with run.locked():
            os.write(ready[1], b"!")
            os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(
        ReverieError, match="is in use by another process; wait for it, or choose another"
    ):
        with run.locked():
            pass
    os.write(done[1], b"!")
    os.waitpid(pid, 0)
    with run.locked():
        pass


def test_who_holds_the_lock_removes_what_the_dead_left(run):
    for folder in (run.path, run.checkpoint, run.samples):
        folder.mkdir(exist_ok=True)
        (folder / ".x.99999999.part").write_text("half")
    with run.locked():
        assert not list(run.path.rglob("*.part"))
