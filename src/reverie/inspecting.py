"""The verb that looks through data before anything is trained on it."""

from __future__ import annotations

from collections.abc import Sequence

from .data import DataConfig, Inspection, inspect_source
from .display import for_a_person
from .monitor import Listener
from .settings import data_settings


def inspect(
    data: str | DataConfig = "mnist",
    *,
    overrides: Sequence[str] = (),
    listener: Listener | None = None,
) -> Inspection:
    """Counts, sizes, classes and their balance, broken files, equal samples, values; nothing is changed.

    `contact_sheet()` of what it returns is a picture to look at.

    Arguments:
        data: A name (mnist, ring, grid, sprites), a path, or settings.
        overrides: Settings as `size=32` or `data.size=32`.
        listener: Who watches; by default progress is shown. `monitor.Listener()` is silent.

    Raises:
        ConfigError: An override is of no setting of data.
        DataError: There is no data at all, or it is of no kind that can be read.
    """
    listener = listener or for_a_person()
    try:
        return inspect_source(data_settings(data, overrides), listener.worked)
    finally:
        listener.ended()
