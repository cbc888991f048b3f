"""The run folder: everything a run made, and the only thing that the verbs share."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from . import __version__
from .errors import ConfigError, ReverieError, StorageError, did_you_mean
from .storage import half_written, remove_leftovers, sha256_of, write_text


class RunFolder:
    """Where the files of one run are. Nothing is read or made by naming them.

    Arguments:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"
        self.provenance = path / "provenance.json"
        self.log = path / "log.jsonl"
        self.checkpoint = path / "checkpoint"
        self.samples = path / "samples"
        self.metrics = path / "metrics.json"
        self.report = path / "report.html"

    def read_log(self) -> list[dict[str, Any]]:
        """All reports of the run, oldest first; a line cut short by a crash is left out."""
        lines: dict[int, dict[str, Any]] = {}
        if self.log.exists():
            for text in self.log.read_text(errors="replace").splitlines():
                try:
                    line = json.loads(text)
                    lines[int(line["step"])] = line
                except (ValueError, TypeError, KeyError):
                    continue
        # Steps that were repeated after a crash stand twice: the later line is the one that counts.
        return [lines[step] for step in sorted(lines)]

    def append_log(self, line: Mapping[str, Any]) -> None:
        """Adds one report, on a line of its own even after one that a crash cut short."""
        with self.log.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
            cut = file.read(1) not in (b"", b"\n")
            file.write((b"\n" if cut else b"") + json.dumps(line).encode() + b"\n")

    def read(self, path: Path) -> dict[str, Any]:
        """A JSON file of the run; empty where it is missing or not finished."""
        try:
            tree = json.loads(path.read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        return tree if isinstance(tree, dict) else {}

    @property
    def config_hash(self) -> str | None:
        """The SHA-256 of config.json as it is now, as hex; None where there is none."""
        return sha256_of(self.config) if self.config.exists() else None

    def update_provenance(self, facts: Mapping[str, Any]) -> None:
        """Adds facts to provenance.json."""
        tree = {**self.read(self.provenance), **facts}
        write_text(self.provenance, json.dumps(tree, indent=2) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second process out; a lock dies with its process, however that ends.

        Raises:
            ReverieError: Another process trains in this folder.
            StorageError: The folder cannot be written.
        """
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ReverieError(
                f"{self.path} is in use by another process; wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error.strerror})") from None
        # Whoever holds the lock is alone here: what lies half written is of the dead.
        for folder in (self.path, self.checkpoint, self.samples):
            remove_leftovers(folder)
        try:
            yield
        finally:
            lock.release()


def new_run(out: str | None, recipe: str, data: str) -> RunFolder:
    """Makes the folder of a new run: `out`, else `runs/RECIPE-DATA`, numbered when taken.

    Raises:
        ConfigError: `out` holds something already.
        StorageError: No folder can be made there.
    """
    try:
        return _make_run(out, recipe, data)
    except OSError as error:
        raise StorageError(f"{error.filename}: cannot be made ({error.strerror})") from None


def _make_run(out: str | None, recipe: str, data: str) -> RunFolder:
    if out is not None:
        path = Path(out)
        # What a killed process left half written goes once the run is locked, and nobody else's before.
        if path.is_file() or (path.is_dir() and set(path.iterdir()) - half_written(path)):
            hint = f"`reverie resume {out}` goes on with it; " if is_run(path) else ""
            raise ConfigError(f"--out {out} is not empty; {hint}choose another folder")
        path.mkdir(parents=True, exist_ok=True)
        return RunFolder(path)
    base, number = Path("runs") / f"{recipe}-{data}", 1
    while True:
        path = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            path.mkdir(parents=True)
            return RunFolder(path)
        except FileExistsError:
            number += 1


def is_run(path: Path) -> bool:
    """Whether a folder is a run, or a model on its own."""
    return (path / "config.json").exists() or (path / "model.json").exists()


def find_run(name: str | os.PathLike[str]) -> RunFolder:
    """The run of that path, or of that name under `runs/`.

    Raises:
        ConfigError: There is none; the message names the closest.
    """
    for path in (Path(name), Path("runs") / name):
        if is_run(path):
            return RunFolder(path)
    here = [str(path) for path in list_runs(Path(name).parent)] or map(
        str, list_runs(Path("runs"))
    )
    if Path(name).is_dir():
        raise ConfigError(f"{name} holds no run (no config.json and no model.json)")
    raise ConfigError(f"there is no run {str(name)!r}; {did_you_mean(name, here)}")


def list_runs(folder: Path) -> list[Path]:
    """The runs directly inside a folder, by name."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and is_run(path))


def summary(path: Path) -> dict[str, Any]:
    """What a list of runs says of one: its recipe, how far it came, and its first numbers."""
    folder = RunFolder(path)
    records = folder.read(folder.metrics).get("records", [])
    log, config = folder.read_log(), folder.read(folder.config)
    step = log[-1]["step"] if log else 0
    budget = re.fullmatch(r"(\d+) steps", str(config.get("train", {}).get("budget")))
    state = (
        "finished" if records else f"step {step:,}" + (f" of {int(budget[1]):,}" if budget else "")
    )
    shown = [f"{r['metric']} {r['value']:.4g}" for r in records if r["value"] is not None]
    recipe = config.get("recipe", "model only")
    return {"run": str(path), "recipe": recipe, "state": state, "headline": ", ".join(shown[:2])}


def software() -> dict[str, Any]:
    """Versions and the commit that a run is made with."""
    import torch

    return {
        "reverie": __version__,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "commit": git_commit(),
    }


def git_commit() -> str | None:
    """The commit of the source this runs from, with "+" where files differ; None outside a checkout."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=10", "HEAD") + (
            "+" if git("status", "--porcelain", "src") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def relative_to_cwd(path: Path) -> str:
    """A path as a person would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
