"""Train, look at, judge, compare and reuse autoencoders, VAEs and GANs on your own data.

    import reverie
    run = reverie.train("vae", data="mnist", budget="2m")
    images = run.model.sample(64)

Importing this package imports neither torch nor anything else that is slow; using a verb does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import recipes
    from .benching import bench
    from .comparison import compare
    from .evaluation import evaluate
    from .extracting import train_extractor
    from .inspecting import inspect
    from .loading import Loaded, load
    from .runs import list_runs
    from .verbs import Run, resume, train

# No module bears the name of a verb: importing the module would hide the verb.
_HOMES = {
    "train": "verbs",
    "resume": "verbs",
    "Run": "verbs",
    "load": "loading",
    "Loaded": "loading",
    "evaluate": "evaluation",
    "compare": "comparison",
    "bench": "benching",
    "inspect": "inspecting",
    "train_extractor": "extracting",
    "list_runs": "runs",
}

__all__ = [
    "train",
    "resume",
    "Run",
    "load",
    "Loaded",
    "evaluate",
    "compare",
    "bench",
    "inspect",
    "train_extractor",
    "list_runs",
    "recipes",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "recipes":
        return importlib.import_module(".recipes", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'reverie' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
