"""The table of a comparison, for a terminal, a notebook, a paper or another program."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ..records import number, spread_of
from . import exports
from .differences import Difference
from .likeness import unlike
from .rows import REFERENCES, Row

if TYPE_CHECKING:
    from rich.table import Table

FRECHET = ("FD", "rFD")
ALIKE = 1e-4
"""How far the values of one reference may lie apart: less than four digits show."""
ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True)
class Comparison:
    """A table of runs.

    Arguments:
        rows: Runs, or several seeds of one.
        metrics: The names of the columns.
        best: The row of each metric that is better than all others.
        differences: The leader of each ranked metric against every other row that is ranked with it.
        notes: What cannot be ranked, and which field differs; what a dash means.
    """

    rows: list[Row]
    metrics: list[str]
    best: dict[str, str]
    differences: list[Difference]
    notes: list[str]

    @property
    def runs(self) -> list[str]:
        """The names of the rows."""
        return [row.name for row in self.rows]

    @property
    def caveat(self) -> str:
        """What must be known of rows of a single run, and of intervals; empty where nothing is compared."""
        alone = [row.name for row in self.rows if len(row.folders) == 1]
        texts = []
        if alone and len(self.rows) > 1:
            texts.append(
                f"One run each: {', '.join(alone)}. Another seed may turn round what is found here; "
                "reverie bench trains several."
            )
        if any(each.p is not None for each in self.differences):
            texts.append(
                "Each 95 % interval stands on its own; the word better is corrected for all pairs of rows "
                "and all metrics."
            )
        return " ".join(texts)

    def row(self, name: str) -> Row:
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)

    def standing(self, name: str, metric: str) -> str:
        """How a row does in words: better than all others, worse than the best value's row, or neither.

        Empty where it is not ranked, or has the best value and is not better than all others.
        """
        if self.best.get(metric) == name:
            return "better than all others"
        held = [d for d in self.differences if (d.metric, d.other) == (metric, name)]
        return held[0].of_other if held else ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON: every value with all that is known of it."""
        return {
            "runs": {
                row.name: {
                    m: {**row.record(m), "standing": self.standing(row.name, m)}
                    for m in self.metrics
                    if row.has(m)
                }
                for row in self.rows
            },
            "references": {
                kind: {m: v for m in self.metrics if (v := self.reference(m, kind)) is not None}
                for kind in REFERENCES
            },
            "best": self.best,
            "caveat": self.caveat,
            "differences": [each.to_dict() for each in self.differences],
            "notes": self.notes,
        }

    def cell(self, name: str, metric: str) -> str:
        """A value with its standard error or interval, or a dash."""
        row = self.row(name)
        if not row.has(metric):
            return "-"
        record = row.record(metric)
        error, interval = record.get("uncertainty"), record.get("interval")
        if interval is not None:
            return f"{number(record['value'])} [{number(interval[0])}, {number(interval[1])}]"
        return number(record["value"]) + (f" ± {spread_of(error)}" if error else "")

    def reference(self, metric: str, kind: str) -> float | None:
        """The value of a reference row of the metric; None where it is not one thing for all rows."""
        records = [record for row in self.rows for record in row.each(metric)]
        found = [value for row in self.rows for value in row.reference(metric, kind)]
        # A row without it, an older run say, must be judged as the others: it may not bind another density.
        if not found or (len(found) < len(records) and unlike(records)):
            return None
        # Some are of a model's own samples: a floor for as many good ones as it has, say.
        alike = all(math.isclose(value, found[0], rel_tol=ALIKE) for value in found)
        return found[0] if alike else None

    def references(self) -> list[str]:
        """The reference rows that any metric has."""
        return [
            k for k in REFERENCES if any(self.reference(m, k) is not None for m in self.metrics)
        ]

    def heading(self, metric: str) -> str:
        """A metric with its unit and which way is better."""
        records = [row.record(metric) for row in self.rows if row.has(metric)]
        unit = f" ({records[0]['unit']})" if records[0].get("unit") else ""
        # A Frechet distance is nothing without its features: there, it is called by its whole name.
        names = {each["metric"] for row in self.rows for each in row.each(metric)}
        name = " or ".join(sorted(names)) if metric.startswith(FRECHET) else metric
        # A value that is better than a perfect one has no direction; its column still has.
        ways = [each["direction"] for each in records if each["direction"] != "none"]
        return f"{name}{unit} {ARROWS[ways[0]] if ways else ''}".rstrip()

    def cells(self) -> list[list[str]]:
        """A line a metric: its heading, the runs' values, the reference rows'; the first names them."""
        kinds = self.references()
        lines = [["metric", *self.runs, *kinds]]
        for metric in self.metrics:
            beside = [self.reference(metric, kind) for kind in kinds]
            shown = ["-" if value is None else number(value) for value in beside]
            lines.append(
                [self.heading(metric), *(self.cell(run, metric) for run in self.runs), *shown]
            )
        return lines

    def verdicts(self) -> list[str]:
        """A sentence for each ranked metric: who is better than whom, and by how much."""
        lines = []
        for metric in self.metrics:
            # Where no uncertainty is known there is nothing to say but what the table shows.
            found = [d for d in self.differences if d.metric == metric and d.p is not None]
            leaders = dict.fromkeys(each.leader for each in found)
            lines += [_sentence([d for d in found if d.leader == leader]) for leader in leaders]
        return lines

    # ---- for a terminal and a notebook

    def to_rich(self, upright: bool = False, references: bool = True) -> Table:
        """For a terminal, a run a row, or `upright` a metric a row; the best is bold and starred.

        Where there is no room for the reference rows they stand on the page alone.
        """
        from rich.markup import escape as plain
        from rich.table import Table

        best = "* better than all others" if any(self.best.values()) else None
        table = Table(caption=best, caption_justify="left")
        kinds = self.references() if references else []
        heads = [*self.runs, *kinds] if upright else self.metrics
        table.add_column("metric" if upright else "run", no_wrap=not upright)
        for head in heads:
            table.add_column(plain(head), justify="right", overflow="fold")  # no digit is left out
        if upright:
            for metric, cells in zip(self.metrics, self.cells()[1:], strict=True):
                values = [self._starred(run, metric) for run in self.runs]
                beside = cells[1 + len(self.runs) :] if references else []
                table.add_row(plain(cells[0]), *values, *beside)
            return table
        for run in self.runs:
            table.add_row(plain(run), *(self._starred(run, metric) for metric in self.metrics))
        for kind in kinds:
            beside = [self.reference(metric, kind) for metric in self.metrics]
            table.add_row(f"[dim]{kind}[/]", *("-" if v is None else number(v) for v in beside))
        return table

    def _starred(self, run: str, metric: str) -> str:
        cell = self.cell(run, metric).replace(" ± ", "±").replace("[", r"\[")
        return f"[bold]{cell}*[/]" if self.best.get(metric) == run else cell

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str) -> str:
            return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)

        head, *body = self.cells()
        rows = "".join(f"<tr>{line(cells, 'td')}</tr>" for cells in body)
        return f"<table><tr>{line(head, 'th')}</tr>{rows}</table>"

    # ---- for a paper or another program

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown, the best in bold."""
        return exports.markdown(self)

    def to_latex(self) -> str:
        """A table for the package booktabs, the best in bold."""
        return exports.latex(self)

    def to_csv(self) -> str:
        """A line a value of a run, with the reason where there is none, and a line a reference value."""
        return exports.comma_separated(self)


def _sentence(found: list[Difference]) -> str:
    """What a leader's differences say."""
    leader = found[0].leader
    beaten = ", ".join(f"{d.other} (by {_by(d)})" for d in found if d.verdict == "better")
    same = ", ".join(d.other for d in found if d.verdict != "better")
    texts = [f"better than {beaten}"] if beaten else []
    texts += [f"not distinguishable from {same} at this n"] if same else []
    return f"{found[0].metric}: {leader} is {'; '.join(texts)}."


def _by(found: Difference) -> str:
    if found.low is None or found.high is None:
        return number(abs(found.value))
    ends = sorted(abs(end) for end in (found.low, found.high))
    return f"{number(abs(found.value))}, 95 % {number(ends[0])} to {number(ends[1])}"
