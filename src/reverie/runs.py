"""The run folder: everything a run made, and the only thing that the verbs share."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from . import __version__
from .errors import ConfigError, ReverieError, StorageError, did_you_mean
from .storage import half_written, remove_leftovers, sha256_of, write_text

LOCK = ".lock"
BEFORE = frozenset({LOCK, "provenance.json"})
"""What may lie in a folder that is no run yet."""


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
                    lines[int(line["step"])] = {"values": {}, **line}
                except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
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

    def remove_if_empty(self) -> None:
        """Removes the folder where nothing came of it: a run that failed before it began takes no name.

        The caller holds its lock: another process's folder is empty too, until that has begun.
        """
        if {path.name for path in self.path.iterdir()} - BEFORE:
            return
        with suppress(OSError):  # Windows keeps a file that is open
            for name in BEFORE:
                (self.path / name).unlink(missing_ok=True)
            self.path.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second process out; a lock dies with its process, however that ends.

        Raises:
            ReverieError: Another process trains in this folder.
            StorageError: The folder cannot be written.
        """
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ReverieError(
                f"{self.path} is in use by another process; wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error.strerror})") from None
        # Nobody else trains or judges here; what lies half written by a process that is gone goes.
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
        left = half_written(path) | {path / name for name in BEFORE}
        if path.is_file():
            raise ConfigError(f"--out {out} is a file; choose a folder")
        if path.is_dir() and set(path.iterdir()) - left:
            hint = f"`reverie resume {shlex.quote(out)}` goes on with it; " if is_run(path) else ""
            raise ConfigError(f"--out {out} is not empty; {hint}choose another folder")
        path.mkdir(parents=True, exist_ok=True)
        return RunFolder(path)
    base, number = Path("runs") / f"{recipe}-{data}", 1
    base.parent.mkdir(parents=True, exist_ok=True)
    while True:
        path = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            path.mkdir()
            return RunFolder(path)
        except FileExistsError:
            number += 1


def unfinished(folder: RunFolder, step: int | None) -> str:
    """How far a run came that was to go on after this step; empty of one that ended."""
    planned = _planned(folder.read(folder.config))
    if not isinstance(step, int) or planned is None or step >= planned:
        return ""
    return f"step {step:,} of {planned:,}"


def judged_at_its_end(folder: RunFolder) -> bool:
    """Whether a run has ended and was judged since: one that was stopped may have been judged as it was."""
    step = folder.read(folder.metrics).get("step")
    return folder.metrics.exists() and not unfinished(folder, step)


def _planned(config: Mapping[str, Any]) -> int | None:
    """The steps that a run was to take; None where its settings do not say."""
    found = re.fullmatch(r"(\d+) steps", str(_part(config, "train", dict).get("budget")))
    return int(found[1]) if found else None


def is_run(path: Path) -> bool:
    """Whether a folder is a run, or a model on its own."""
    return (path / "config.json").exists() or (path / "model.json").exists()


def run_named(name: str | os.PathLike[str]) -> RunFolder | None:
    """The run of that path, or of that name under `runs/`; None where there is neither."""
    paths = (Path(name), Path("runs") / name)
    return next((RunFolder(path) for path in paths if is_run(path)), None)


def find_run(name: str | os.PathLike[str]) -> RunFolder:
    """`run_named`, which must be there.

    Raises:
        ConfigError: There is none; the message names the closest.
    """
    if not isinstance(name, str | os.PathLike):
        raise ConfigError(f"a run is named by its folder; found {name!r}")
    if found := run_named(name):
        return found
    here = [str(path) for path in list_runs(Path(name).parent)] or map(
        str, list_runs(Path("runs"))
    )
    if Path(name).is_dir():
        raise ConfigError(f"{name} holds no run (no config.json and no model.json)")
    raise ConfigError(f"there is no run {str(name)!r}; {did_you_mean(name, here)}")


def list_runs(folder: str | os.PathLike[str] = "runs") -> list[Path]:
    """The runs directly inside a folder, by name."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and is_run(path))


def _saved(folder: RunFolder) -> int:
    """The step of the newest checkpoint, by its name."""
    steps = [path.name.removeprefix("step-") for path in folder.checkpoint.glob("step-*")]
    return max((int(step) for step in steps if step.isdecimal()), default=0)


def summary(path: Path) -> dict[str, Any]:
    """What a list of runs says of one: its recipe, how far it came, and its first numbers.

    What a file holds in another shape than a run writes it in counts as missing.
    """
    folder = RunFolder(path)
    metrics, config = folder.read(folder.metrics), folder.read(folder.config)
    log = folder.read_log()
    records = _part(metrics, "records", list)
    step = max(int(log[-1]["step"]) if log else 0, _saved(folder))
    planned = _planned(config)
    done = records and judged_at_its_end(folder)
    state = "finished" if done else f"step {step:,}" + (f" of {planned:,}" if planned else "")
    judged, made = (_part(t, "data", dict) for t in (metrics, folder.read(folder.provenance)))
    prints = judged.get("fingerprint"), made.get("fingerprint")
    other = None not in prints and prints[0] != prints[1]
    headline = ", ".join(_shown(records)[:2])
    return {
        "run": str(path),
        "recipe": _part(config, "recipe", str) or "model only",
        "state": state,
        "headline": f"on {judged.get('name')}: {headline}" if other and headline else headline,
    }


def _part(tree: Mapping[str, Any], name: str, form: type) -> Any:
    """What stands under a name; empty where that is missing or of another form."""
    value = tree.get(name)
    return value if isinstance(value, form) else form()


def _shown(records: list[Any]) -> list[str]:
    """Each record that has a value, in words."""
    known = [r for r in records if isinstance(r, dict) and type(r.get("value")) in (int, float)]
    # An integer of JSON may be larger than any float, in which it would be written.
    finite = [r for r in known if abs(r["value"]) < 1e300]
    return [f"{r['metric']} {r['value']:.4g}" for r in finite if "metric" in r]


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
