"""Sources of data and what they become. Torch is imported when a name that needs it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .config import DataConfig

if TYPE_CHECKING:
    from .dataset import Dataset, Split
    from .inspect import Inspection, inspect_source
    from .open import open_dataset

__all__ = ["DataConfig", "Dataset", "Split", "open_dataset", "Inspection", "inspect_source"]

_HOMES = {
    "Dataset": ".dataset",
    "Split": ".dataset",
    "Inspection": ".inspect",
    "inspect_source": ".inspect",
    "open_dataset": ".open",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
