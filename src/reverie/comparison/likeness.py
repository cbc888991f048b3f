"""Which values may be held against each other: those that were measured alike."""

from __future__ import annotations

import json
from typing import Any

from .rows import Row


def unlike(records: list[dict[str, Any]]) -> str:
    """Which fields keep records from being compared; empty where none does."""
    found = [_facts(record) for record in records]
    names = dict.fromkeys(name for each in found for name in each)
    apart = [name for name in names if len({each.get(name) for each in found}) > 1]
    return ", ".join(f"{name} differs" for name in apart)


def alike(rows: list[Row], metric: str) -> list[list[Row]]:
    """The rows that have the metric, by what may be ranked together.

    A row of several seeds that were not measured alike is with no other.
    """
    parts: dict[str, list[Row]] = {}
    for row in rows:
        records = row.each(metric)
        key = (
            f"row {row.name}"
            if unlike(records)
            else json.dumps(sorted(_facts(records[0]).items()))
        )
        parts.setdefault(key, []).append(row)
    return list(parts.values())


def note(parts: list[list[Row]], metric: str) -> str:
    """What is not ranked, and which fields differ; empty where all rows are."""
    why = unlike([record for part in parts for row in part for record in row.each(metric)])
    if not why:
        return ""
    ranked = [", ".join(row.name for row in part) for part in parts if len(part) > 1]
    within = f"ranked within {' and within '.join(ranked)} alone" if ranked else "not ranked"
    return f"{metric}: {within}, since {why}"


def _facts(record: dict[str, Any]) -> dict[str, str]:
    """What two records must share, by its name."""
    facts = {
        "the data": record["data"],
        "the metric's name": record["metric"],
        "the number of samples": record["n"],
        **{f"the setting {name!r}": value for name, value in sorted(record["settings"].items())},
    }
    return {n: json.dumps(v, sort_keys=True) for n, v in facts.items() if v is not None}
