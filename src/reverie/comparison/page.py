"""The page of a comparison, self-contained, and its exports."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from .. import plots
from ..painting import frames
from ..records import number
from ..report import Figure, embed, render
from ..sessions import over_sessions
from ..storage import write_text
from .table import Comparison

EXPORTS: dict[str, Callable[[Comparison], str]] = {
    "json": lambda table: json.dumps(table.to_dict(), indent=2),
    "csv": Comparison.to_csv,
    "md": Comparison.to_markdown,
    "tex": Comparison.to_latex,
}
PLANES = (
    ("recall", "precision", "Fidelity against diversity", "Up is fidelity, right is diversity."),
    (
        "coverage",
        "density",
        "Density against coverage",
        "Up is fidelity, right is diversity; less moved by outliers.",
    ),
    (
        "authenticity",
        "C_T",
        "Memorisation",
        "Down and left of held-out data: samples lie closer to training data, as copies do, and crowds.",
    ),
)
HEADLINES = (
    "held-out -elbo:",
    "-log p(x)",
    "reconstruction MSE:",
    "FD:",
    "FID:",
    "recall:",
    "coverage:",
)
"""The metrics whose verdicts open the page; the others stand folded under the table."""
KINDS = {"better": "best", "worse": "worse"}
"""How a cell is marked, by the first word of its row's standing."""
FACTS = (
    "recipe",
    "data",
    "seed",
    "precision",
    "machine",
    "commit",
    "checkpoint",
    "weights",
    "judged",
)


def write_comparison(table: Comparison, folder: Path) -> Path:
    """Writes comparison.html, .json, .csv, .md and .tex into a folder, and returns the page's path.

    Raises:
        StorageError: One of them cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, export in EXPORTS.items():
        write_text(folder / f"comparison.{suffix}", export(table) + "\n")
    page = folder / "comparison.html"
    write_text(page, render("comparison.html", **content(table)))
    return page


def content(table: Comparison) -> dict[str, Any]:
    """Everything the template shows."""
    head, *_ = table.cells()
    return {
        "runs": table.runs,
        "data": ", ".join(dict.fromkeys(_data(table))) or "data unknown",
        "command": "reverie compare "
        + " ".join(shlex.quote(str(f.path)) for row in table.rows for f in row.folders),
        "verdicts": [text for text in table.verdicts() if text.startswith(HEADLINES)],
        "others": [text for text in table.verdicts() if not text.startswith(HEADLINES)],
        "caveat": table.caveat,
        "warnings": warnings(table),
        "head": head,
        "groups": groups(table),
        "differences": [line(each) for each in table.differences],
        "figures": planes(table),
        "pictures": sheets(table),
        "curves": curves(table),
        "notes": table.notes,
        "provenance": provenance(table),
    }


def warnings(table: Comparison) -> list[str]:
    """What a reader must know of single values."""
    return [
        f"{row.name}, {metric}: {text}"
        for row in table.rows
        for metric in table.metrics
        for text in dict.fromkeys(t for r in row.each(metric) for t in r.get("warnings") or ())
    ]


def groups(table: Comparison) -> list[tuple[str, list[list[dict[str, str]]]]]:
    """The lines of the table under the headings of their groups."""
    made: dict[str, list[list[dict[str, str]]]] = {}
    count = len(table.runs)
    for metric, cells in zip(table.metrics, table.cells()[1:], strict=True):
        record = next(row.record(metric) for row in table.rows if row.has(metric))
        standings = [table.standing(run, metric) for run in table.runs]
        kinds = ["", *(KINDS.get(words.partition(" ")[0], "") for words in standings)]
        kinds += ["reference"] * (len(cells) - 1 - count)
        texts = [{"text": t, "kind": k} for t, k in zip(cells, kinds, strict=True)]
        made.setdefault(record.get("group") or "", []).append(texts)
    return list(made.items())


def line(found: Any) -> list[str]:
    """A difference as the cells of a table."""
    known = found.low is not None
    interval = f"{number(found.low)} to {number(found.high)}" if known else "-"
    p = "-" if found.p is None else f"{found.p:.2g}"
    shown = [number(found.value), interval, p, found.verdict, found.method]
    return [found.metric, found.leader, found.other, *shown]


def planes(table: Comparison) -> list[Figure]:
    """Each row as a point of two metrics, with its runs, and real data and baselines beside them."""
    made = []
    for x, y, title, caption in PLANES:
        points = {row.name: found for row in table.rows if (found := row.points(x, y))}
        if not points:
            continue
        marks = {}
        for kind in ("training data", "held-out data", "baseline"):
            a, b = table.reference(x, kind), table.reference(y, kind)
            if a is not None and b is not None:
                marks[kind] = (a, b)
        made.append(Figure(title, caption, embed(plots.plane(points, marks, x, y))))
    return made


def sheets(table: Comparison) -> list[tuple[str, list[Figure]]]:
    """The same pictures of every run side by side: noise and held-out samples are the same for all."""
    wanted = {
        "samples": ("Samples", "fixed noise, not chosen"),
        "reconstructions": ("Reconstructions", "held-out originals, each over its reconstruction"),
        "neighbours": (
            "Nearest training samples",
            "the samples nearest to training data, over the nearest by features and by pixels",
        ),
    }
    made = []
    for stem, (title, caption) in wanted.items():
        figures = []
        for row in table.rows:
            folder = row.folders[0]
            paths = [*frames(folder, stem)[-1:], folder.samples / f"{stem}.png"]
            path = next((path for path in paths if path.exists()), None)
            if path is not None:
                figures.append(Figure(row.pictured, caption, embed(path.read_bytes())))
        if figures:
            made.append((title, figures))
    return made


def curves(table: Comparison) -> list[Figure]:
    """Every logged value over samples seen: of several rows on an axis of its own, the others by unit."""
    found: dict[tuple[str, str], dict[str, tuple[list[float], list[float]]]] = {}
    for row in table.rows:
        for entry in row.folders[0].read_log():
            for name, each in entry["values"].items():
                lines = found.setdefault((name, each["unit"]), {})
                xs, ys = lines.setdefault(row.pictured, ([], []))
                xs.append(entry["seen"])
                ys.append(each["value"])
    plotted: list[tuple[str, str, dict[str, tuple[list[float], list[float]]]]] = []
    alone: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for (name, unit), lines in found.items():
        if len(lines) > 1:
            plotted.append((name, unit, lines))
        else:
            alone.setdefault(unit, {}).update(
                {f"{row}: {name}": line for row, line in lines.items()}
            )
    for unit, lines in alone.items():
        title = f"Of one row each, {unit or 'pure numbers'}"
        several = iter(lines.items())
        while some := dict(islice(several, len(plots.COLORS))):
            plotted.append((title, unit, some))
    return [
        Figure(title, ", ".join(lines), embed(plots.curves(lines, "samples seen", unit)))
        for title, unit, lines in plotted
    ]


def provenance(table: Comparison) -> list[list[str]]:
    """A line a fact, a column a run."""
    facts: list[dict[str, str]] = []
    names = []
    for row in table.rows:
        for folder in row.folders:
            made, judged = folder.read(folder.provenance), folder.read(folder.metrics)
            data = judged.get("data") or made.get("data") or {}
            names.append(folder.path.resolve().name)
            facts.append(
                {
                    "recipe": str(folder.read(folder.config).get("recipe", "-")),
                    "data": f"{data.get('name', '-')} {str(data.get('fingerprint', ''))[:12]}",
                    "seed": str(made.get("seed", "-")),
                    **{
                        fact: str(over_sessions(made, fact) or "-")
                        for fact in ("precision", "machine", "commit")
                    },
                    "checkpoint": str(judged.get("model_sha256", "-"))[:12],
                    "weights": str(judged.get("weights", "-")),
                    "judged": str(judged.get("time", "-")),
                }
            )
    return [["run", *names], *([fact, *(each[fact] for each in facts)] for fact in FACTS)]


def _data(table: Comparison) -> list[str]:
    names = []
    for row in table.rows:
        for folder in row.folders:
            data = folder.read(folder.metrics).get("data") or {}
            names.append(str(data.get("name", "")) if isinstance(data, dict) else "")
    return [name for name in names if name]
