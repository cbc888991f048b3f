"""Runs that a call makes in folders of its own naming: made, gone on with, or refused if of other settings.

`bench` and `recipes verify` train many runs, and may be stopped and called again at any point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from . import verbs
from .config import as_typed, to_tree
from .errors import ConfigError
from .monitor import Listener
from .preparing import prepare, read_config
from .runs import RunFolder, is_run, judged_at_its_end


def make_run(
    folder: RunFolder, recipe: str, data: str, overrides: Sequence[str], listener: Listener
) -> None:
    """Trains a recipe to its end and judges it, from where an earlier call has left it.

    Raises:
        ConfigError: The folder holds a run of other settings.
    """
    if not is_run(folder.path):
        verbs.train(recipe, data=data, overrides=overrides, out=folder.path, listener=listener)
        return
    there = to_tree(read_config(folder))
    asked = to_tree(prepare(recipe, data, overrides, Listener()).config)
    # A run has its budget in steps, and how it was given elsewhere.
    there["train"]["budget"] = folder.read(folder.provenance).get("budget_given")
    for name, found, now in differences(there, asked):
        raise ConfigError(
            f"{folder.path} was made with {name}={as_typed(found)}, and now it is {as_typed(now)}; "
            "remove that folder, or choose another place"
        )
    if not judged_at_its_end(folder):
        verbs.resume(folder.path, listener=listener)


def differences(one: Any, other: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two trees of settings differ, with the values of both."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        if one != other:
            yield name, one, other
        return
    for key in dict.fromkeys([*one, *other]):
        path = f"{name}.{key}" if name else key
        yield from differences(one.get(key), other.get(key), path)
