"""report.html: one self-contained page of a run, to look at on a laptop or a phone."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import plots
from .painting import frames, moments
from .records import number
from .runs import RunFolder
from .storage import write_text


@dataclass(frozen=True)
class Figure:
    """A picture of the page: its title, a sentence, and the picture as a data URL."""

    title: str
    caption: str
    source: str
    wide: bool = False


def write_report(folder: RunFolder) -> Path:
    """Makes the page from what is in the folder; what is missing is left out.

    Raises:
        StorageError: It cannot be written; an older page is intact.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader(__package__ or "reverie", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html").render(**content(folder))
    write_text(folder.report, page)
    return folder.report


def content(folder: RunFolder) -> dict[str, Any]:
    """Everything the template shows."""
    log, metrics = folder.read_log(), folder.read(folder.metrics)
    provenance, config = folder.read(folder.provenance), folder.read(folder.config)
    records = metrics.get("records", [])
    return {
        "name": folder.path.resolve().name,
        "recipe": config.get("recipe", "custom"),
        "verdict": verdict(records, log),
        "figures": figures(folder),
        "film": over_training(folder),
        "curves": curve_figures(log),
        "rows": [row(record) for record in records],
        "config": flat(config),
        "provenance": flat({**provenance, "judged": metrics.get("time")}),
        "command": command(config),
        "path": folder.path,
        "seconds": provenance.get("training_seconds"),
        "machine": provenance.get("machine", ""),
    }


def verdict(records: list[dict[str, Any]], log: list[dict[str, Any]]) -> list[str]:
    """Sentences on how good the model is, each resting on a number of the page."""
    found = {re.sub(r"\[.*\]", "", r["metric"]): r for r in records if r["value"] is not None}
    lines = []
    if "held-out -elbo" in found:
        record = found["held-out -elbo"]
        lines.append(
            f"Held-out samples cost {number(record['value'])} nats (-ELBO, standard error "
            f"{number(record['uncertainty'])})."
        )
    elif "held-out distortion" in found:
        lines.append(
            f"Held-out samples are given back at {number(found['held-out distortion']['value'])} nats."
        )
    if "reconstruction MSE" in found:
        lines.append(
            f"Reconstruction error: {number(found['reconstruction MSE']['value'])} (MSE)."
        )
    if "coverage" in found:
        lines.append(coverage_line(found))
    if log and log[-1].get("health"):
        lines.append(f"At the end of training: {log[-1]['health']}.")
    return lines


def coverage_line(found: dict[str, dict[str, Any]]) -> str:
    """Diversity and fidelity beside what training data would score in the samples' place."""
    coverage, distance = found["coverage"], found["FD"]
    reached = coverage["reference"]["training data"]
    share = coverage["value"] / max(reached, 1e-9)
    degrees = {0.9: "nearly all of the data", 0.6: "much of the data", 0.3: "a part of the data"}
    words = next(
        (words for least, words in degrees.items() if share > least), "little of the data"
    )
    return (
        f"Samples cover {words}: {100 * coverage['value']:.0f} % of held-out neighbourhoods, where real "
        f"data reaches {100 * reached:.0f} %; {distance['metric']} is {number(distance['value'])}, where "
        f"real data has {number(distance['reference']['training data'])}."
    )


def row(record: dict[str, Any]) -> dict[str, str]:
    """A record as the cells of a table."""
    if record["value"] is None:
        return {"metric": record["metric"], "value": "-", "note": record["reason"]}
    spread = record["uncertainty"]
    value = number(record["value"]) + (f" ± {number(spread)}" if spread is not None else "")
    arrow = {"lower": "lower is better", "higher": "higher is better"}.get(record["direction"], "")
    references = [f"{name} {number(v)}" for name, v in record["reference"].items()]
    note = "; ".join(part for part in [arrow, *references, f"n = {record['n']:,}"] if part)
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
    ]
    made = []
    for stem, title, caption in wanted:
        paths = [*frames(folder, stem)[-1:], folder.samples / f"{stem}.png"]
        path = next((path for path in paths if path.exists()), None)
        if path is not None:
            wide = stem in ("samples", "reconstructions")
            made.append(Figure(title, caption, embed(path.read_bytes()), wide))
    return made


def over_training(folder: RunFolder) -> list[Figure]:
    """The run as a film of one picture, or as a few pictures where rows mean nothing."""
    if (folder.samples / "film.png").exists():
        caption = "a row a moment, from the first step to the last, always of the same noise."
        return [
            Figure("Samples", caption, embed((folder.samples / "film.png").read_bytes()), True)
        ]
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
    return [(prefix, ", ".join(map(str, tree)) if isinstance(tree, list) else str(tree))]


def command(config: dict[str, Any]) -> str:
    """The command that makes such a run."""
    source = config.get("data", {}).get("source", "mnist")
    return f"reverie train {config.get('recipe', 'vae')} --data {source}"
