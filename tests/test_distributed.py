"""Workers share a batch and give the numbers of one; one that dies is started again and changes nothing.

Equality to 1e-5 is in fp32: bf16 rounds a half batch otherwise. Forked workers talk through gloo as
torchrun's do; what torchrun itself adds, starting and restarting, is tested with torchrun.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from reverie import checkpoint, verbs
from reverie.cli import workers as crew
from reverie.distributed import World
from reverie.errors import ConfigError
from reverie.runs import RunFolder

UNJUDGED = "from reverie import verbs; verbs.finish = lambda *arguments: None\n"
STEPS = 6
FORM = ["train.batch=16", "train.log_every=1", "train.save_every=1", "train.precision=fp32"]

DAMPED = "train.optimizer.eps=1e-4"
"""For games of differences of scores: while a critic's unit is on for real and generated samples alike, its
bias has no gradient but rounding, of which Adam's own eps would make whole steps."""


def train(recipe, pictures, out, *settings):
    return ["train", recipe, "--data", pictures, "--out", out, "--steps", STEPS, *FORM, *settings]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def run_workers(processes, count, arguments, prelude=UNJUDGED):
    """Runs a command in so many workers, without torchrun."""
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": str(count)}
    started = [
        processes.start(*arguments, prelude=prelude, RANK=str(rank), LOCAL_RANK=str(rank), **where)
        for rank in range(count)
    ]
    return [process.wait() for process in started]


def curve(run):
    """Every logged value `(steps, values)`; not counts over a batch, whose mean over parts differs."""
    lines = RunFolder(run).read_log()
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    return torch.tensor(
        [
            [v["value"] for name, v in line["values"].items() if not name.endswith("/active")]
            for line in lines
        ],
        dtype=torch.float64,
    )


def tensors_of(run):
    return checkpoint.load(run / "checkpoint").tensors


def assert_bit_equal(one, two):
    first, second = tensors_of(one), tensors_of(two)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


# ---- the share of a worker


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (2, 1), (1, 3), (2, 3), (3, 2)])
def test_workers_and_micro_batches_cut_a_batch_into_equal_parts_in_order(size, parts):
    """Every row once, in order: the noise and the samples of a row are then those of one worker."""
    rows = [
        World(rank, size).rows(24, part, parts) for rank in range(size) for part in range(parts)
    ]
    assert [row for first, last in rows for row in range(first, last)] == list(range(24))
    assert len({last - first for first, last in rows}) == 1


def test_a_batch_that_cannot_be_shared_names_one_that_can():
    with pytest.raises(
        ConfigError, match=r"train.batch is 25, which 2 workers x 3 micro-batches cannot share"
    ):
        World(0, 2).rows(25, 0, 3)
    with pytest.raises(ConfigError, match=r"write train.batch=24"):
        World(0, 2).rows(25, 0, 3)


# ---- the same numbers


@pytest.mark.parametrize(
    ("recipe", "damped"),
    [("vae", ()), ("gan", ()), ("dcgan", ()), ("wgan-gp", (DAMPED,)), ("r3gan", (DAMPED,))],
)
def test_two_workers_give_the_losses_of_one(recipe, damped, processes, pictures, tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    settings = ("train.ema=50", *damped)
    assert processes.run(*train(recipe, pictures, alone, *settings), prelude=UNJUDGED).code == 0
    ended = run_workers(processes, 2, train(recipe, pictures, together, *settings))
    assert [worker.code for worker in ended] == [0, 0], ended
    torch.testing.assert_close(curve(together), curve(alone), rtol=1e-5, atol=1e-5)
    assert RunFolder(together).read(together / "provenance.json")["workers"] == 2


@pytest.mark.parametrize("recipe", ["vae", "wgan-gp"])
@pytest.mark.parametrize("count", [1, 2])
def test_micro_batches_give_the_losses_of_whole_ones(recipe, count, processes, pictures, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    damped = [DAMPED] if recipe == "wgan-gp" else []
    assert processes.run(*train(recipe, pictures, whole, *damped), prelude=UNJUDGED).code == 0
    command = train(recipe, pictures, parts, "train.accumulate=2", *damped)
    how = (
        run_workers(processes, count, command)
        if count > 1
        else [processes.run(*command, prelude=UNJUDGED)]
    )
    assert {worker.code for worker in how} == {0}, how
    torch.testing.assert_close(curve(parts), curve(whole), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("recipe", ["conv-vae", "gan", "wgan-gp", "r3gan"])
def test_two_workers_are_bit_equal_to_one_that_takes_each_batch_in_two_halves(
    recipe, processes, pictures, tmp_path
):
    """With each recipe's own optimizers: sums of the same numbers in the same order, so nothing differs."""
    halves, together = tmp_path / "halves", tmp_path / "together"
    settings = ("train.ema=50",)
    one = train(recipe, pictures, halves, *settings, "train.accumulate=2")
    assert processes.run(*one, prelude=UNJUDGED).code == 0
    ended = run_workers(processes, 2, train(recipe, pictures, together, *settings))
    assert [worker.code for worker in ended] == [0, 0], ended
    assert torch.equal(curve(together), curve(halves))
    assert_bit_equal(together, halves)


def test_a_worker_that_saw_other_samples_would_be_noticed(processes, pictures, tmp_path):
    """The comparisons above could not fail if they did not depend on which rows a worker takes."""
    alone, wrong = tmp_path / "alone", tmp_path / "wrong"
    assert processes.run(*train("vae", pictures, alone), prelude=UNJUDGED).code == 0
    same = (
        "from reverie.distributed import World\n"
        "World.rows = lambda self, batch, part, parts: (0, batch // self.size)\n"
    )
    run_workers(processes, 2, train("vae", pictures, wrong), UNJUDGED + same)
    assert not torch.allclose(curve(wrong), curve(alone), rtol=1e-5, atol=1e-6)


def test_workers_whose_steps_are_slow_report_before_a_hundred_of_them(
    processes, pictures, tmp_path
):
    at_once = "from reverie import fitting\nfitting.REPORT_SECONDS = 0.0\n"
    command = [*train("vae", pictures, tmp_path / "run"), "--steps", 25, "train.log_every=100"]
    run_workers(processes, 2, command, UNJUDGED + at_once)
    lines = RunFolder(tmp_path / "run").read_log()
    assert [line["step"] for line in lines] == [10, 20, 25]


def test_only_the_leading_worker_speaks_and_both_end_well(processes, pictures, tmp_path):
    """The whole command, judging included."""
    leading, other = run_workers(
        processes, 2, train("gan", pictures, tmp_path / "run"), prelude=""
    )
    assert (leading.code, other.code) == (0, 0), (leading, other)
    assert "report:" in leading.out and (other.out, other.err) == ("", "")
    assert (tmp_path / "run" / "report.html").exists()


def test_a_resumed_pair_of_workers_goes_on_bit_equal(processes, pictures, tmp_path):
    """Stopped by a signal to one of them alone; all hear of it, save once and leave."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_workers(processes, 2, train("gan", pictures, whole))
    stops = (
        "import os, signal\nfrom reverie import fitting\nplain = fitting.train_step\n"
        "def step(state, plan):\n"
        "    values = plain(state, plan)\n"
        "    if state.step == 3 and plan.world.rank == 1: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return values\n"
        "fitting.train_step = step\n"
    )
    leading, other = run_workers(processes, 2, train("gan", pictures, parts), UNJUDGED + stops)
    assert (leading.code, other.code) == (143, 143)
    assert f"saved. Go on with: reverie launch --workers 2 resume {parts}\n" in leading.err
    ended = run_workers(processes, 2, ["resume", parts])
    assert [worker.code for worker in ended] == [0, 0]
    assert_bit_equal(parts, whole)


def test_nothing_but_json_and_numbers_travels_between_workers(processes, pictures, tmp_path):
    """PyTorch sends objects as pickles, which run code where they arrive; here that would raise."""
    forbidden = (
        "import pickle\n"
        "for name in ('Pickler', 'Unpickler', 'loads', 'dumps'): setattr(pickle, name, None)\n"
        "from torch.distributed import distributed_c10d as c10d\n"
        "c10d._pickler = c10d._unpickler = None\n"
    )
    ended = run_workers(
        processes, 2, train("gan", pictures, tmp_path / "run"), UNJUDGED + forbidden
    )
    assert [worker.code for worker in ended] == [0, 0], ended


def test_an_error_of_the_leading_worker_ends_all(processes, pictures, tmp_path):
    """The folder is taken: only the leading worker looks, and the other must not wait for ever."""
    (tmp_path / "file").write_text("")
    ended = run_workers(processes, 2, train("gan", pictures, tmp_path))
    assert [worker.code for worker in ended] == [2, 2]
    assert "is not empty; choose another folder" in ended[0].err


# ---- torchrun


def launched(*arguments, by=("-m", "reverie", "launch", "--workers", "2")):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *by, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def worker_of(launcher, rank):
    """The pid of a worker, or None while there is none."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(re.search(r"PPid:\s+(\d+)", (place / "status").read_text())[1])
            environment = (place / "environ").read_bytes().split(b"\0")
        except (OSError, TypeError):
            continue
        if parent == launcher.pid and f"RANK={rank}".encode() in environment:
            return int(place.name)
    return None


def wait_for_step(run, step, launcher):
    while launcher.poll() is None:
        steps = sorted((run / "checkpoint").glob("step-*"))
        if steps and int(steps[-1].name[5:]) >= step:
            return int(steps[-1].name[5:])
        time.sleep(0.02)
    raise AssertionError(launcher.communicate())


def many(steps):
    """So many steps of a small model, some milliseconds each."""
    small = ["model.generator.widths=[16]", "model.critic.widths=[16]", "train.log_every=10"]
    return ["--steps", steps, "train.save_every=10", *small]


@pytest.fixture
def undisturbed(processes, pictures, tmp_path):
    """A run of two workers that were left in peace, of so many steps."""

    def made(steps):
        run = tmp_path / "undisturbed"
        ended = run_workers(processes, 2, [*train("gan", pictures, run), *many(steps)])
        assert [worker.code for worker in ended] == [0, 0]
        return run

    return made


def test_a_killed_worker_is_restarted_and_the_run_ends_as_if_it_were_not(
    undisturbed, pictures, tmp_path
):
    run = tmp_path / "run"
    launcher = launched(*train("gan", pictures, run), *many(200))
    wait_for_step(run, 20, launcher)
    os.kill(worker_of(launcher, 1), signal.SIGKILL)
    out, err = launcher.communicate()
    assert launcher.returncode == 0, err
    began = [int(step) for step in re.findall(r"training .*, step (\d+) of 200", out)]
    assert len(began) == 2 and began[0] == 0 and 20 <= began[1] < 200
    assert "Traceback" not in err
    assert_bit_equal(run, undisturbed(200))


@pytest.mark.slow
def test_a_stopped_launch_saves_and_prints_the_command_to_go_on(pictures, tmp_path):
    run = tmp_path / "run"
    launcher = launched(*train("gan", pictures, run), *many(100_000))
    wait_for_step(run, 10, launcher)
    launcher.send_signal(signal.SIGTERM)
    err = launcher.communicate()[1]
    assert launcher.returncode == 143
    assert err.count(f"saved. Go on with: reverie launch --workers 2 resume {run}\n") == 1
    assert "Traceback" not in err
    assert f"stopped at step {checkpoint.load(run / 'checkpoint').step:,} of 100,000" in err


def test_what_workers_refuse_is_said_once_and_not_tried_again():
    launcher = launched("train", "vay")
    out, err = launcher.communicate()
    assert launcher.returncode == 2 and out == ""
    assert err.count("error: there is no recipe 'vay'; did you mean 'vae'?\n") == 1
    assert "Traceback" not in err


@pytest.mark.slow
def test_ten_killed_workers_are_restarted_by_plain_torchrun(
    undisturbed, pictures, tmp_path, monkeypatch
):
    """Either of the workers, at random moments, ten times: 10 of 10 go on."""
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    run, moments, steps = tmp_path / "run", random.Random(0), 6000
    how = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "--max-restarts",
        "10",
    ]
    launcher = launched(*train("gan", pictures, run), *many(steps), by=(*how, "-m", "reverie"))
    reached = 0
    for kill in range(10):
        wait_for_step(run, reached + 10, launcher)  # the last restart goes on
        time.sleep(moments.uniform(0, 0.5))
        os.kill(worker_of(launcher, kill % 2), signal.SIGKILL)
        time.sleep(1)
        reached = wait_for_step(run, 0, launcher)
    out, err = launcher.communicate()
    assert launcher.returncode == 0, err
    assert len(re.findall(r"training .*, step \d+ of", out)) == 11
    assert_bit_equal(run, undisturbed(steps))


# ---- knowing one's own run after a restart


def made_run(folder, launch, started):
    run = RunFolder(folder)
    folder.mkdir(parents=True)
    run.config.write_text("{}")
    run.update_provenance({"launch": launch, "started": started})


def test_a_restarted_launch_finds_its_own_run_and_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, launch in (("a", "other"), ("b", "mine"), ("c", None)):
        made_run(Path("runs") / name, launch, "2026-01-01")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert verbs.restarted_run(None) is None
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert verbs.restarted_run(None) == "runs/b"
    assert verbs.restarted_run("runs/b") == "runs/b"
    assert verbs.restarted_run("runs/a") is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "unknown")
    assert verbs.restarted_run(None) is None


def test_the_name_that_torchrun_gives_every_run_is_told_apart_by_the_launcher(
    tmp_path, monkeypatch
):
    """Without --standalone or --rdzv-id all are called "none"; an older one must not be gone on with."""
    monkeypatch.chdir(tmp_path)
    made_run(Path("runs/old"), "none", "2026-01-01")
    made_run(Path("runs/older"), f"none-{os.getppid() + 1}", "2026-01-01")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert verbs.restarted_run(None) is None
    made_run(Path("runs/own"), f"none-{os.getppid()}", "2026-01-01")
    assert verbs.restarted_run(None) == "runs/own"


def test_only_the_first_worker_to_refuse_speaks(tmp_path, monkeypatch):
    monkeypatch.setenv(crew.NOTE, str(tmp_path / "note"))
    assert crew.refused() == 0
    assert crew.refuse(2) and not crew.refuse(3)
    assert crew.refused() == 2
    monkeypatch.delenv(crew.NOTE)
    assert crew.refuse(3) and crew.refused() == 0
