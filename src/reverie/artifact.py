"""A trained model as two files that need nothing else: `model.safetensors` and `model.json`.

No pickle and no names of classes: the JSON holds words that are registered in `models`, and every byte
of both files is covered by a SHA-256.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from . import __version__
from .config import Section, from_tree, to_tree
from .errors import ModelFileError
from .models import ModelConfig
from .models.base import Model
from .spec import DataSpec, ValueRange
from .storage import (
    read_tensors,
    remove,
    save_tensors,
    seal,
    sha256_of,
    swap_in,
    unseal,
    write_bytes,
)

SCHEMA = 2
WEIGHTS = "model.safetensors"
CARD = "model.json"
NEXT = ".model.safetensors.next"
"""Where new weights lie until the card names them: replacing the card is what replaces the pair."""


class Card(Section):
    """What `model.json` says."""

    schema_version: int
    """The version of this form."""
    reverie: str
    """The version that wrote it."""
    model: ModelConfig
    """The model's settings."""
    spec: DataSpec
    """The data it was built for."""
    value_range: ValueRange
    """The range of the values that its networks see and give."""
    averaged: bool
    """Whether the weights are an exponential moving average."""
    step: int = Field(ge=0)
    """The training step they are of."""
    weights: str
    """The SHA-256 of `model.safetensors`."""


def save_model(model: Model, config: Any, folder: Path, step: int, averaged: bool) -> None:
    """Writes both files; a crash at any moment leaves the pair of before or the new one.

    Raises:
        StorageError: The disk is full or read-only; the pair of before is intact.
    """
    _settle(folder)
    swap_in(folder / NEXT, lambda beside: save_tensors(model.state_dict(), beside))
    card = Card(
        schema_version=SCHEMA,
        reverie=__version__,
        model=config,
        spec=model.spec,
        value_range=model.value_range,
        averaged=averaged,
        step=step,
        weights=sha256_of(folder / NEXT),
    )
    write_bytes(folder / CARD, seal(to_tree(card)))
    (folder / NEXT).replace(folder / WEIGHTS)


def is_of_step(folder: Path, step: int) -> bool:
    """Whether both files are whole and of this step."""
    try:
        card = unseal(folder / CARD)
        return card["step"] == step and card["weights"] == sha256_of(folder / WEIGHTS)
    except (ModelFileError, OSError, KeyError):
        return False


def step_of(folder: Path) -> int:
    """The step that the model there was saved after; 0 where there is none that can be read."""
    try:
        return int(unseal(folder / CARD)["step"])
    except (ModelFileError, OSError, KeyError, TypeError, ValueError):
        return 0


def load_model(folder: Path) -> tuple[Model, Card]:
    """Reads a model back, on the CPU, in evaluation mode.

    Raises:
        ModelFileError: A file is missing, altered, truncated, or of a later version.
    """
    tree = unseal(folder / CARD)
    if tree.get("schema_version") != SCHEMA:
        raise ModelFileError(
            f"{folder / CARD}: schema {tree.get('schema_version')!r}, and this is Reverie {__version__} "
            f"which reads schema {SCHEMA}; install Reverie {tree.get('reverie')}"
        )
    try:
        card = from_tree(Card, tree)
    except ValueError as error:
        raise ModelFileError(f"{folder / CARD}: {error}") from None
    try:
        tensors = _weights(folder, card.weights)
    except ModelFileError:
        if unseal(folder / CARD) == tree:
            raise
        return load_model(folder)  # training has replaced the pair between the two reads
    # Built without memory: whatever sizes the card claims, only the file's own tensors take any.
    try:
        with torch.device("meta"):
            model = card.model.build(card.spec)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        reason = str(error).partition("\n")[0]  # PyTorch's own go on with its C++ frames
        raise ModelFileError(
            f"{folder / CARD}: no model can be built from it ({reason})"
        ) from None
    expected, found = _forms(model.state_dict()), _forms(tensors)
    if expected != found:
        raise ModelFileError(f"{folder / WEIGHTS}: {_difference(expected, found)}")
    model.load_state_dict(tensors, assign=True)
    return model.eval().requires_grad_(False), card


def _settle(folder: Path) -> None:
    """Ends what a crash left: weights that the card names go to their place, others go."""
    if not (folder / NEXT).exists():
        return
    try:
        named = unseal(folder / CARD)["weights"] == sha256_of(folder / NEXT)
    except ModelFileError:
        named = False
    if named:
        (folder / NEXT).replace(folder / WEIGHTS)
    remove(folder / NEXT)


def _weights(folder: Path, digest: str) -> dict[str, Tensor]:
    """The weights that the card names; a crash may have left them beside their place."""
    if (folder / NEXT).exists():
        with contextlib.suppress(ModelFileError):
            return read_tensors(folder / NEXT, digest)
    return read_tensors(folder / WEIGHTS, digest)


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Shapes, and types where they are unusual."""
    return {
        name: f"{tuple(t.shape)}" + ("" if t.dtype == torch.float32 else f" of {t.dtype}")
        for name, t in tensors.items()
    }


def _difference(expected: dict[str, str], found: dict[str, str]) -> str:
    rows = [
        f"{name} expected {expected.get(name, 'nothing')}, found {found.get(name, 'nothing')}"
        for name in sorted(expected | found)
        if expected.get(name) != found.get(name)
    ]
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return "tensors do not fit the model: " + "; ".join(rows[:5]) + more
