"""Small data, processes that start in milliseconds, and a table of what was proven at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def data_cache(tmp_path_factory):
    """One cache of decoded data for the session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(data_cache, monkeypatch):
    monkeypatch.setenv("REVERIE_CACHE", str(data_cache))
    return data_cache


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """64 random pictures of 8 x 8 pixels."""
    path = tmp_path_factory.mktemp("data") / "pictures.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (64, 8, 8), dtype=np.uint8))
    return path


@pytest.fixture(scope="session")
def halves(tmp_path_factory):
    """120 random pictures of 8 x 8 pixels, half of them held out: enough to judge coverage."""
    path = tmp_path_factory.mktemp("halves") / "pictures.npz"
    x = np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8)
    np.savez(path, x_train=x[:60], x_test=x[60:])
    return path


@dataclass
class Ended:
    """What a command left: its exit code, or minus the signal that ended it, and what it printed."""

    code: int
    out: str
    err: str


class Process:
    """A command that runs."""

    def __init__(self, nursery: Processes, pid: int, out: Path, err: Path) -> None:
        self.nursery, self.pid, self.out, self.err = nursery, pid, out, err

    def signal(self, number: int) -> None:
        """Sends a signal."""
        os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Waits until it ends."""
        code = self.nursery.order(wait=self.pid)
        return Ended(code, self.out.read_text(), self.err.read_text())

    def kill(self) -> Ended:
        """Kills it at once; one that has ended already keeps its exit code."""
        self.signal(signal.SIGKILL)
        return self.wait()


class Processes:
    """Starts commands from one process that has imported all it takes."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment, self.count = folder, environment, 0
        command = [sys.executable, "-W", "error", str(Path(__file__).with_name("forks.py"))]
        self.parent = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **SINGLE, **environment},
        )
        assert self._answer() == "ready"

    def order(self, **order):
        """Gives an order and returns the answer."""
        self.parent.stdin.write(json.dumps(order) + "\n")
        self.parent.stdin.flush()
        return self._answer()

    def _answer(self):
        return json.loads(self.parent.stdout.readline() or '"it died"')

    def start(self, *arguments, folder=None, prelude="", **environment) -> Process:
        """Starts `reverie` with these arguments; the prelude is Python that is run before it."""
        self.count += 1
        out, err = (self.folder / f"{self.count}.{kind}" for kind in ("out", "err"))
        for path in (out, err):  # a child may be killed before it opens them
            path.touch()
        pid = self.order(
            arguments=[str(argument) for argument in arguments],
            folder=str(folder or Path.cwd()),
            prelude=prelude,
            out=str(out),
            err=str(err),
            environment=environment,
        )
        return Process(self, pid, out, err)

    def run(self, *arguments, **how) -> Ended:
        """Starts `reverie` and waits for it."""
        return self.start(*arguments, **how).wait()

    def close(self) -> None:
        """Ends the parent, and with it every process that a failed test left behind."""
        self.parent.kill()
        self.parent.stdin.close()
        self.parent.wait()
        self.parent.stdout.close()


@pytest.fixture(scope="session")
def processes(tmp_path_factory, data_cache):
    """Starts `reverie` in processes of their own."""
    started = Processes(tmp_path_factory.mktemp("processes"), {"REVERIE_CACHE": str(data_cache)})
    yield started
    started.close()


@pytest.fixture
def shows(record_property):
    """Has the end of the test run print what a proof found: `shows(what, found, known)`."""

    def shows(what, found, known=None):
        record_property("shown", [what, float(found), None if known is None else float(known)])

    return shows


def pytest_terminal_summary(terminalreporter):
    """Prints what the proofs that passed found, beside what is known."""
    reports = terminalreporter.stats.get("passed", [])
    shown = [value for r in reports for name, value in r.user_properties if name == "shown"]
    if not shown:
        return
    terminalreporter.section("proven: found, and known where there is a closed form or a table")
    width = max(len(what) for what, *_ in shown)
    for what, found, known in sorted(shown, key=lambda row: row[0]):
        beside = "" if known is None else f"{known:12.6g}"
        terminalreporter.write_line(f"{what:{width}}{found:12.6g}{beside}")
