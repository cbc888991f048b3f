"""Recipes against each other under one budget, or each its own: trained, judged and compared, by seed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import recipes
from .artifact import load_model
from .comparison import Comparison, compare
from .display import for_a_person
from .errors import ConfigError
from .evaluation import evaluate
from .monitor import Listener
from .preparing import assignments
from .protocol import Protocol
from .repeating import make_run
from .runs import RunFolder


def bench(
    names: str | Sequence[str],
    *,
    data: str = "mnist",
    budget: str | None = None,
    seeds: int = 3,
    out: str | os.PathLike[str] = "bench",
    listener: Listener | None = None,
) -> Comparison:
    """Trains every recipe with seeds 0, 1, ..., judges each run, and writes the page that compares them.

    Stopped at any point, the same call goes on where it was: runs that ended are not trained again, nor
    judged again.

    Arguments:
        names: Recipes.
        data: What to train on.
        budget: Of each run, e.g. "5m" or "10 epochs"; None leaves each recipe its own.
        seeds: Runs of each recipe.
        out: The folder of the runs and of the page.
        listener: Who watches; by default progress is shown. `monitor.Listener()` is silent.

    Raises:
        ConfigError: A recipe does not exist, or is named twice, or the folder holds runs of something else.
    """
    listener = listener or for_a_person()
    names = [names] if isinstance(names, str) else names
    if not names:
        raise ConfigError(f"name a recipe or several: {', '.join(recipes.names())}")
    for name in names:
        recipes.find(name)
    twice = {name for name in names if list(names).count(name) > 1}
    if twice:
        raise ConfigError(f"recipe {twice.pop()!r} is named twice; name each once")
    if seeds < 1:
        raise ConfigError(f"seeds is {seeds}; write at least 1")
    made = []
    total = len(names) * seeds
    for seed in range(seeds):
        for name in names:
            folder = RunFolder(Path(out) / f"{name}-seed{seed}")
            listener.said(f"{len(made) + 1} of {total}: {name}, seed {seed}")
            make_run(folder, name, data, assignments(budget, None, seed=seed), listener)
            if not judged(folder):
                evaluate(folder.path, listener=listener)
            made.append(folder.path)
    return compare(made, out=out)


def judged(folder: RunFolder) -> bool:
    """Whether the model that lies in the folder was judged in full, on the data that it was trained on."""
    metrics, made = folder.read(folder.metrics), folder.read(folder.provenance)
    data = [tree.get("data", {}).get("fingerprint") for tree in (metrics, made)]
    same = metrics.get("protocol") == Protocol().to_dict() and data[0] == data[1]
    return same and metrics.get("model_sha256") == load_model(folder.path)[1].weights
