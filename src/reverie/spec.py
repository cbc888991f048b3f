"""What a model must know of the data it is built for, and nothing of where the data came from."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from .config import Section


class Pixels(Section):
    """An array of values in [0, 1]: an image is `(C, H, W)`."""

    kind: Literal["pixels"] = "pixels"
    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Channels, height, width."""
    classes: tuple[str, ...] = ()
    """The names of the classes, in the order of the labels; empty when unlabelled."""


class Vector(Section):
    """A point of real numbers in its own units."""

    kind: Literal["vector"] = "vector"
    size: PositiveInt
    """The number of entries."""
    classes: tuple[str, ...] = ()
    """The names of the classes, in the order of the labels; empty when unlabelled."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, `(D,)`."""
        return (self.size,)


DataSpec = Annotated[Pixels | Vector, Field(discriminator="kind")]

ValueRange = Literal["unit", "signed", "raw"]
"""The range a model's networks see: [0, 1], [-1, 1], or the data's own units."""


def entries(spec: Pixels | Vector) -> int:
    """The number of values in one sample."""
    return math.prod(spec.shape)


def affine(value_range: ValueRange) -> tuple[float, float]:
    """Scale and shift that take [0, 1] to the range: `x * scale + shift`."""
    return (2.0, -1.0) if value_range == "signed" else (1.0, 0.0)
