"""Fills the tables of docs/results.md: published numbers, our own runs beside them, and what differs.

Run:  python scripts/write_results.py RUN... [--fashion FOLDER] [--note TEXT]
RUN is a run folder that `reverie evaluate` has judged; FOLDER holds Fashion-MNIST's four IDX files. Runs
that differ in their seed alone are one row. What no run is given for is "not measured".
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from marks import fill, table
from published import BURDA, BURDA_ROWS, NOROUZI, NOROUZI_ROWS, PACGAN, PACGAN_ROWS, Source

from reverie.comparison.rows import Row, grouped
from reverie.data import DataConfig, open_dataset
from reverie.data.stream import to_range
from reverie.metrics.baselines import binarisation_floor, fit_levels, independent_bernoulli, ppca
from reverie.records import number, spread_of
from reverie.runs import RunFolder

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results.md"
MISSING = "not measured"
BOUND = "-log p(x) bound, k="
MODES = {"ring": 8, "grid": 25}
COUNT = 2500
"""PacGAN's samples."""
WANTED = {
    "mnist": ("vae",),
    "fashion": ("vae",),
    "ring": ("gan", "r3gan"),
    "grid": ("gan", "r3gan"),
}
"""Of each table, the recipes that stand as "not measured" where no run of them is given."""


# ---- what a run says


def section(row: Row) -> str:
    """Which table a row belongs to, by the name of its data."""
    name = str((row.folders[0].read(row.folders[0].metrics).get("data") or {}).get("name", ""))
    return "fashion" if "fashion" in name.lower() else name


def recipe(row: Row) -> str:
    """What a row is called: the recipe, or the folder where there is none."""
    folder = row.folders[0]
    return str(folder.read(folder.config).get("recipe") or folder.path.name)


def bound(row: Row) -> str:
    """The metric of the bound with the most draws that a row has; empty where it has none."""
    found = [metric for metric in row.records if metric.startswith(BOUND) and row.has(metric)]
    return max(found, key=lambda metric: int(metric.removeprefix(BOUND)), default="")


def shown(record: dict[str, Any], scale: float = 1.0) -> str:
    """A value with its standard error, of seeds where there are several, or its interval."""
    text, interval = number(scale * record["value"]), record.get("interval")
    if interval is not None and "each" not in record:
        return f"{text} [{', '.join(number(scale * end) for end in interval)}]"
    error = record["uncertainty"]
    return text if error is None else f"{text} ± {spread_of(scale * error)}"


def facts(row: Row) -> dict[str, str]:
    """How a row of ours was made, by what the facts are about."""
    folder = row.folders[0]
    config, made = folder.read(folder.config), folder.read(folder.provenance)
    tree = folder.read(folder.metrics)
    metric, count = bound(row), max(record["n"] for record in tree["records"])
    settings = row.record(metric)["settings"] if metric else {}
    draws, images = settings.get("draws"), settings.get("images")
    subset = f"{images:,} of the images, carried over to all" if images else "every image"
    grey = settings.get("likelihood") == "bernoulli"
    several = len(row.folders) > 1
    every = [each.read(each.provenance) for each in row.folders]
    where = [
        ", ".join(dict.fromkeys(str(each.get(key, "?")) for each in every))
        for key in ("machine", "precision", "commit", "seed")
    ]
    return {
        "pixels": "grey values as probabilities" if grey else str(settings.get("likelihood")),
        "data": f"{made['data']['train']:,} samples",
        "networks": networks(config["model"]),
        "training": training(config["train"], every, tree["step"]),
        "draws k": f"{draws:,} on {subset}" if draws else "-",
        "judged": f"{count:,} {'images' if metric else 'samples'}",
        "runs": f"{len(row.folders)} seeds, ± standard error over them"
        if several
        else "1 seed; ± or interval over samples alone",
        "made on": f"{{}}; {{}}; commit {{}}; seed{'s' * several} {{}}".format(*where),
    }


def networks(model: dict[str, Any]) -> str:
    """A model's networks in words."""

    def of(part: dict[str, Any]) -> str:
        widths = "-".join(map(str, filter(None, (part.get("stem"), *part["widths"]))))
        dense = f", dense {part['dense']}" if part.get("dense") else ""
        return f"{widths} {part['activation']} ({part['kind']}{dense})"

    latent = f"{model['latent']} latents"
    if "network" in model:
        return f"{of(model['network'])}, mirrored; {latent}"
    game, penalty = (model[key]["kind"].replace("_", "-") for key in ("game", "penalty"))
    players = f"{of(model['generator'])}; {of(model['critic'])}"
    return f"{players}; {latent}; {game} game, penalty {penalty}"


def training(train: dict[str, Any], every: list[dict[str, Any]], steps: int) -> str:
    """How a row was trained, in words; `every` is the provenance of each of its runs."""
    made = every[0]
    lr = train["optimizer"]["lr"]
    rate = f"{lr:g}" if isinstance(lr, float) else f"{lr['start']:g} to {lr['end']:g}"
    seconds = [f"{each['training_seconds']:.0f}" for each in every]
    threads = f"{made['threads']} thread{'s' * (made['threads'] > 1)}"
    passes = steps * train["batch"] / made["data"]["train"]
    parts = [
        f"{train['optimizer']['kind'].title()} {rate}, batch {train['batch']}",
        f"{passes:.3g} passes = {steps:,} steps",
        f"{', '.join(seconds)} s on {threads}",
        *(["averaged weights"] if train["ema"] else []),
    ]
    return "; ".join(parts)


# ---- the tables


def ours(rows: list[Row], name: str) -> list[tuple[str, Row | None]]:
    """Our rows by name, and None for those that no run is given of."""
    named: list[tuple[str, Row | None]] = [(recipe(row), row) for row in rows]
    have = {title for title, _ in named}
    return [*named, *((title, None) for title in WANTED[name] if title not in have)]


def differences(sources: list[Source], rows: list[Row]) -> str:
    """What was done there and here, side by side."""
    columns = [*(source.facts for source in sources), *(facts(row) for row in rows)]
    head = [*(source.name for source in sources), *(f"ours, `{recipe(row)}`" for row in rows)]
    keys = [*sources[0].facts, *(["made on"] if rows else [])]
    body = [[key, *(column.get(key, "-") for column in columns)] for key in keys]
    return table(["", *head], body)


def likelihoods(rows: list[Row], name: str) -> str:
    """-log p(x) in nats, of MNIST or Fashion-MNIST."""
    digits = name == "mnist"
    body = []
    if digits:
        for title, (paper, again) in BURDA_ROWS.items():
            body.append([title, f"{paper}; replicated {again}", BURDA.name])
    for title, values in NOROUZI_ROWS.items():
        body.append([title, values[0 if digits else 1], NOROUZI.name])
    for title, row in ours(rows, name):
        metric = bound(row) if row else ""
        value = MISSING
        if row and metric:
            record = row.record(metric)
            value = f"{record['value']:.2f} ± {record['uncertainty'] or math.nan:.2f}"
            value += f" (k = {record['settings']['draws']:,})"
        body.append([f"`{title}`", f"**{value}**", "ours"])
    sources = [BURDA, NOROUZI] if digits else [NOROUZI]
    first = table(["model", "-log p(x), nats ↓", "whose"], body)
    return f"{first}\n\n{differences(sources, rows)}"


def modes(rows: list[Row], name: str) -> str:
    """Modes, good samples and KL, of the ring or the grid."""
    total = MODES[name]
    body = [[title, *values, PACGAN.name] for title, values in PACGAN_ROWS[name].items()]
    ceiling, floor = 100 * (1 - math.exp(-4.5)), (total - 1) / (2 * COUNT)
    body.append(["perfect samples", f"{total}", f"{ceiling:.2f}", f"{floor:.4f}", "closed form"])
    for title, row in ours(rows, name):
        cells = [MISSING] * 3
        if row is not None and row.has("modes reached"):
            kl = shown(row.record("KL of modes")) if row.has("KL of modes") else "no good sample"
            good = shown(row.record("good samples"), 100)
            cells = [shown(row.record("modes reached")), good, kl]
        body.append([f"`{title}`", *(f"**{cell}**" for cell in cells), "ours"])
    head = ["model", f"modes of {total} ↑", "good samples, % ↑", "KL of modes, nats ↓", "whose"]
    return f"{table(head, body)}\n\n{differences([PACGAN], rows)}"


def anchors(fashion: str | None) -> str:
    """What any likelihood is held against: floors and models without latents."""
    columns = [anchored("mnist"), anchored(fashion) if fashion else {}]
    body = [[name, *(column.get(name, MISSING) for column in columns)] for name in columns[0]]
    return table(["", "MNIST", "Fashion-MNIST"], body)


def anchored(source: str) -> dict[str, str]:
    """The floor and the anchors of one data set."""
    dataset = open_dataset(DataConfig(source=source))
    levels, tested = (
        split.rows(torch.arange(len(split))).flatten(1) for split in (dataset.train, dataset.test)
    )
    train, test = to_range(levels), to_range(tested)
    fitted, trivial = fit_levels(levels), independent_bernoulli(train.double().mean(0), test)
    return {
        "hard floor of binarised test images, nats": f"{binarisation_floor(test).mean():.2f}",
        "independent Bernoulli, nats": f"{trivial.mean():.2f}",
        "PCA of 50 dimensions, bits/dim": f"{ppca(fitted, tested, 50).mean():.3f}",
        "Gaussian of full rank, bits/dim": f"{ppca(fitted, tested, None).mean():.3f}",
    }


def main() -> None:
    """Reads the runs and fills the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, help="judged run folders")
    parser.add_argument("--fashion", help="a folder of Fashion-MNIST's four IDX files")
    parser.add_argument("--note", default="", help="what a reader should know of these runs")
    given = parser.parse_args()
    trees = {}
    for place, path in enumerate(given.runs):
        folder = RunFolder(path)
        tree = folder.read(folder.metrics)
        if not tree.get("records"):
            raise SystemExit(f"{path} has not been judged; run `reverie evaluate {path}`")
        trees[f"{place} {path.name}"] = (folder, tree)
    rows: dict[str, list[Row]] = {name: [] for name in WANTED}
    for row in grouped(trees):
        if section(row) not in rows:
            raise SystemExit(f"{row.folders[0].path}: no table here is of its data")
        rows[section(row)].append(row)
    made = {"note": given.note, "anchors": anchors(given.fashion)}
    made |= {name: likelihoods(rows[name], name) for name in ("mnist", "fashion")}
    made |= {name: modes(rows[name], name) for name in MODES}
    text = PAGE.read_text()
    for name, part in made.items():
        text = fill(text, name, "write_results.py", part)
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
