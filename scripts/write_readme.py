"""Writes the machine-written tables of README.md: recipes from their docstrings, benchmarks from results.

Run:  python scripts/write_readme.py
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from marks import fill, table

from reverie import recipes

ROOT = Path(__file__).resolve().parents[1]


COLUMNS = {
    "-elbo": "-ELBO, nats",
    "distortion": "distortion, nats",
    "MSE": "MSE",
    "FD[": "FD",
    "coverage[": "coverage",
}
"""Which values of a recipe's Expect stand in the table, and over what."""


def recipe_table() -> str:
    """A row a recipe: what it is, takes and gives, with where each was measured below."""
    rows, places = [], {}
    for name in recipes.names():
        card = recipes.describe(name)
        takes, expect = (card.sections[key].rstrip(".") for key in ("Takes", "Expect"))
        values, _, where = expect.rpartition(" (")
        found = dict(map(value_of, values.split("; "))) if values else {}
        cells = [found.get(column, "") for column in COLUMNS.values()]
        time = takes.partition(" of training")[0]
        rows.append([f"`{name}`", card.title.rstrip("."), time, *cells])
        places.setdefault(where.rstrip(")"), []).append(f"`{name}`")
    made = table(["recipe", "what it is", "takes", *COLUMNS.values()], rows)
    lines = [
        f"{', '.join(names)}: {where or 'not measured yet'}" for where, names in places.items()
    ]
    return made + "\n\n" + "; ".join(lines) + "."


def value_of(text: str) -> tuple[str, str]:
    """The column of "metric value (sd spread) unit", and the value with its spread."""
    column = next((name for part, name in COLUMNS.items() if part in text), "")
    found = re.search(r" (-?[\d.]+)( \(sd ([\d.]+)\))?( nats)?$", text)
    assert found, f"{text!r} ends in no value"
    return column, found[1] + (f" ± {found[3]}" if found[3] else "")


def benchmark_table() -> str:
    """A row a figure of the result files in benchmarks/results; what was not measured has no row."""
    rows = ["| what | measured | with | on |", "|---|---|---|---|"]
    for name, figures in FIGURES.items():
        tree = read(name)
        made = f"`python -m benchmarks.{name}`, commit {tree.get('commit')}"
        machine = tree.get("machine", "").replace("(R)", "")
        rows += [f"| {what} | {value} | {made} | {machine} |" for what, value in figures(tree)]
    return "\n".join(rows)


def throughput(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each model against the tutorial's script and the floor."""
    for each in tree.get("models", ()):
        name, found = each["model"], each["over_tutorial_at_best_threads"]
        times = over(found["reverie"])
        if fp32 := found.get("reverie fp32"):  # which the tutorial's computes in
            times += f" in bf16, {over(fp32)} in fp32"
        yield f"images/s of `{name}` over the tutorial's script, each at its best threads", times
        floors = [
            f"{over(times)} on {threads(n)}" for n, times in each["over_floor_at_threads"].items()
        ]
        yield f"images/s of `{name}` over the hand-written floor", ", ".join(floors)


def over(found: dict[str, float]) -> str:
    """How many times as fast, with the standard error."""
    return f"{found['times']:.2f} times (se {found['error']:.2f})"


def threads(count: int | str) -> str:
    """A number of threads in words."""
    return f"{count} thread{'s' * (str(count) != '1')}"


def by_threads(tree: dict[str, Any], side: str, value: Callable[[dict[str, Any]], str]) -> str:
    """What one of the `sides` gave on each number of threads."""
    found = [each for each in tree.get("sides", ()) if each["side"] == side]
    return ", ".join(f"{value(each)} on {threads(each['threads'])}" for each in found)


def precision(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What Reverie chooses against fp32, and what of that is not the precision."""
    named = {
        "reverie's choice": "in bf16",
        "fp32 channels-last, memory kept, our convolutions": "all but the precision",
    }
    for side, how in named.items():
        if times := by_threads(tree, side, over):
            yield f"images/s of `conv-vae`, {how}, over PyTorch's fp32, channels-first", times


def time_to_quality(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """`vae-fast` against the tutorial's VAE."""
    if tree:
        what = f"time until held-out -ELBO is {tree['goal']} nats: the tutorial's over `vae-fast`"
        ours, theirs = tree["sides"]["vae-fast"], tree["sides"]["tutorial"]
        if not all(each["reached"] for each in ours):
            yield what, "not reached by `vae-fast` in every round"
            return
        times = f"{tree['times_faster']:.1f} times"
        if not all(each["reached"] for each in theirs):
            best = min(each["elbo"] for each in theirs)
            times = f"more than {times}: ten epochs of the tutorial's end at {best:.1f} or more"
        yield what, times


def memory(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """How peak memory grows with the number of images."""
    if tree:
        what = "peak memory of training, 500,000 mapped images over 50,000"
        yield what, f"{tree['growth']['peak']:.2f} times"
    growths = [each["growth"]["peak"] for each in tree.get("pictures", {}).values()]
    if growths:
        what = "the same of 100,000 pictures over 10,000, in folders and zips, decoded and cached"
        yield what, f"{min(growths):.2f} to {max(growths):.2f} times"


def startup(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Seconds of imports and first steps."""
    for name, seconds in tree.get("seconds", {}).items():
        if name != "python":
            yield f"seconds: {name}", f"{statistics.median(seconds):.2f} (median)"


def prdc(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Precision, recall, density and coverage against the library of that name."""
    if tree:
        share = tree["share"]
        size = f"{tree['samples']:,} x {tree['samples']:,} x {tree['dimension']}"
        yield (
            f"PRDC of {size} features: seconds of `prdc` over ours",
            f"{1 / share['seconds']:.1f} times",
        )
        yield (
            f"PRDC of {size} features: our peak memory over that of `prdc`",
            f"{share['megabytes']:.2f}",
        )


def iwae(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The bound of many draws against libraries' way: of every image, and as `evaluate` estimates it."""
    named = {
        "reverie": "every image's, all draws decoded",
        "reverie, few decoded": f"every image's, {tree.get('decoded')} of the draws decoded",
        "estimate of evaluate": "the estimate of their mean that `evaluate` gives",
    }
    for side, what in named.items():
        if times := by_threads(tree, side, lambda each: f"{each['times']:.1f} times"):
            how = f"k = {tree['draws']:,}, over image by image with autograd"
            yield f"speed of the IWAE bound, {how}: {what}", times


def evaluate(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What judging a run costs."""
    if tree:
        seconds = statistics.median(tree["seconds"])
        yield (
            f"seconds of `evaluate` of an MNIST `vae`, annealing too, {tree['threads']} threads",
            f"{seconds:.0f}",
        )


FIGURES: dict[str, Callable[[dict[str, Any]], Iterator[tuple[str, str]]]] = {
    "throughput": throughput,
    "precision": precision,
    "time_to_quality": time_to_quality,
    "memory": memory,
    "startup": startup,
    "prdc": prdc,
    "iwae": iwae,
    "evaluate": evaluate,
}


def read(name: str) -> dict[str, Any]:
    """A result file that was measured in full; empty where there is none."""
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    tree = json.loads(path.read_text()) if path.exists() else {}
    return {} if tree.get("quick") else tree


def main() -> None:
    """Fills both tables."""
    path = ROOT / "README.md"
    text = fill(path.read_text(), "recipes", "write_readme.py", recipe_table())
    path.write_text(fill(text, "benchmarks", "write_readme.py", benchmark_table()))


if __name__ == "__main__":
    main()
