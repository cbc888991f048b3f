"""Writes the machine-written tables of README.md: recipes from their docstrings, benchmarks from results.

Run:  python scripts/write_readme.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

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
    """A row a claim of every result file in benchmarks/results."""
    rows = ["| what | measured | bar | on |", "|---|---|---|---|"]
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        result = json.loads(path.read_text())
        for claim in result.get("claims", []):
            rows.append(
                f"| {claim['what']} | {claim['measured']} | {claim['bar']} | {result['machine']} |"
            )
    return "\n".join(rows)


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
