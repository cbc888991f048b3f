"""How a model is judged: what `evaluate` may be asked for, with its defaults, in one place."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from .errors import ConfigError

LEAST = {"samples": 2, "draws": 1, "images": 2, "chains": 0}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a model is judged; values of unlike protocols are not compared.

    Arguments:
        samples: Samples to draw, and held-out samples to use, at most.
        draws: Draws of the likelihood's bound; it tightens with them, so they are part of its name.
        images: Held-out samples on which that many are drawn; a few are drawn on all.
        chains: Held-out samples on which the likelihood is annealed; 0 leaves that out.
        seed: Of samples, draws and subsets.
        extractor: Whose features are compared: a name, NAME=WEIGHTS, or a file of one's own; None takes
            the one for the data.
        lpips: The folder of the weights of LPIPS; None leaves it out.
        quick: Whether only what costs seconds is computed, as at the end of training.

    Raises:
        ConfigError: A number is too small.
    """

    samples: int = 10_000
    draws: int = 5_000
    images: int = 200
    chains: int = 0
    seed: int = 0
    extractor: str | None = None
    lpips: str | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        for name in ("extractor", "lpips"):  # a Path will do
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, os.fspath(given))
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; write at least {least}")

    def to_dict(self) -> dict[str, Any]:
        """For JSON; of LPIPS alone that it was asked for: its weights are pinned, wherever they lie."""
        tree = asdict(self)
        asked = tree.pop("lpips") is not None
        return {**tree, "lpips": True} if asked else tree


class Asked(TypedDict, total=False):
    """The fields of a `Protocol` as keywords, each of which may be left out."""

    samples: int
    draws: int
    images: int
    chains: int
    seed: int
    extractor: str | None
    lpips: str | None
    quick: bool
