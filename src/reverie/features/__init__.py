"""Frozen extractors, each with a name and the hash of its weights: scores of two never mix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from ..errors import DataError
from .lenet import LeNet

# To add an extractor: ship its weights here, and pin their hash.
SHIPPED = {
    "lenet-mnist-v1": {
        "shape": (1, 28, 28),
        "sha256": "ea27721276848f1377fa42ac1496bc02c2c194af43545f3aab205121f88de93e",
        "dimension": 64,
    },
}


@dataclass(frozen=True)
class Extractor:
    """A frozen network from pictures to features.

    Arguments:
        name: Its name.
        sha256: Of its weights.
        shape: Of the pictures it takes, in [0, 1]; nothing is resized.
        dimension: D, the number of features.
    """

    name: str
    sha256: str
    shape: tuple[int, ...]
    dimension: int
    network: LeNet

    @property
    def tag(self) -> str:
        """Name and hash as they stand in a score's name."""
        return f"{self.name}@{self.sha256[:8]}"

    def record(self) -> dict[str, Any]:
        """What a record must say of it."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "input": list(self.shape),
            "resize": "none",
            "range": [0, 1],
            "dimension": self.dimension,
        }

    @torch.no_grad()
    def __call__(self, x: Tensor, chunk: int = 1000) -> Tensor:
        """Features `(N, D)` of pictures `(N, C, H, W)` in [0, 1], uint8 counted in steps of 1/255.

        Generated pictures are rounded to 8 bits first, as real ones are.
        """
        parts = []
        for part in x.split(chunk):
            levels = part.float() if part.dtype == torch.uint8 else (part * 255).round()
            parts.append(self.network.features(levels / 255))
        return torch.cat(parts)


def extractor_for(shape: tuple[int, ...]) -> str | None:
    """The shipped extractor for pictures of this shape, if there is one."""
    return next((name for name, facts in SHIPPED.items() if facts["shape"] == tuple(shape)), None)


@cache
def open_extractor(name: str) -> Extractor:
    """A shipped extractor.

    Raises:
        DataError: Its file is not the one that its name was pinned to.
    """
    facts: dict[str, Any] = SHIPPED[name]
    data = resources.files("reverie.features").joinpath(f"{name}.safetensors").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != facts["sha256"]:
        raise DataError(
            f"extractor {name}: its file has SHA-256 {digest[:12]}, pinned is {facts['sha256'][:12]}; "
            "reinstall reverie"
        )
    network = LeNet().eval().requires_grad_(False)
    network.load_state_dict(safetensors.torch.load(data))
    return Extractor(name, digest, facts["shape"], facts["dimension"], network)
