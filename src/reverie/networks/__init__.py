"""Networks: they know shapes and no objectives. Add one to the union and every model can use it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .conv import Conv
from .mlp import MLP

Network = Annotated[MLP | Conv, Field(discriminator="kind")]

__all__ = ["MLP", "Conv", "Network"]
