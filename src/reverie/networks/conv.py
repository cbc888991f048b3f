"""Strided convolutions for images of any channels, height and width."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt
from torch import nn

from ..config import Section
from .convolutions import Narrow
from .parts import (
    Activation,
    BatchNorm,
    Down,
    Flatten,
    NearestUp,
    SampleShape,
    Size,
    SmallDown,
    Unflatten,
    Up,
    activation,
    halvings,
    image_shape,
    initialise_normal,
)

STAGES = {"transposed": (Down, Up), "nearest": (SmallDown, NearestUp)}


class Conv(Section):
    """Each stage halves the picture, as DCGAN does. Radford et al. (2016), section 3."""

    kind: Literal["conv"] = "conv"
    widths: tuple[PositiveInt, ...] = Field((32, 64), min_length=1)
    """Channels of the stages from the data towards the latent; a decoder takes them in reverse."""
    stem: PositiveInt | None = None
    """Channels of a convolution at the picture's own size, next to the data; without it there is none."""
    dense: PositiveInt | None = None
    """The width of a fully connected layer between the stages and the latent; without it there is none."""
    up: Literal["transposed", "nearest"] = "transposed"
    """How a decoder doubles: a transposed convolution of 4 x 4, or repeated pixels and one of 3 x 3.

    The encoder's kernels have the same size."""
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
        down, _ = STAGES[self.up]
        layers: list[nn.Module] = []
        if self.stem:
            layers += [nn.Conv2d(channels, self.stem, 3, padding=1), activation(self.activation)]
            channels = self.stem
        for stage, width in enumerate(self.widths):
            normed = self.norm == "batch" and len(layers) > 0
            layers += [down(channels, width, sizes[stage], sizes[stage + 1], not normed)]
            layers += [*([BatchNorm(width)] if normed else []), activation(self.activation)]
            channels = width
        last = self._size(sizes[-1])
        layers.append(Flatten())
        if self.dense:
            layers += [nn.Linear(last, self.dense), activation(self.activation)]
        return self._initialised(nn.Sequential(*layers, nn.Linear(self.dense or last, outputs)))

    def decoder(self, inputs: int, shape: tuple[int, ...], outputs: int = 1) -> nn.Module:
        """`(B, inputs)` to `(B, outputs, C, H, W)`."""
        channels, *size = image_shape(shape, self.kind)
        sizes = halvings((size[0], size[1]), len(self.widths))
        _, up = STAGES[self.up]
        layers: list[nn.Module] = []
        if self.dense:
            layers += [nn.Linear(inputs, self.dense), activation(self.activation)]
        layers += [nn.Linear(self.dense or inputs, self._size(sizes[-1]))]
        layers += [Unflatten(self.widths[-1], sizes[-1]), *self._hidden(self.widths[-1])]
        targets = (self.stem or outputs * channels, *self.widths[:-1])
        for stage in reversed(range(len(self.widths))):
            last = stage == 0 and not self.stem
            bias = last or self.norm != "batch"
            layers += [
                up(self.widths[stage], targets[stage], sizes[stage + 1], sizes[stage], bias)
            ]
            layers += [] if last else self._hidden(targets[stage])
        if self.stem:
            layers += [Narrow(self.stem, outputs * channels)]
        return self._initialised(nn.Sequential(*layers, SampleShape(outputs, shape)))

    def _size(self, size: Size) -> int:
        return self.widths[-1] * size[0] * size[1]

    def _hidden(self, width: int) -> list[nn.Module]:
        norm = [BatchNorm(width)] if self.norm == "batch" else []
        return [*norm, activation(self.activation)]

    def _initialised(self, network: nn.Module) -> nn.Module:
        return network.apply(initialise_normal) if self.init == "normal" else network
