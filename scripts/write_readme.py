"""Writes the machine-written tables of README.md: recipes from their docstrings, benchmarks from results.

Run:  python scripts/write_readme.py
"""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

from reverie import recipes

ROOT = Path(__file__).resolve().parents[1]


def recipe_table() -> str:
    """A row a recipe: what it is, takes and gives."""
    rows = ["| recipe | what it is | takes | gives on held-out MNIST |", "|---|---|---|---|"]
    for name in recipes.names():
        card = recipes.describe(name)
        title = card.title.rstrip(".")
        takes, expect = (card.sections[key].rstrip(".") for key in ("Takes", "Expect"))
        rows.append(f"| `{name}` | {title} | {takes} | {expect} |")
    return "\n".join(rows)


def benchmark_table() -> str:
    """A row a figure of the result files in benchmarks/results; what was not measured has no row."""
    rows = ["| what | measured | with |", "|---|---|---|"]
    memory, startup = read("memory"), read("startup")
    if memory:
        growth = memory["growth"]
        rows.append(
            "| peak memory of training, 500,000 mapped images over 50,000 | "
            f"{growth['peak']:.2f} times | `python -m benchmarks.memory`, commit {memory['commit']} |"
        )
    for name, seconds in startup.get("seconds", {}).items():
        rows.append(
            f"| seconds: {name} | {min(seconds):.2f} fastest, {statistics.median(seconds):.2f} median | "
            f"`python -m benchmarks.startup`, commit {startup['commit']} |"
        )
    return "\n".join(rows)


def read(name: str) -> dict[str, Any]:
    """A result file that was measured in full; empty where there is none."""
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    tree = json.loads(path.read_text()) if path.exists() else {}
    return {} if tree.get("quick") else tree


def fill(text: str, name: str, table: str) -> str:
    """Replaces what stands between a table's two marks."""
    start = f"<!-- {name}: written by scripts/write_readme.py -->"
    form = re.compile(re.escape(start) + r".*?<!-- end -->", re.S)
    assert form.search(text), f"README.md has no mark {start}"
    return form.sub(lambda _: f"{start}\n{table}\n<!-- end -->", text)


def main() -> None:
    """Fills both tables."""
    path = ROOT / "README.md"
    text = fill(path.read_text(), "recipes", recipe_table())
    path.write_text(fill(text, "benchmarks", benchmark_table()))


if __name__ == "__main__":
    main()
