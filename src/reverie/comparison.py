"""One table over runs of all families, which ranks only what can be compared."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .records import number
from .runs import RunFolder, find_run, is_run

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Comparison:
    """A table of runs.

    Arguments:
        runs: The names of the rows.
        metrics: The names of the columns.
        records: The record of each run and metric; absent where a run was not judged by it.
        best: The best run of each metric that can be ranked.
        notes: What cannot be ranked, and which field differs; what a dash means.
    """

    runs: list[str]
    metrics: list[str]
    records: dict[tuple[str, str], dict[str, Any]]
    best: dict[str, str]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = {
            run: {m: self.records[run, m] for m in self.metrics if (run, m) in self.records}
            for run in self.runs
        }
        return {"runs": rows, "best": self.best, "notes": self.notes}

    def cell(self, run: str, metric: str) -> str:
        """A value with its standard error, or a dash."""
        record = self.records.get((run, metric))
        if record is None or record["value"] is None:
            return "-"
        error = record["uncertainty"]
        return number(record["value"]) + (f" ± {error:.1g}" if error is not None else "")

    def to_rich(self, upright: bool = False) -> Table:
        """For a terminal, a run a row, or `upright` a metric a row; the best is bold and starred."""
        from rich.markup import escape as plain
        from rich.table import Table

        table = Table(caption="* best of what can be ranked", caption_justify="left")
        heads = self.runs if upright else self.metrics
        table.add_column("metric" if upright else "run", no_wrap=not upright)
        for head in heads:
            table.add_column(plain(head), justify="right")
        for side in self.metrics if upright else self.runs:
            pairs = [(head, side) if upright else (side, head) for head in heads]
            table.add_row(plain(side), *(self._starred(run, metric) for run, metric in pairs))
        return table

    def _starred(self, run: str, metric: str) -> str:
        cell = self.cell(run, metric).replace(" ± ", "±")
        return f"[bold]{cell}*[/]" if self.best.get(metric) == run else cell

    def _repr_html_(self) -> str:
        def row(cells: list[str], tag: str) -> str:
            return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)

        head = row(["run", *self.metrics], "th")
        rows = "".join(
            f"<tr>{row([run, *(self.cell(run, m) for m in self.metrics)], 'td')}</tr>"
            for run in self.runs
        )
        return f"<table><tr>{head}</tr>{rows}</table>"


def compare(names: Sequence[str | os.PathLike[str]]) -> Comparison:
    """Compares runs by what `evaluate` wrote down.

    Values of different data, extractors, sizes, likelihoods or settings are shown and not ranked.

    Raises:
        ConfigError: A name is no run, or none of the runs has been judged.
    """
    trees: dict[str, dict[str, Any]] = {}
    # A shell's `runs/*` names every folder there, not only runs.
    others = [name for name in names if Path(name).is_dir() and not is_run(Path(name))]
    for name in names if len(others) == len(names) else [n for n in names if n not in others]:
        folder = find_run(name)
        trees[_label(folder, trees)] = folder.read(folder.metrics)
    judged = {run: tree for run, tree in trees.items() if tree}
    if not judged:
        raise ConfigError(
            "none of these runs has been judged; run `reverie evaluate RUN` for each"
        )
    notes = [f"{name}: passed over, no run" for name in others]
    notes += [
        f"{run}: not judged yet; run `reverie evaluate`" for run in trees if run not in judged
    ]
    records = {
        (run, column(record["metric"])): {**record, "data": tree["data"]["fingerprint"]}
        for run, tree in judged.items()
        for record in tree["records"]
    }
    metrics = list(dict.fromkeys(metric for _, metric in records))
    metrics = [
        m for m in metrics if any(records.get((r, m), {}).get("value") is not None for r in judged)
    ]
    best = {}
    for metric in metrics:
        rows = {r: records[r, metric] for r in judged if _has(records, r, metric)}
        difference = unlike(list(rows.values()))
        if difference:
            notes.append(f"{metric}: not ranked, since {difference}")
        elif len(rows) > 1 and (winner := leader(rows)):
            best[metric] = winner
    notes += [
        f"{run}, {metric}: - ({record['reason']})"
        for (run, metric), record in records.items()
        if record["value"] is None and metric in metrics
    ]
    return Comparison(list(trees), metrics, records, best, notes)


def column(metric: str) -> str:
    """The column of a metric: a record without a value does not know its extractor."""
    return re.sub(r"\[.*\]", "", metric)


def unlike(records: list[dict[str, Any]]) -> str:
    """Which field keeps records from being compared; empty where none does."""
    fields = {
        "the data": [r["data"] for r in records],
        "the metric's name": [r["metric"] for r in records],
        "the number of samples": [r["n"] for r in records],
        **{
            f"the setting {name!r}": [
                json.dumps(r["settings"].get(name), sort_keys=True) for r in records
            ]
            for name in sorted({name for r in records for name in r["settings"]})
        },
    }
    return next((f"{name} differs" for name, values in fields.items() if len(set(values)) > 1), "")


def leader(rows: dict[str, dict[str, Any]]) -> str | None:
    """The best run, unless its lead over the second is within two standard errors of the difference."""
    direction = next(iter(rows.values()))["direction"]
    if direction == "none":
        return None
    ranked = sorted(rows, key=lambda run: rows[run]["value"], reverse=direction == "higher")
    first, second = rows[ranked[0]], rows[ranked[1]]
    errors = [record["uncertainty"] or 0.0 for record in (first, second)]
    lead = abs(first["value"] - second["value"])
    return ranked[0] if lead > 2 * (errors[0] ** 2 + errors[1] ** 2) ** 0.5 else None


def _has(records: dict[tuple[str, str], dict[str, Any]], run: str, metric: str) -> bool:
    return records.get((run, metric), {}).get("value") is not None


def _label(folder: RunFolder, taken: dict[str, Any]) -> str:
    name = folder.path.resolve().name
    return name if name not in taken else str(folder.path)
