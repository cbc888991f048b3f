"""Residual convolutions without norms: what a modern GAN is made of.

After Huang et al. (2024), section 3: no normalisation, resampling outside the residual branches, and an
initialisation that makes every block the identity (Zhang et al. 2019, Fixup).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate
from typing_extensions import override

from ..config import Section
from .parts import Activation, Down, SampleShape, Size, Up, activation, halvings, image_shape


class Residual(Section):
    """Stages of residual blocks, each at half the size of the one before, the first at half the data's."""

    kind: Literal["residual"] = "residual"
    widths: tuple[PositiveInt, ...] = Field((32, 64), min_length=1)
    """Channels of the stages from the data towards the latent; a decoder takes them in reverse."""
    blocks: PositiveInt = 1
    """Residual blocks in each stage."""
    activation: Activation = "leaky_relu"
    """The activation inside the blocks."""

    def encoder(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """`(B, C, H, W)` to `(B, outputs)`."""
        channels, *size = image_shape(shape, self.kind)
        sizes = halvings((size[0], size[1]), len(self.widths))
        layers: list[nn.Module] = [Down(channels, self.widths[0], sizes[0], sizes[1])]
        for stage, width in enumerate(self.widths):
            if stage:
                layers += [Shrink(self.widths[stage - 1], width, sizes[stage + 1])]
            layers += [Block(width, self.activation, self._depth) for _ in range(self.blocks)]
        area = sizes[-1][0] * sizes[-1][1]
        layers += [activation(self.activation), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(self.widths[-1] * area, outputs))

    def decoder(self, inputs: int, shape: tuple[int, ...], outputs: int = 1) -> nn.Module:
        """`(B, inputs)` to `(B, outputs, C, H, W)`."""
        channels, *size = image_shape(shape, self.kind)
        sizes = halvings((size[0], size[1]), len(self.widths))
        last = self.widths[-1]
        layers: list[nn.Module] = [
            nn.Linear(inputs, last * sizes[-1][0] * sizes[-1][1]),
            nn.Unflatten(1, (last, *sizes[-1])),
        ]
        for stage in reversed(range(len(self.widths))):
            if stage < len(self.widths) - 1:
                layers += [Grow(self.widths[stage + 1], self.widths[stage], sizes[stage + 1])]
            width = self.widths[stage]
            layers += [Block(width, self.activation, self._depth) for _ in range(self.blocks)]
        layers += [activation(self.activation)]
        layers += [Up(self.widths[0], outputs * channels, sizes[1], sizes[0])]
        return nn.Sequential(*layers, SampleShape(outputs, shape))

    @property
    def _depth(self) -> int:
        return self.blocks * len(self.widths)


class Block(nn.Module):
    """x + f(x), the identity at first: `(B, C, H, W)` to the same."""

    def __init__(self, width: int, act: Activation, depth: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.act = activation(act)
        # Fixup, section 3: the branch's first layer shrinks with the depth, its last starts at zero.
        nn.init.kaiming_normal_(self.first.weight, a=0.2)
        self.first.weight.data.mul_(depth**-0.5)
        nn.init.zeros_(self.second.weight)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.act(self.first(self.act(x))))


class Shrink(nn.Module):
    """Averages down to a size and changes the channels: `(B, C, H, W)` to `(B, C', *size)`."""

    def __init__(self, inputs: int, outputs: int, size: Size) -> None:
        super().__init__()
        self.size = size
        self.mix = (
            nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.mix(adaptive_avg_pool2d(x, self.size))


class Grow(nn.Module):
    """Changes the channels and interpolates up to a size: `(B, C, h, w)` to `(B, C', *size)`."""

    def __init__(self, inputs: int, outputs: int, size: Size) -> None:
        super().__init__()
        self.size = size
        self.mix = (
            nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        return interpolate(self.mix(x), size=self.size, mode="bilinear", align_corners=False)
