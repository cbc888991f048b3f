"""One table over runs of all families, which ranks only what can be compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..budget import Amount, parse
from ..errors import ConfigError
from ..runs import RunFolder, find_run, run_named, unfinished
from .differences import Difference, compare_rows, corrected, leaders
from .likeness import alike, note, unlike
from .rows import Row, column, grouped
from .table import Comparison


def compare(
    names: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Compares runs by what `evaluate` wrote down.

    Runs that differ in their seed alone are one row. Values of different data, extractors, sizes,
    likelihoods or settings are shown and not ranked.

    Arguments:
        names: Run folders, or their names under `runs/`.
        out: The folder for the page and the table as .json, .csv, .md and .tex; None writes none.

    Raises:
        ConfigError: A name is no run, or none of the runs has been judged.
        StorageError: The page cannot be written.
    """
    table = compared(names)
    if out is not None:
        from .page import write_comparison

        write_comparison(table, Path(out))
    return table


def compared(names: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Comparison:
    """`compare`, and nothing is written."""
    folders, notes = opened(one_or_many(names))
    trees = {name: folder.read(folder.metrics) for name, folder in folders.items()}
    judged = [name for name, tree in trees.items() if tree.get("records")]
    if not judged:
        raise ConfigError(
            "none of these runs has been judged; run `reverie evaluate RUN` for each"
        )
    notes += [
        f"{name}: not judged yet; run `reverie evaluate`" for name in trees if name not in judged
    ]
    for name in judged:
        if came := unfinished(folders[name], trees[name].get("step")):
            notes.append(f"{name}: its training is not finished, this is {came}")
    rows = grouped({name: (folder, trees[name]) for name, folder in folders.items()})
    notes += _budgets(rows)
    metrics = _columns(rows)
    pairs, heads, whole = [], set(), set()
    for metric in metrics:
        parts = alike([row for row in rows if row.ranks(metric)], metric)
        aside = [row.name for row in rows if row.has(metric) and not row.ranks(metric)]
        if aside and parts:
            notes.append(
                f"{metric}: {', '.join(aside)} not ranked, where neither more nor less is better"
            )
        if apart := note(parts, metric):
            notes.append(apart)
        elif not aside:
            whole.add(metric)
        for found in (compare_rows(part, metric) for part in parts):
            pairs += found
            heads |= {(metric, name) for name in leading(found)}
    # Who leads is read from the values: the pairs that it might have been count with those it is.
    shown = [each for each in corrected(pairs) if (each.metric, each.leader) in heads]
    best = leaders(each for each in shown if each.metric in whole)
    notes += [line for row in rows for line in _lacking(row, metrics)]
    return Comparison(rows, metrics, best, shown, notes)


def opened(names: Sequence[str | os.PathLike[str]]) -> tuple[dict[str, RunFolder], list[str]]:
    """The runs by the names that rows have, and what is to be said of the rest."""
    # A shell's `runs/*` names every folder there, not only runs.
    others = [name for name in names if Path(name).is_dir() and not run_named(name)]
    notes = [f"{name}: passed over, no run" for name in others]
    folders: dict[str, RunFolder] = {}
    places: set[Path] = set()
    for name in names if len(others) == len(names) else [n for n in names if n not in others]:
        folder = find_run(name)
        place = folder.path.resolve()
        if place in places:
            notes.append(f"{folder.path}: named twice, and counted once")
        else:
            folders[_label(folder, folders)] = folder
        places.add(place)
    return folders, notes


def one_or_many(
    names: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Sequence[str | os.PathLike[str]]:
    """Names as a sequence: a word alone is one name, not its letters."""
    return [names] if isinstance(names, str | os.PathLike) else names


def leading(pairs: list[Difference]) -> list[str]:
    """The best row; where no pair of it can be tested, the next ones too, down to one that has some.

    A single run that leads would else hide how the others, of several seeds, compare.
    """
    names = list(dict.fromkeys(each.leader for each in pairs))
    tested = [name for name in names if any(e.p is not None for e in pairs if e.leader == name)]
    return names[: names.index(tested[0]) + 1] if tested else names[:1]


def _lacking(row: Row, metrics: list[str]) -> list[str]:
    """What the dashes of a row mean, a line a reason; a row that was not judged has its line already."""
    found: dict[str, list[str]] = {}
    for metric in metrics if row.records else ():
        if reason := row.reason(metric):
            found.setdefault(reason, []).append(metric)
    return [f"{row.name}, {', '.join(each)}: - ({why})" for why, each in found.items()]


def _budgets(rows: list[Row]) -> list[str]:
    """A line where rows were not given the same budget."""
    given = {row.name: row.budget for row in rows if row.budget}
    if len({_amount(budget) for budget in given.values()}) < 2:
        return []
    each = ", ".join(f"{name} {budget}" for name, budget in given.items())
    return [f"budgets differ: {each}; what each took is its training time"]


def _amount(budget: str) -> Amount | str:
    """What two ways to write a budget share: 5m is 300s."""
    try:
        return parse(budget)
    except ConfigError:
        return budget


def _columns(rows: list[Row]) -> list[str]:
    """The metrics that a row has a value for, in the order of the records."""
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.records))
    return [metric for metric in metrics if any(row.has(metric) for row in rows)]


def _label(folder: RunFolder, taken: dict[str, Any]) -> str:
    name = folder.path.resolve().name
    return name if name not in taken else str(folder.path)


__all__ = ["Comparison", "column", "compare", "unlike"]
