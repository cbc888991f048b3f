"""report.html: one self-contained page of a run, to look at on a laptop or a phone."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import plots
from .config import as_typed
from .painting import frames, moments
from .records import number, spread_of
from .runs import RunFolder, summary
from .storage import write_text
from .verdict import verdict, warnings

SHAPES: dict[str, Literal["wide", "tall"]] = {
    "samples": "wide",
    "reconstructions": "wide",
    "neighbours": "wide",
    "traversals": "tall",
}


@dataclass(frozen=True)
class Figure:
    """A picture of the page: title, caption, the picture as a data URL, and its place in the grid."""

    title: str
    caption: str
    source: str
    shape: Literal["", "wide", "tall"] = ""


def write_report(folder: RunFolder) -> Path:
    """Makes the page from what is in the folder; what is missing is left out.

    Raises:
        StorageError: It cannot be written; an older page is intact.
    """
    write_text(folder.report, render("report.html", **content(folder)))
    return folder.report


def render(template: str, **content: Any) -> str:
    """A page from its template and what it shows; text is text, and never markup."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader(__package__ or "reverie", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)


def content(folder: RunFolder) -> dict[str, Any]:
    """Everything the template shows."""
    log, metrics = folder.read_log(), folder.read(folder.metrics)
    provenance, config = folder.read(folder.provenance), folder.read(folder.config)
    records = metrics.get("records", [])
    return {
        "name": folder.path.resolve().name,
        "recipe": config.get("recipe", "custom"),
        "verdict": metrics.get("verdict") or [*unjudged(folder), *verdict(records, log)],
        "warnings": warnings(records),
        "figures": [*figures(folder), *charts(records)],
        "film": over_training(folder),
        "curves": curve_figures(log),
        "groups": grouped(records),
        "config": flat(config),
        "provenance": [
            (name, fact)
            for name, fact in flat({**provenance, "judged": metrics.get("time")})
            if fact not in ("null", "[]")
        ],
        "command": command(config, provenance),
        "seconds": provenance.get("training_seconds"),
        "machine": provenance.get("machine", ""),
    }


def unjudged(folder: RunFolder) -> list[str]:
    """How far a run came that nothing has judged yet, and the command that goes on."""
    if folder.metrics.exists() or not folder.config.exists():
        return []
    goes_on = f"`reverie resume {shlex.quote(str(folder.path))}` goes on"
    return [f"Not judged yet: training came to {summary(folder.path)['state']}; {goes_on}."]


def grouped(records: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, str]]]]:
    """The rows of the table of numbers, under the parts of the judgement that they belong to."""
    made: dict[str, list[dict[str, str]]] = {}
    for record in records:
        made.setdefault(record.get("group") or "", []).append(row(record))
    return list(made.items())


def row(record: dict[str, Any]) -> dict[str, str]:
    """A record as the cells of a table."""
    if record["value"] is None:
        return {"metric": record["metric"], "value": "-", "note": record["reason"]}
    spread = record["uncertainty"]
    value = number(record["value"]) + (f" ± {spread_of(spread)}" if spread is not None else "")
    if record.get("interval"):
        low, high = record["interval"]
        value = f"{number(record['value'])} [{number(low)}, {number(high)}]"
    arrow = {"lower": "lower is better", "higher": "higher is better"}.get(record["direction"], "")
    references = [f"{name} {number(v)}" for name, v in record["reference"].items()]
    count = f"n\u00a0=\u00a0{record['n']:,}" if record["n"] else ""
    test = f"p\u00a0=\u00a0{record['p']:.2g}" if record.get("p") is not None else ""
    parts = [arrow, *references, count, record["method"], test]
    note = "; ".join(part for part in parts if part)
    return {"metric": record["metric"], "value": f"{value} {record['unit']}".strip(), "note": note}


def figures(folder: RunFolder) -> list[Figure]:
    """The pictures of the finished run, in the order a person asks for them."""
    wanted = [
        ("samples", "Samples", "Drawn from fixed noise, not chosen."),
        (
            "reconstructions",
            "Reconstructions",
            "Held-out originals, each over its reconstruction.",
        ),
        ("interpolations", "Interpolations", "Ways through the latents between two ends."),
        (
            "traversals",
            "Traversals",
            "Each row moves one latent; those that vary most come first.",
        ),
        (
            "latents",
            "Map of the latents",
            "Held-out codes, coloured by class where there are classes.",
        ),
        (
            "neighbours",
            "Nearest training samples",
            "The samples that lie nearest to training data, over the nearest by features and by pixels.",
        ),
        ("unreached", "Never generated", "Held-out samples of the clusters that no sample is of."),
    ]
    made = []
    for stem, title, caption in wanted:
        paths = [*frames(folder, stem)[-1:], folder.samples / f"{stem}.png"]
        path = next((path for path in paths if path.exists()), None)
        if path is not None:
            made.append(Figure(title, caption, embed(path.read_bytes()), SHAPES.get(stem, "")))
    return made


def charts(records: list[dict[str, Any]]) -> list[Figure]:
    """What single numbers are made of: the KL of each latent, the samples of each mode."""
    made = []
    for shown in (record.get("shown") or {} for record in records):
        if "kl" in shown:
            image = plots.bars(sorted(shown["kl"], reverse=True), "latents", "nats")
            caption = "What each latent carries on average, the largest first."
            made.append(Figure("KL of each latent", caption, embed(image)))
        if "counts" in shown:
            image = plots.bars([*shown["counts"].values()], "modes", "samples", [*shown["counts"]])
            made.append(Figure("Samples of each mode", "Those that count as good.", embed(image)))
    return made


def over_training(folder: RunFolder) -> list[Figure]:
    """The run as a film of one picture, or as a few pictures where rows mean nothing."""
    if (folder.samples / "film.png").exists():
        caption = "A row a moment, from the first step to the last, always of the same noise."
        image = (folder.samples / "film.png").read_bytes()
        return [Figure("Samples", caption, embed(image), "wide")]
    paths = frames(folder, "samples") or frames(folder, "reconstructions")
    steps = {path: int(path.stem.rpartition("-")[2]) for path in paths}
    chosen = moments(paths) if len(paths) > 1 else []
    return [Figure(f"Step {steps[path]:,}", "", embed(path.read_bytes())) for path in chosen]


def curve_figures(log: list[dict[str, Any]]) -> list[Figure]:
    """One plot for each unit: values of the same unit share an axis."""
    groups: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for line in log:
        for name, entry in line["values"].items():
            xs, ys = groups.setdefault(entry["unit"], {}).setdefault(name, ([], []))
            xs.append(line["seen"])
            ys.append(entry["value"])
    made = []
    for unit, lines in groups.items():
        title = f"Training, {unit}" if unit else "Training, pure numbers"
        image = plots.curves(lines, "samples seen", unit)
        made.append(Figure(title, ", ".join(lines), embed(image)))
    return made


def embed(image: bytes) -> str:
    """A PNG as a data URL."""
    return "data:image/png;base64," + base64.b64encode(image).decode()


def flat(tree: Any, prefix: str = "") -> list[tuple[str, str]]:
    """A nested table as (dotted path, value) pairs."""
    if isinstance(tree, dict):
        return [
            pair
            for key, value in tree.items()
            for pair in flat(value, f"{prefix}.{key}" if prefix else key)
        ]
    if isinstance(tree, list) and len(tree) > 12:
        return [(prefix, f"{len(tree)} entries")]
    return [(prefix, as_typed(tree))]


def command(config: dict[str, Any], made: dict[str, Any]) -> str:
    """The command that makes such a run, with what was given beside recipe and data."""
    data = config.get("data")
    source = data.get("source", "mnist") if isinstance(data, dict) else "mnist"
    given = made.get("given")
    if not isinstance(given, list):  # of before it was noted down
        known = {"seed": made.get("seed"), "budget": made.get("budget_given")}
        given = [f"train.{name}={value}" for name, value in known.items() if value is not None]
    words = [
        "reverie",
        "train",
        str(config.get("recipe", "vae")),
        "--data",
        str(source),
        *map(str, given),
    ]
    return shlex.join(words)
