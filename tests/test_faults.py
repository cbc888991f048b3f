"""Kills, signals, full disks, exploding losses: a run goes on, or says why not and keeps what it had.

The processes are real ones and die by real signals; `bit-equal` is against a run that was left in peace.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import torch

from reverie import checkpoint
from reverie.loading import Loaded
from reverie.runs import RunFolder, is_run

SMALL = ["model.generator.widths=[16]", "model.critic.widths=[16]", "model.latent=4"]
LARGE = ["model.generator.widths=[256]", "model.critic.widths=[256]"]
ALWAYS = ["train.batch=8", "train.ema=20", "train.save_every=1", "train.log_every=1"]
UNJUDGED = "from reverie import verbs; verbs.finish = lambda *arguments: None\n"

FUSE = """
import os, signal, sys
left = {count}
def burn(event, arguments):
    global left
    writing = event == "open" and not str(arguments[1]).startswith("r") and {folder!r} in str(arguments[0])
    if writing or event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(burn)
"""

AT_STEP = """
import math, os, pathlib, resource, time, torch
from reverie import fitting
plain = fitting.train_step
def train_step(state, plan):
    values = plain(state, plan)
    {code}
    return values
fitting.train_step = train_step
"""

HANG_AFTER_2 = """
    if state.step == 2:
        pathlib.Path("hangs").touch()
        while True:
            time.sleep(0.01)
"""


def at_step(code):
    """A prelude that runs code after each step, where `state`, `plan` and `values` are known."""
    return AT_STEP.format(code=code.strip())


def gan(pictures, out, steps, *settings):
    return ["train", "gan", "--data", pictures, "--out", out, "--steps", steps, *ALWAYS, *settings]


def state_of(run):
    """Everything that must be bit-equal: the last checkpoint's tensors, and the model's two files."""
    last = checkpoint.load(run / "checkpoint")
    return (
        last.step,
        last.tensors,
        [(run / f"model.{end}").read_bytes() for end in ("safetensors", "json")],
    )


def assert_bit_equal(run, reference):
    (step, tensors, files), (step_too, tensors_too, files_too) = state_of(run), state_of(reference)
    assert step == step_too and tensors.keys() == tensors_too.keys()
    assert [name for name in tensors if not torch.equal(tensors[name], tensors_too[name])] == []
    assert files == files_too


def last_step(run):
    found = checkpoint.load(run / "checkpoint")
    return -1 if found is None else found.step


def wait_for(path):
    while not path.exists():
        time.sleep(0.01)


# ---- kills


@pytest.mark.parametrize("stride", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_before_any_file_operation_of_a_run_leaves_it_whole(
    stride, processes, pictures, tmp_path
):
    """Session n is killed before its n-th file operation: before each one of a start and of a save.

    No finished checkpoint is lost on the way, the model can be used after each, and the end is bit-equal.
    """
    whole, parts, steps = tmp_path / "whole", tmp_path / "parts", 60 // stride
    assert processes.run(*gan(pictures, whole, steps, *SMALL), prelude=UNJUDGED).code == 0
    count, reached = 1, -1
    while True:
        command = ["resume", parts] if is_run(parts) else gan(pictures, parts, steps, *SMALL)
        fuse = FUSE.format(count=count, folder=str(parts))
        ended = processes.run(*command, prelude=UNJUDGED + fuse)
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL, ended.err
        count += stride
        assert last_step(parts) >= reached
        reached = last_step(parts)
        if (parts / "model.json").exists():
            assert Loaded(parts).card.step in (reached, reached - 1)
    assert count > 40  # a save takes fewer: every moment of one was met
    assert_bit_equal(parts, whole)
    assert not [path for path in parts.rglob(".*") if path.name != ".lock"]


def test_a_kill_while_a_run_begins_leaves_a_folder_that_can_be_used_again(
    processes, pictures, tmp_path
):
    whole = tmp_path / "whole"
    assert processes.run(*gan(pictures, whole, 1, *SMALL), prelude=UNJUDGED).code == 0
    for count in range(1, 30, 2):
        run = tmp_path / str(count)
        fuse = FUSE.format(count=count, folder=str(run))
        ended = processes.run(*gan(pictures, run, 1, *SMALL), prelude=UNJUDGED + fuse)
        assert ended.code == -signal.SIGKILL
        again = ["resume", run] if is_run(run) else gan(pictures, run, 1, *SMALL)
        assert processes.run(*again, prelude=UNJUDGED).code == 0
        assert_bit_equal(run, whole)
        folder = RunFolder(run)
        made = folder.read(folder.provenance)
        assert made["seed"] == 0 and made["data"]["fingerprint"]  # a run always knows its data


def kill_at_random_moments(processes, pictures, tmp_path, kills, amidst, steps=40):
    """Kills runs of a larger model at random until so many kills came, and so many amidst a write."""
    whole, number, killed, found, delays = tmp_path / "whole", 0, 0, 0, random.Random(0)
    begun = time.monotonic()
    assert processes.run(*gan(pictures, whole, steps, *LARGE), prelude=UNJUDGED).code == 0
    took = time.monotonic() - begun  # a busy machine is slower than any delay that is fixed
    while True:
        run = tmp_path / f"run-{number}"
        command = ["resume", run] if is_run(run) else gan(pictures, run, steps, *LARGE)
        process = processes.start(*command, prelude=UNJUDGED)
        enough = killed >= kills and found >= amidst
        if enough:
            ended = process.wait()
        else:
            time.sleep(delays.uniform(0, took))
            ended = process.kill()
        assert ended.code in (0, -signal.SIGKILL), ended.err
        if ended.code == 0:
            assert_bit_equal(run, whole)
            number += 1
            if enough:
                return
        else:
            killed += 1
            found += any(run.rglob(".*.part"))
            assert killed < 20 * kills, f"{found} of {killed} kills came amidst a write"


def test_runs_killed_at_random_moments_end_bit_equal(processes, pictures, tmp_path):
    kill_at_random_moments(processes, pictures, tmp_path, kills=6, amidst=0)


@pytest.mark.slow
def test_runs_killed_at_50_random_moments_end_bit_equal(processes, pictures, tmp_path):
    kill_at_random_moments(processes, pictures, tmp_path, kills=50, amidst=1)


def test_a_run_killed_while_it_is_judged_is_judged_when_resumed(processes, pictures, tmp_path):
    run = tmp_path / "run"
    dies = (
        "import os\nfrom reverie.evaluation import session\n"
        "session.write_metrics = lambda *arguments: os.kill(os.getpid(), 9)\n"
    )
    ended = processes.run(*gan(pictures, run, 2, *SMALL), prelude=dies)
    assert ended.code == -signal.SIGKILL and not (run / "metrics.json").exists()
    assert processes.run("resume", run).code == 0
    assert (run / "metrics.json").exists() and (run / "report.html").exists()


# ---- signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_prints_the_command_to_go_on(
    number, code, processes, pictures, tmp_path
):
    """A preempted job and an impatient person alike: the step is ended, saved, and can be gone on from."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    rare = ["train.save_every=1000"]
    assert processes.run(*gan(pictures, whole, 6, *SMALL, *rare), prelude=UNJUDGED).code == 0
    signalled = at_step(f"if state.step == 3: os.kill(os.getpid(), {int(number)})")
    ended = processes.run(*gan(pictures, parts, 6, *SMALL, *rare), prelude=UNJUDGED + signalled)
    assert ended.code == code
    assert (
        ended.err == f"error: stopped at step 3 of 6, saved. Go on with: reverie resume {parts}\n"
    )
    assert last_step(parts) == Loaded(parts).card.step == 3
    page = (parts / "report.html").read_text()
    assert "Not judged yet: training came to step 3 of 6;" in page and "Samples" in page
    assert processes.run("resume", parts, prelude=UNJUDGED).code == 0
    assert_bit_equal(parts, whole)


def test_a_signal_in_the_last_step_is_not_lost(processes, pictures, tmp_path):
    """A preempted job gets one SIGTERM: were it swallowed, judging would begin."""
    run = tmp_path / "run"
    signalled = at_step(f"if state.step == 6: os.kill(os.getpid(), {int(signal.SIGTERM)})")
    ended = processes.run(*gan(pictures, run, 6, *SMALL), prelude=signalled)
    assert ended.code == 143
    assert ended.err == (
        "error: trained and saved, and stopped before it was judged. "
        f"Go on with: reverie resume {run}\n"
    )
    assert last_step(run) == 6 and not (run / "metrics.json").exists()
    assert "training came to step 6 of 6" in (run / "report.html").read_text()
    assert processes.run("resume", run).code == 0
    assert RunFolder(run).read(run / "metrics.json")["step"] == 6
    assert "training_seconds" in RunFolder(run).read(run / "provenance.json")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_a_trained_run_is_judged_prints_the_command_that_judges_it(
    number, code, processes, pictures, tmp_path
):
    run = tmp_path / "run"
    signalled = (
        "import os\nfrom reverie.evaluation import session\n"
        f"session.write_metrics = lambda *arguments: os.kill(os.getpid(), {int(number)})\n"
    )
    ended = processes.run(*gan(pictures, run, 2, *SMALL), prelude=signalled)
    assert ended.code == code
    assert ended.err == (
        "error: trained and saved, and stopped before it was judged. "
        f"Go on with: reverie resume {run}\n"
    )
    evaluated = processes.run("evaluate", run, prelude=signalled)
    assert (ended.code, evaluated.code) == (code, code)
    assert "the same command goes on from there" in evaluated.err
    assert processes.run("resume", run).code == 0
    assert (run / "metrics.json").exists() and (run / "report.html").exists()


def test_a_second_ctrl_c_leaves_at_once_and_keeps_the_last_checkpoint(
    processes, pictures, tmp_path
):
    run = tmp_path / "run"
    process = processes.start(
        *gan(pictures, run, 6, *SMALL), prelude=UNJUDGED + at_step(HANG_AFTER_2), folder=tmp_path
    )
    wait_for(tmp_path / "hangs")
    process.signal(signal.SIGINT)
    time.sleep(0.2)  # two signals at once would be one
    process.signal(signal.SIGINT)
    ended = process.wait()
    assert (ended.code, ended.err) == (130, "stopped\n")
    assert last_step(run) == 1


def test_two_processes_in_one_run_folder_are_refused_and_a_dead_ones_lock_is_free(
    processes, pictures, tmp_path
):
    run = tmp_path / "run"
    first = processes.start(
        *gan(pictures, run, 3, *SMALL), prelude=UNJUDGED + at_step(HANG_AFTER_2), folder=tmp_path
    )
    wait_for(tmp_path / "hangs")
    second = processes.run("resume", run)
    assert second.code == 1
    assert second.err == (
        f"error: {run} is in use by another process; wait for it, or choose another --out\n"
    )
    assert first.kill().code == -signal.SIGKILL
    assert processes.run("resume", run, prelude=UNJUDGED).code == 0
    assert last_step(run) == 3


# ---- disks


@pytest.fixture
def disk(tmp_path):
    """A disk of 2 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a disk to fill")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


FULL = """
    if state.step == {full}:
        with open({filler!r}, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
    if state.step == {free}:
        os.remove({filler!r})
"""


def test_a_disk_that_is_full_for_a_while_costs_only_checkpoints(
    processes, pictures, tmp_path, disk
):
    whole, run = tmp_path / "whole", disk / "run"
    assert processes.run(*gan(pictures, whole, 6, *SMALL), prelude=UNJUDGED).code == 0
    fills = at_step(FULL.format(full=3, free=5, filler=str(disk / "filler")))
    ended = processes.run(*gan(pictures, run, 6, *SMALL), prelude=UNJUDGED + fills)
    assert ended.code == 0, ended.err
    assert ended.out.count("not written, the disk is full (0 MB free)") >= 2
    assert "training goes on" in ended.out
    assert_bit_equal(run, whole)
    steps = [line["step"] for line in RunFolder(run).read_log()]
    assert steps == sorted(set(steps)) and {1, 2, 6} <= set(steps)


def test_a_disk_full_at_the_end_keeps_the_old_checkpoint_and_says_so(
    processes, pictures, tmp_path, disk
):
    whole, run = tmp_path / "whole", disk / "run"
    assert processes.run(*gan(pictures, whole, 4, *SMALL), prelude=UNJUDGED).code == 0
    fills = at_step(FULL.format(full=3, free=-1, filler=str(disk / "filler")))
    ended = processes.run(*gan(pictures, run, 4, *SMALL), prelude=UNJUDGED + fills)
    assert ended.code == 5
    place = run / "checkpoint" / "step-0000000004"
    assert f"error: {place}: not written, the disk is full (0 MB free); " in ended.err
    assert "Traceback" not in ended.err
    assert last_step(run) == Loaded(run).card.step == 2
    assert not [path for path in run.rglob(".*") if path.name != ".lock"]
    os.remove(disk / "filler")
    assert processes.run("resume", run, prelude=UNJUDGED).code == 0
    assert_bit_equal(run, whole)


def test_a_disk_full_when_a_finished_run_is_resumed_loses_nothing(processes, pictures, disk):
    run, filler = disk / "run", disk / "filler"
    assert processes.run(*gan(pictures, run, 2, *SMALL), prelude=UNJUDGED).code == 0
    before = state_of(run)[0]
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}"], capture_output=True)
    assert processes.run("resume", run).code == 5
    assert last_step(run) == Loaded(run).card.step == before == 2


def test_a_limit_on_file_sizes_is_named_and_keeps_the_old_checkpoint(
    processes, pictures, tmp_path
):
    run = tmp_path / "run"
    limits = at_step("if state.step == 2: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))")
    ended = processes.run(*gan(pictures, run, 3, *SMALL), prelude=UNJUDGED + limits)
    assert (
        ended.code == 5
        and "not written, files of this size are not allowed here (ulimit -f)" in ended.err
    )
    assert last_step(run) == Loaded(run).card.step == 1


def test_a_read_only_disk_is_named(processes, pictures, tmp_path, disk):
    run = disk / "run"
    assert processes.run(*gan(pictures, run, 1, *SMALL), prelude=UNJUDGED).code == 0
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for arguments in (
        gan(pictures, disk / "other", 1),
        ["resume", run],
        ["sample", run],
        ["evaluate", run],
    ):
        ended = processes.run(*arguments)
        assert ended.code == 5 and "Read-only file system" in ended.err, ended
        assert "Traceback" not in ended.err
    assert processes.run("sample", run, "--out", tmp_path / "samples.png").code == 0


# ---- losses


def test_an_exploding_loss_stops_names_itself_and_keeps_the_last_good_state(
    processes, pictures, tmp_path
):
    """With this learning rate one step moves every weight by 1e4, and no further loss is moderate."""
    run = tmp_path / "run"
    ended = processes.run(
        "train", "ae", "--data", pictures, "--out", run, *ALWAYS, "train.optimizer.lr=1e4"
    )
    assert ended.code == 4
    assert ended.err.startswith("error: reconstruction/distortion became "), ended.err
    assert " at step 2; step 1 is kept in " in ended.err
    assert "Try a new run with train.optimizer.lr=3.3e+03, or train.clip=1" in ended.err
    assert last_step(run) == 1
    assert all(
        tensor.isfinite().all() for tensor in checkpoint.load(run / "checkpoint").tensors.values()
    )


def test_a_nan_names_its_loss_and_its_players_learning_rate(processes, pictures, tmp_path):
    run = tmp_path / "run"
    spoils = at_step(
        "if state.step == 5: values['critic/game'] = values['critic/game'] * math.nan"
    )
    settings = [*SMALL, 'train.players={"critic": {"kind": "adam", "lr": 0.003}}', "train.clip=1"]
    ended = processes.run(*gan(pictures, run, 9, *settings), prelude=UNJUDGED + spoils)
    assert ended.code == 4
    assert ended.err == (
        f"error: critic/game became nan at step 5; step 4 is kept in {run / 'checkpoint'}. "
        "Try a new run with train.players.critic.lr=0.001\n"
    )


def test_weights_that_are_not_finite_are_never_saved(processes, pictures, tmp_path):
    """A finite loss may have a gradient that is not: the step's weights are bad before any loss is."""
    run = tmp_path / "run"
    spoils = at_step("""
    if state.step == 3:
        with torch.no_grad():
            next(state.model.generator.parameters())[0].fill_(math.nan)
    """)
    ended = processes.run(*gan(pictures, run, 9, *SMALL), prelude=UNJUDGED + spoils)
    assert ended.code == 4 and "became nan at step 3; step 2 is kept" in ended.err, ended.err
    assert last_step(run) == Loaded(run).card.step == 2


# ---- what a run rests on


def test_resuming_on_changed_data_is_refused(processes, tmp_path):
    data, run = tmp_path / "data.npy", tmp_path / "run"
    pictures = np.random.default_rng(1).integers(0, 256, (64, 8, 8), dtype=np.uint8)
    np.save(data, pictures)
    assert processes.run(*gan(data, run, 1, *SMALL), prelude=UNJUDGED).code == 0
    pictures[5, 3, 3] ^= 1
    np.save(data, pictures)
    ended = processes.run("resume", run)
    assert ended.code == 3
    assert f"error: the data of {run} is not what it was trained on (fingerprint " in ended.err
    assert "bring the data back, or train a new run" in ended.err


GARBLED = {
    "missing": None,
    "empty": b"",
    "cut": b'{"recipe": "ae", "da',
    "bytes": b"\xff\xfe\x00\x01",
    "list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "wrong": b'{"recipe": 3}',
    "unknown": b'{"recipe": "ae", "colour": "red"}',
}


@pytest.fixture(scope="module")
def small_run(processes, pictures, tmp_path_factory):
    run = tmp_path_factory.mktemp("small") / "run"
    assert processes.run(*gan(pictures, run, 1, *SMALL)).code == 0
    return run


@pytest.mark.parametrize("name", GARBLED)
def test_a_garbled_config_is_named_and_the_model_still_samples(
    name, processes, small_run, tmp_path
):
    config, before = small_run / "config.json", (small_run / "config.json").read_bytes()
    try:
        config.unlink() if GARBLED[name] is None else config.write_bytes(GARBLED[name])
        ended = processes.run("resume", small_run)
        assert ended.code in (2, 3)
        assert ended.err.startswith(f"error: {config}") and "Traceback" not in ended.err
        for arguments in (["evaluate", small_run], ["runs", small_run.parent]):
            ended = processes.run(*arguments)
            assert ended.code in (0, 2) and "Traceback" not in ended.err
        assert processes.run("sample", small_run, "--out", tmp_path / "x.npy").code == 0
    finally:
        config.write_bytes(before)


def resumed_with(processes, run, written, instead):
    """How resuming ends with other words in config.json, which is put back as it was."""
    config = run / "config.json"
    before = config.read_text()
    assert written in before
    try:
        config.write_text(before.replace(written, instead))
        return processes.run("resume", run)
    finally:
        config.write_text(before)


def test_a_checkpoint_of_another_model_is_refused(processes, small_run):
    ended = resumed_with(processes, small_run, '"latent": 4', '"latent": 5')
    assert ended.code == 3
    assert f"step 1 is not of the model that {small_run / 'config.json'} describes" in ended.err
    assert "put the file back as it was" in ended.err


def test_resuming_a_finished_run_keeps_how_it_was_judged(processes, small_run):
    """In full, on whatever data: nothing of it is computed again, nor what training cost."""
    tree = json.loads((small_run / "metrics.json").read_text())
    (small_run / "metrics.json").write_text(json.dumps({**tree, "protocol": {"mine": 1}}))
    before = {
        name: (small_run / name).read_bytes() for name in ("metrics.json", "provenance.json")
    }
    assert processes.run("resume", small_run).code == 0
    assert before == {name: (small_run / name).read_bytes() for name in before}


def test_resuming_with_another_number_of_threads_says_so(processes, pictures, tmp_path):
    run = tmp_path / "run"
    stops = at_step(f"if state.step == 2: os.kill(os.getpid(), {int(signal.SIGTERM)})")
    assert processes.run(*gan(pictures, run, 4, *SMALL), prelude=stops).code == 143
    ended = processes.run("resume", run, prelude="import torch\ntorch.set_num_threads(2)")
    assert ended.code == 0, ended.err
    assert "note: the run goes on elsewhere than before: threads: 1 -> 2" in ended.out
    made = json.loads((run / "provenance.json").read_text())
    assert made["threads"] == 1 and made["resumed"][0]["threads"] == 2
    assert made["resumed"][0]["step"] == 2
    records = json.loads((run / "metrics.json").read_text())["records"]
    (cost,) = [r for r in records if r["metric"] == "training time"]
    assert cost["settings"]["threads"] == "1, then 2"


def test_a_budget_of_wall_time_written_into_a_run_is_refused(processes, small_run):
    ended = resumed_with(processes, small_run, '"budget": "1 steps"', '"budget": "5m"')
    assert ended.code == 2
    assert "train.budget is '5m'; a run that goes on has a number of steps" in ended.err


def test_a_model_whose_checkpoints_are_gone_is_not_trained_anew(processes, pictures, tmp_path):
    run = tmp_path / "run"
    assert processes.run(*gan(pictures, run, 2, *SMALL), prelude=UNJUDGED).code == 0
    weights = (run / "model.safetensors").read_bytes()
    shutil.rmtree(run / "checkpoint")
    ended = processes.run("resume", run)
    assert ended.code == 3
    assert f"{run / 'checkpoint'} is gone, and the model beside it is of step 2" in ended.err
    assert (run / "model.safetensors").read_bytes() == weights


def test_two_trainings_that_begin_in_one_folder_leave_the_one_that_was_first(
    processes, pictures, tmp_path
):
    """Both found it empty; the second must write nothing of its own before it holds the lock."""
    run = tmp_path / "run"
    waits = "from reverie import verbs; from pathlib import Path; import time\n"
    late = (
        waits
        + f"""
made = verbs.new_run
def later(*arguments):
    folder = made(*arguments)
    Path({str(tmp_path / "found")!r}).touch()
    while not Path({str(tmp_path / "go")!r}).exists(): time.sleep(0.01)
    return folder
verbs.new_run = later
"""
    )
    second = processes.start(*gan(pictures, run, 3, *SMALL), "train.seed=7", prelude=late)
    wait_for(tmp_path / "found")
    first = processes.run(*gan(pictures, run, 2, *SMALL), prelude=UNJUDGED)
    assert first.code == 0
    config = (run / "config.json").read_bytes()
    (tmp_path / "go").touch()
    ended = second.wait()
    assert ended.code == 2 and f"{run} holds a run by now; choose another --out" in ended.err
    assert (run / "config.json").read_bytes() == config and last_step(run) == 2


def test_a_folder_whose_owner_has_not_begun_yet_is_left_to_it(processes, pictures, tmp_path):
    """It holds nothing but a lock, while the owner measures how many steps fit into a wall time."""
    run = tmp_path / "run"
    run.mkdir()
    with RunFolder(run).locked():
        ended = processes.run(*gan(pictures, run, 2, *SMALL))
        assert ended.code == 1 and "is in use by another process" in ended.err
        assert [path.name for path in run.iterdir()] == [".lock"]
    assert processes.run(*gan(pictures, run, 2, *SMALL), prelude=UNJUDGED).code == 0


def test_a_run_that_fails_before_it_begins_takes_no_name(processes, pictures, tmp_path):
    fails = (
        "from reverie import verbs\nfrom reverie.errors import ConfigError\n"
        "def no(*arguments): raise ConfigError('not today')\n"
        "verbs.with_steps = no\n"
    )
    command = ["train", "ae", "--data", pictures, "--steps", 1]
    assert processes.run(*command, folder=tmp_path, prelude=fails).code == 2
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_config_that_was_changed_since_the_checkpoint_is_told_and_followed(
    processes, pictures, tmp_path
):
    run = tmp_path / "run"
    assert processes.run(*gan(pictures, run, 2, *SMALL), prelude=UNJUDGED).code == 0
    config = run / "config.json"
    config.write_text(config.read_text().replace('"budget": "2 steps"', '"budget": "3 steps"'))
    ended = processes.run("resume", run, prelude=UNJUDGED)
    assert ended.code == 0 and last_step(run) == 3
    assert f"{config} has changed since step 2 was saved" in ended.out
    assert "has changed" not in processes.run("resume", run, prelude=UNJUDGED).out


def test_a_damaged_checkpoint_is_passed_over_and_named(processes, pictures, tmp_path):
    whole, run = tmp_path / "whole", tmp_path / "run"
    for out in (whole, run):
        assert processes.run(*gan(pictures, out, 3, *SMALL), prelude=UNJUDGED).code == 0
    state = run / "checkpoint" / "step-0000000003" / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 1
    state.write_bytes(data)
    ended = processes.run("resume", run, prelude=UNJUDGED)
    assert ended.code == 0
    assert f"a damaged checkpoint was passed over: {state}: altered or truncated" in ended.out
    assert "step 2 of 3" in ended.out
    assert_bit_equal(run, whole)
