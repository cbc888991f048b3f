"""The command line in this process, and runs of each family that others only read."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from reverie.cli import main


@dataclass
class Said:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def reverie(capsys, monkeypatch):
    """Calls `reverie` with these arguments."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["reverie", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code or 0
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def made(processes, halves, tmp_path_factory):
    """A folder with runs: ae, vae and gan on small pictures, another vae on points of eight classes."""
    folder = tmp_path_factory.mktemp("made")
    for recipe in ("ae", "vae", "gan"):
        command = ["train", recipe, "--data", halves, "--steps", 3, "train.batch=8"]
        ended = processes.run(*command, folder=folder)
        assert ended.code == 0, ended.err
    random = np.random.default_rng(0)
    x, y = random.standard_normal((400, 2)).astype(np.float32), np.arange(400) % 8
    np.savez(folder / "points.npz", x=x, y=y)
    assert (
        processes.run(
            "train", "vae", "--data", folder / "points.npz", "--steps", 3, folder=folder
        ).code
        == 0
    )
    return folder


@pytest.fixture
def runs(made, tmp_path, monkeypatch):
    """One's own copy of those runs, in a working folder."""
    shutil.copytree(made / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
