"""A trained model as two files that need nothing else: `model.safetensors` and `model.json`.

No pickle and no names of classes: the JSON holds words that are registered in `models`, and every byte
of both files is covered by a SHA-256.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import Field

from . import __version__
from .config import Section, from_tree, to_tree
from .errors import ModelFileError
from .models import ModelConfig
from .models.base import Model
from .spec import DataSpec, ValueRange
from .storage import read_tensors, seal, sha256_of, swap_in, unseal, write_bytes

SCHEMA = 1
WEIGHTS = "model.safetensors"
CARD = "model.json"


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
    """Writes both files; each is whole or as it was before."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    swap_in(folder / WEIGHTS, lambda beside: safetensors.torch.save_file(tensors, beside))
    card = Card(
        schema_version=SCHEMA,
        reverie=__version__,
        model=config,
        spec=model.spec,
        value_range=model.value_range,
        averaged=averaged,
        step=step,
        weights=sha256_of(folder / WEIGHTS),
    )
    write_bytes(folder / CARD, seal(to_tree(card)))


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
    tensors = read_tensors(folder / WEIGHTS, card.weights)
    # Built without memory: whatever sizes the card claims, only the file's own tensors take any.
    with torch.device("meta"):
        model = card.model.build(card.spec)
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if expected != found:
        raise ModelFileError(f"{folder / WEIGHTS}: {_difference(expected, found)}")
    model.load_state_dict(tensors, assign=True)
    return model.eval().requires_grad_(False), card


def _difference(expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> str:
    rows = [
        f"{name} expected {expected.get(name, 'nothing')}, found {found.get(name, 'nothing')}"
        for name in sorted(expected | found)
        if expected.get(name) != found.get(name)
    ]
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return "tensors do not fit the model: " + "; ".join(rows[:5]) + more
