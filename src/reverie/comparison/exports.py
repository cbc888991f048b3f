"""The table of a comparison as text: for a paper, a page of notes, or another program."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .table import Comparison

FIELDS: tuple[str, ...] = (
    "run",
    "metric",
    "value",
    "standard error",
    "low",
    "high",
    "p",
    "unit",
    "direction",
    "n",
    "method",
    "best",
    "standing",
    "reason",
)


def markdown(table: Comparison) -> str:
    """A table of GitHub's Markdown, the best in bold."""
    head, *body = table.cells()
    lines = [head, ["---", *("---:" for _ in head[1:])]]
    for metric, cells in zip(table.metrics, body, strict=True):
        best = table.best.get(metric)
        runs = [
            f"**{cell}**" if run == best else cell
            for run, cell in zip(table.runs, cells[1:], strict=False)
        ]
        lines.append([cells[0], *runs, *cells[1 + len(runs) :]])
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |" for cells in lines
    )


def latex(table: Comparison) -> str:
    """A table for the package booktabs, the best in bold."""
    head, *body = table.cells()
    lines = [r"\begin{tabular}{l" + "r" * (len(head) - 1) + "}", r"\toprule"]
    lines += [" & ".join(map(_tex, head)) + r" \\", r"\midrule"]
    for metric, cells in zip(table.metrics, body, strict=True):
        best = table.best.get(metric)
        made = [_tex(cells[0]), *(_numbers(_tex(cell)) for cell in cells[1:])]
        for place, run in enumerate(table.runs, start=1):
            made[place] = rf"\textbf{{{made[place]}}}" if run == best else made[place]
        lines.append(" & ".join(made) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def comma_separated(table: Comparison) -> str:
    """Comma-separated lines of `FIELDS`: every run's values and dashes, then the reference rows'."""
    buffer = io.StringIO()
    out = csv.DictWriter(buffer, FIELDS, lineterminator="\n")
    out.writeheader()
    for row in table.rows:
        for metric in table.metrics:
            out.writerow({"run": row.name, **_line(table, row.name, metric)})
    for kind in table.references():
        for metric in table.metrics:
            value = table.reference(metric, kind)
            if value is not None:
                out.writerow({"run": kind, **_named(table, metric), "value": value})
    return buffer.getvalue()


def _line(table: Comparison, run: str, metric: str) -> dict[str, Any]:
    row = table.row(run)
    if not row.has(metric):
        return {**_named(table, metric), "reason": row.reason(metric)}
    record = row.record(metric)
    low, high = record["interval"] or (None, None)
    return {
        **{key: record[key] for key in FIELDS if key in record},
        "standard error": record["uncertainty"],
        "low": low,
        "high": high,
        "best": table.best.get(metric) == run,
        "standing": table.standing(run, metric),
    }


def _named(table: Comparison, metric: str) -> dict[str, Any]:
    """What a line is of that no run's value stands in."""
    record = next(row.record(metric) for row in table.rows if row.has(metric))
    return {"metric": metric, "unit": record["unit"], "direction": record["direction"]}


def _tex(text: str) -> str:
    """Text as LaTeX sets it."""
    special = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}"}
    special |= {
        "±": r"$\pm$",
        "↓": r"$\downarrow$",
        "↑": r"$\uparrow$",
        "^": r"\^{}",
        "~": r"\~{}",
    }
    special["\\"] = r"\textbackslash{}"
    return "".join(special.get(letter, letter) for letter in text)


def _numbers(text: str) -> str:
    """Powers of ten and minus signs as mathematics, in what is no name."""
    text = re.sub(r"(?<![\w.])(-?[\d.]+)e([+-]\d+)\b", _power, text)
    return re.sub(r"(?<![\w${])-(?=\d)", "$-$", text)


def _power(found: re.Match[str]) -> str:
    return rf"{found[1]}$\times10^{{{int(found[2])}}}$"
