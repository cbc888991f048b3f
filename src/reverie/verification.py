"""Runs a recipe in full and writes down what it gave: the machine-written lines of its docstring."""

from __future__ import annotations

import inspect
import math
import re
import statistics
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import recipes
from .errors import ConfigError
from .monitor import Listener
from .records import number
from .repeating import make_run
from .runs import RunFolder
from .sessions import sessions
from .storage import write_text

HEADLINES = (
    "-elbo",
    "held-out distortion",
    "-log p(x) bound",
    "reconstruction MSE",
    "FD[",
    "FID",
    "coverage[",
)
WIDTH = 99 - 13


@dataclass(frozen=True)
class Verified:
    """What the runs of a recipe gave.

    Arguments:
        name: The recipe.
        takes: Time and machine.
        expect: Values with their spread over seeds, and the commit.
    """

    name: str
    takes: str
    expect: str

    def to_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"recipe": self.name, "takes": self.takes, "expect": self.expect}

    def write(self) -> Path:
        """Puts both lines into the recipe's docstring.

        Raises:
            ConfigError: The source is not a checkout that can be written to.
        """
        function = recipes.find(self.name)
        path = Path(inspect.getsourcefile(function) or "")
        if "site-packages" in path.parts or not path.is_file():
            raise ConfigError(f"{path}: recipes are written down in a source checkout only")
        source = path.read_text(encoding="utf-8")
        start = source.index(f"def {function.__name__}(")
        head, body = source[:start], source[start:]
        for key, text in (("Takes", self.takes), ("Expect", self.expect)):
            lines = textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)
            filled = "\n             ".join(lines)
            form = re.compile(rf"^    {key}:.*?(?=^    [A-Z]\w+:|^    \"\"\")", re.M | re.S)
            body = form.sub(lambda _, k=key, f=filled: f"    {k + ':':9}{f}\n", body, count=1)
        write_text(path, head + body)
        return path


def verify(name: str, seeds: int, data: str, listener: Listener) -> Verified:
    """Trains the recipe once for each seed, or goes on where an earlier call left off."""
    made = [_one(name, seed, data, listener) for seed in range(seeds)]
    facts = [folder.read(folder.provenance) for folder in made]
    seconds = [fact["training_seconds"] for fact in facts]
    trained = [each for fact in facts for each in sessions(fact)]
    where = " and ".join(dict.fromkeys(map(_place, trained)))
    takes = f"{clock(statistics.median(seconds))} of training on {where}."
    commits = sorted({str(each["commit"]) for each in trained})
    values = "; ".join(_value(metric, made) for metric in _metrics(made[0]))
    plural = f"{seeds} seeds" if seeds > 1 else "1 seed"
    expect = f"{values} ({plural}, {where}, commit {', '.join(commits)})."
    return Verified(name, takes, expect)


def _place(made: dict[str, Any]) -> str:
    threads = made["threads"]
    return f"{made['machine']}, {threads} thread{'s' * (threads > 1)}, {made['precision']}"


def clock(seconds: float) -> str:
    """A duration in words."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _one(name: str, seed: int, data: str, listener: Listener) -> RunFolder:
    folder = RunFolder(Path("runs") / "verify" / f"{name}-{Path(data).name}-seed{seed}")
    make_run(folder, name, data, [f"train.seed={seed}"], listener)
    return folder


def _metrics(folder: RunFolder) -> list[str]:
    records = folder.read(folder.metrics)["records"]
    names = [r["metric"] for r in records if r["value"] is not None]
    return [n for n in names if any(headline in n for headline in HEADLINES)]


def _value(metric: str, folders: list[RunFolder]) -> str:
    records: list[dict[str, Any]] = [
        record
        for folder in folders
        for record in folder.read(folder.metrics)["records"]
        if record["metric"] == metric and record["value"] is not None
    ]
    values = [record["value"] for record in records]
    mean = statistics.fmean(values)
    spread = ""
    if len(values) > 1:
        deviation = statistics.stdev(values)
        digits = max(0, 1 - math.floor(math.log10(deviation))) if deviation else 0
        spread = f" (sd {deviation:.{min(digits, 6)}f})"
    some = f" in {len(values)} of {len(folders)} runs" if len(values) < len(folders) else ""
    return f"{metric} {number(mean)}{spread} {records[0]['unit']}".strip() + some
