"""Fully connected networks over flattened samples: any shape will do."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import PositiveInt
from torch import nn

from ..config import Section
from .parts import Activation, SampleShape, activation


class MLP(Section):
    """Linear layers with an activation between."""

    kind: Literal["mlp"] = "mlp"
    widths: tuple[PositiveInt, ...] = (256,)
    """Hidden widths from the data towards the latent; a decoder takes them in reverse."""
    activation: Activation = "relu"
    """The activation after every hidden layer."""

    def encoder(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """`(B, *shape)` to `(B, outputs)`."""
        return nn.Sequential(nn.Flatten(), *self._layers(math.prod(shape), self.widths, outputs))

    def decoder(self, inputs: int, shape: tuple[int, ...], outputs: int = 1) -> nn.Module:
        """`(B, inputs)` to `(B, outputs, *shape)`."""
        last = outputs * math.prod(shape)
        layers = self._layers(inputs, self.widths[::-1], last)
        return nn.Sequential(*layers, SampleShape(outputs, shape))

    def _layers(self, first: int, widths: tuple[int, ...], last: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(first, width), activation(self.activation)]
            first = width
        return [*layers, nn.Linear(first, last)]
