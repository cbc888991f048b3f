"""Where and with what a run was trained: one that was stopped may go on with another version, elsewhere.

provenance.json says of the first session all, and under `resumed` of each later one what had changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .runs import RunFolder, now


def sessions(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The facts of provenance.json as they were in each session, the first one first."""
    found = [dict(made)]
    for changed in _resumed(made):
        found.append({**found[-1], **changed})
    return found


def over_sessions(made: Mapping[str, Any], key: str) -> Any:
    """A fact of a run; where sessions differ in it, all of its values in words."""
    values = [each.get(key) for each in sessions(made)]
    texts = list(dict.fromkeys(map(str, values)))
    return values[0] if len(texts) == 1 else ", then ".join(texts)


def note_session(folder: RunFolder, step: int, facts: Mapping[str, Any]) -> str:
    """Writes down what is not as in the session before, from `step` on; returns it in words."""
    made = folder.read(folder.provenance)
    before = sessions(made)[-1]
    changed = {key: value for key, value in facts.items() if before.get(key) != value}
    if changed:
        entry = {"step": step, "started": now(), **changed}
        folder.update_provenance({"resumed": [*_resumed(made), entry]})
    return ", ".join(f"{key}: {before.get(key)} -> {value}" for key, value in changed.items())


def _resumed(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = made.get("resumed")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
