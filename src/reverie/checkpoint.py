"""Checkpoints: everything needed to go on, whole or absent.

A checkpoint is a folder `checkpoint/step-N` that appears under its name only when it is complete and on
the disk. The one before it is kept, in case the disk damages the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .errors import ModelFileError
from .storage import (
    read_tensors,
    remove,
    save_tensors,
    seal,
    sha256_of,
    swap_in,
    unseal,
)

SCHEMA = 2
KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """What was read back.

    Arguments:
        step: The step it was made after.
        tensors: All tensors by name.
        facts: Numbers and words that were saved beside them.
        damaged: Later checkpoints that could not be used, and why.
    """

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    damaged: tuple[str, ...] = ()


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Writes the checkpoint of a step and removes all but the one before it.

    One of this step that is whole already is kept: removing it first could leave none.

    Raises:
        StorageError: The disk is full or read-only; earlier checkpoints are intact.
    """
    place = folder / f"step-{step:010d}"
    if place.exists():
        try:
            _read(place)
            return
        except ModelFileError:
            remove(place)
    swap_in(place, lambda beside: _fill(beside, step, tensors, facts))
    # What is of a later step is damaged: training went on from before it.
    kept = [other for other in _all(folder) if other <= place][-KEPT:]
    for other in set(_all(folder)) - set(kept):
        remove(other)


def _fill(
    folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    folder.mkdir(parents=True)
    weights = folder / "state.safetensors"
    save_tensors(tensors, weights)
    tree = {"schema": SCHEMA, "step": step, "facts": dict(facts), "weights": sha256_of(weights)}
    (folder / "state.json").write_bytes(seal(tree))


def load(folder: Path) -> Checkpoint | None:
    """The latest whole checkpoint, or None where there is none at all.

    Raises:
        ModelFileError: There are checkpoints, and none is whole.
    """
    damaged: list[str] = []
    for place in reversed(_all(folder)):
        try:
            return replace(_read(place), damaged=tuple(damaged))
        except ModelFileError as error:
            damaged.append(str(error))
    if damaged:
        raise ModelFileError("no checkpoint is whole: " + "; ".join(damaged))
    return None


def _read(place: Path) -> Checkpoint:
    tree = unseal(place / "state.json")
    if tree.get("schema") != SCHEMA:
        raise ModelFileError(f"{place}: schema {tree.get('schema')}, expected {SCHEMA}")
    tensors = read_tensors(place / "state.safetensors", tree["weights"])
    return Checkpoint(tree["step"], tensors, tree["facts"])


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def named(prefix: str, model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module under a prefix."""
    return {f"{prefix}.{name}": tensor for name, tensor in model.state_dict().items()}


def restore(model: nn.Module, prefix: str, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `named` gave."""
    start = prefix + "."
    own = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
    model.load_state_dict(own)


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """An optimizer's state as named tensors; its settings come from the configuration."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{index}.{name}": torch.as_tensor(value)
        for index, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, prefix: str, tensors: Mapping[str, Tensor]
) -> None:
    """Puts back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix + "."):
            index, _, field = name.removeprefix(prefix + ".").partition(".")
            state.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    # Fused optimizers walk raw memory: a moment must lie as its parameter does, e.g. channels last.
    for parameter, values in optimizer.state.items():
        for field, value in values.items():
            if value.shape == parameter.shape and value.stride() != parameter.stride():
                values[field] = torch.empty_like(parameter).copy_(value)
