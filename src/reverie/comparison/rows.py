"""The rows of a comparison: runs, or several seeds of one."""

from __future__ import annotations

import copy
import json
import math
import re
import statistics
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ..budget import parse
from ..config import from_tree, to_tree
from ..errors import ConfigError
from ..metrics.intervals import student_t_quantile
from ..records import record_from
from ..runs import RunFolder, unfinished
from ..settings import Config

REFERENCES = {
    "training data": ("training data",),
    "held-out data": ("held-out data",),
    "floor": (
        "Gaussian floor",
        "hard floor",
        "floor",
        "perfect samples",
        "equal distributions",
        "equilibrium",
        "no memory",
    ),
    "baseline": (
        "Gaussian baseline",
        "independent Bernoulli",
        "pPCA, full rank",
        "training mean",
        "commonest class",
    ),
}
"""The reference rows of a table, and what records call them."""


@dataclass(frozen=True)
class Row:
    """A run, or runs that differ in their seed alone.

    Arguments:
        name: What the row is called.
        folders: The run folders, by seed where there are several.
        records: The records of each metric, one for each folder that was judged by it, with the seed of
            its training where the run says.
    """

    name: str
    folders: tuple[RunFolder, ...]
    records: dict[str, list[dict[str, Any]]] = field(repr=False)

    @property
    def budget(self) -> str:
        """How long its runs were to train: the wall time they were given, else what their settings say.

        Empty where they do not say.
        """
        folder = self.folders[0]
        train = folder.read(folder.config).get("train")
        written = train.get("budget") if isinstance(train, dict) else None
        return _wall_time(folder) or str(written or "")

    @property
    def pictured(self) -> str:
        """What its pictures and curves are called: of several runs the first alone is shown."""
        first = self.folders[0].path.name
        return self.name if len(self.folders) == 1 else f"{self.name}, here {first}"

    def each(self, metric: str) -> list[dict[str, Any]]:
        """The metric's records that have a value."""
        return [r for r in self.records.get(metric, []) if r["value"] is not None]

    def _averaged(self, metric: str) -> list[dict[str, Any]]:
        """Those of one extractor, which a mean may be of."""
        found = self.each(metric)
        return [record for record in found if record["metric"] == found[0]["metric"]]

    def has(self, metric: str) -> bool:
        """Whether there is a value."""
        return bool(self.each(metric))

    def ranks(self, metric: str) -> bool:
        """Whether there is a value of which one side is better, in every run."""
        return self.has(metric) and all(r["direction"] != "none" for r in self.each(metric))

    def reason(self, metric: str) -> str:
        """Why there is none; empty where there is one."""
        if self.has(metric):
            return ""
        found = self.records.get(metric, [])
        return found[0]["reason"] if found else "not part of its judgement"

    def record(self, metric: str) -> dict[str, Any]:
        """The metric's record: of several seeds their mean, with its 95 % t-interval over seeds."""
        found = self._averaged(metric)
        if len(found) < 2:
            return found[0]
        values = [record["value"] for record in found]
        count, mean = len(values), statistics.fmean(values)
        error = statistics.stdev(values) / math.sqrt(count)
        half = student_t_quantile(0.975, count - 1) * error
        return {
            **found[0],
            "seed": None,
            "value": mean,
            "uncertainty": error,
            # Seeds that all agree, as on the number of parameters, have no spread to show.
            "interval": (mean - half, mean + half) if error else None,
            "df": count - 1,
            "method": f"95 % t-interval over {count} seeds",
            "each": values,
        }

    def points(self, x: str, y: str) -> list[tuple[float, float]]:
        """Two metrics of each run that has both."""
        return [
            (a["value"], b["value"])
            for a in self._averaged(x)
            for b in self._averaged(y)
            if a["seed"] == b["seed"]
        ]

    def reference(self, metric: str, kind: str) -> list[float]:
        """The value of a reference row in each run that has one."""
        beside = [record["reference"] for record in self.each(metric)]
        named = [[each[name] for name in REFERENCES[kind] if name in each] for each in beside]
        return [values[0] for values in named if values]

    @cached_property
    def values(self) -> list[dict[str, Tensor]]:
        """The values a sample of each run, by metric."""
        return [_values(folder) for folder in self.folders]


def grouped(runs: dict[str, tuple[RunFolder, dict[str, Any]]]) -> list[Row]:
    """Rows in the order of the runs: those whose settings differ in the seed alone, and that were judged
    alike, are one."""
    groups: dict[str, list[str]] = {}
    seeds: dict[str, int | None] = {}
    for name, (folder, tree) in runs.items():
        config = _settings(folder)
        train = config.get("train")
        seeds[name] = train.pop("seed", None) if isinstance(train, dict) else None
        facts = [config, _wall_time(folder), tree.get("protocol"), _fingerprint({}, tree)]
        facts.append(unfinished(folder, tree.get("step")))
        if isinstance(train, dict) and facts[1]:
            train.pop("budget", None)  # as steps, which were measured anew for every run
        key = json.dumps(facts, sort_keys=True) if seeds[name] is not None else name
        same = groups.setdefault(key, [])
        if any(seeds[other] == seeds[name] for other in same):
            same = groups.setdefault(name, [])  # the same run twice is no second seed
        same.append(name)
    rows: list[Row] = []
    for names in groups.values():
        ordered = sorted(names, key=lambda n: (seeds[n] is None, seeds[n] or 0))
        records: dict[str, list[dict[str, Any]]] = {}
        for name in ordered:
            for record in runs[name][1].get("records", []):
                data = _fingerprint(record, runs[name][1])
                known = record_from(record).to_dict()  # what is not finite becomes a dash
                complete = {**record, **known, "data": data, "seed": seeds[name]}
                records.setdefault(column(record["metric"]), []).append(complete)
        title = names[0] if len(names) == 1 else _title(runs[names[0]][0], names, rows)
        folders = tuple(runs[name][0] for name in ordered)
        rows.append(Row(title, folders, records))
    return rows


def _settings(folder: RunFolder) -> dict[str, Any]:
    """What config.json says, with the defaults of settings that the version it is of did not have."""
    tree = copy.deepcopy(folder.read(folder.config))
    try:
        return to_tree(from_tree(Config, tree, str(folder.config)))
    except ConfigError:  # it knows settings that this version does not
        return tree


def column(metric: str) -> str:
    """The column of a metric: a record without a value does not know its extractor."""
    return re.sub(r"\[.*\]", "", metric)


def _wall_time(folder: RunFolder) -> str:
    """The budget of a run as it was given, if that was a wall time."""
    given = folder.read(folder.provenance).get("budget_given")
    try:
        return given if isinstance(given, str) and parse(given).unit == "seconds" else ""
    except ConfigError:
        return ""


def _title(folder: RunFolder, names: list[str], rows: list[Row]) -> str:
    recipe = str(folder.read(folder.config).get("recipe") or names[0])
    title = f"{recipe} ({len(names)} seeds)"
    taken = {row.name for row in rows}
    return title if title not in taken else f"{names[0]} ({len(names)} seeds)"


def _fingerprint(record: dict[str, Any], tree: dict[str, Any]) -> Any:
    data = record.get("data") or tree.get("data") or {}
    return data.get("fingerprint") if isinstance(data, dict) else data


def _values(folder: RunFolder) -> dict[str, Tensor]:
    try:
        return load((folder.path / "values.safetensors").read_bytes())
    except (OSError, ValueError, SafetensorError):
        return {}


def stacked(rows: Row, metric: str) -> Tensor:
    """The metric's value of every seed, `(S,)`."""
    return torch.tensor([record["value"] for record in rows.each(metric)], dtype=torch.float64)
