"""Strided convolutions for images of any channels, height and width."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt
from torch import nn

from ..config import Section
from .parts import (
    Activation,
    BatchNorm,
    Down,
    SampleShape,
    Size,
    Up,
    activation,
    halvings,
    image_shape,
    initialise_normal,
)


class Conv(Section):
    """Each stage halves the picture, as DCGAN does. Radford et al. (2016), section 3."""

    kind: Literal["conv"] = "conv"
    widths: tuple[PositiveInt, ...] = Field((32, 64), min_length=1)
    """Channels of the stages from the data towards the latent; a decoder takes them in reverse."""
    dense: PositiveInt | None = None
    """The width of a fully connected layer between the stages and the latent; None leaves it out."""
    activation: Activation = "relu"
    """The activation after every hidden layer."""
    norm: Literal["none", "batch"] = "none"
    """Batch norm after every hidden layer but the one that touches the data."""
    init: Literal["default", "normal"] = "default"
    """PyTorch's own initialisation, or N(0, 0.02) as in DCGAN."""

    def encoder(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """`(B, C, H, W)` to `(B, outputs)`."""
        channels, *size = image_shape(shape, self.kind)
        sizes = halvings((size[0], size[1]), len(self.widths))
        layers: list[nn.Module] = []
        for stage, width in enumerate(self.widths):
            bias = not (stage and self.norm == "batch")
            layers += [Down(channels, width, sizes[stage], sizes[stage + 1], bias)]
            layers += [*(self._norm(width) if stage else []), activation(self.activation)]
            channels = width
        last = self._size(sizes[-1])
        layers.append(nn.Flatten())
        if self.dense:
            layers += [nn.Linear(last, self.dense), activation(self.activation)]
        return self._initialised(nn.Sequential(*layers, nn.Linear(self.dense or last, outputs)))

    def decoder(self, inputs: int, shape: tuple[int, ...], outputs: int = 1) -> nn.Module:
        """`(B, inputs)` to `(B, outputs, C, H, W)`."""
        channels, *size = image_shape(shape, self.kind)
        sizes = halvings((size[0], size[1]), len(self.widths))
        layers: list[nn.Module] = []
        if self.dense:
            layers += [nn.Linear(inputs, self.dense), activation(self.activation)]
        layers += [nn.Linear(self.dense or inputs, self._size(sizes[-1]))]
        layers += [nn.Unflatten(1, (self.widths[-1], *sizes[-1]))]
        layers += [*self._norm(self.widths[-1]), activation(self.activation)]
        for stage in reversed(range(len(self.widths))):
            width = self.widths[stage - 1] if stage else outputs * channels
            bias = not (stage and self.norm == "batch")
            layers += [Up(self.widths[stage], width, sizes[stage + 1], sizes[stage], bias)]
            if stage:
                layers += [*self._norm(width), activation(self.activation)]
        return self._initialised(nn.Sequential(*layers, SampleShape(outputs, shape)))

    def _size(self, size: Size) -> int:
        return self.widths[-1] * size[0] * size[1]

    def _norm(self, width: int) -> list[nn.Module]:
        return [BatchNorm(width)] if self.norm == "batch" else []

    def _initialised(self, network: nn.Module) -> nn.Module:
        return network.apply(initialise_normal) if self.init == "normal" else network
