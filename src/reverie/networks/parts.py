"""Layers that more than one network uses, and the sizes that strided layers pass through."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import pad
from typing_extensions import override

from ..errors import ConfigError

Activation = Literal["relu", "leaky_relu", "silu", "gelu", "tanh"]
Size = tuple[int, int]


def activation(name: Activation) -> nn.Module:
    """The activation of that name; the leaky slope is 0.2, as all GAN papers have it."""
    modules = {
        "relu": nn.ReLU(),
        "leaky_relu": nn.LeakyReLU(0.2),
        "silu": nn.SiLU(),
        "gelu": nn.GELU(),
        "tanh": nn.Tanh(),
    }
    return modules[name]


def image_shape(shape: tuple[int, ...], network: str) -> tuple[int, int, int]:
    """The shape as channels, height, width; refused for samples that are no images."""
    if len(shape) != 3:
        raise ConfigError(
            f"network {network!r} needs samples of shape (C, H, W) and these are {shape}; "
            "write network=mlp"
        )
    return shape


def halvings(size: Size, stages: int, smallest: int = 4) -> list[Size]:
    """The sizes after 0, 1, ... stages: each side is halved, rounding up, while it is at least `smallest`.

    So 28 goes 28, 14, 7 and a strip of 1 x 20 goes (1, 20), (1, 10), (1, 5).
    """
    sizes = [size]
    for _ in range(stages):
        height, width = sizes[-1]
        sizes.append(tuple(math.ceil(n / 2) if n >= smallest else n for n in (height, width)))  # type: ignore[arg-type]
    return sizes


def strides(before: Size, after: Size) -> Size:
    """1 for each side that keeps its length, else 2."""
    return (1 if before[0] == after[0] else 2, 1 if before[1] == after[1] else 2)


def kernels(stride: Size) -> Size:
    """4 where the stride is 2, so that the kernels tile evenly, else 3."""
    return (4 if stride[0] == 2 else 3, 4 if stride[1] == 2 else 3)


class Down(nn.Module):
    """A convolution from one size of `halvings` to the next: `(B, C, *before)` to `(B, C', *after)`."""

    def __init__(self, inputs: int, outputs: int, before: Size, after: Size) -> None:
        super().__init__()
        stride = strides(before, after)
        kernel = kernels(stride)
        # An odd side gets one more row, so that its half is rounded up.
        self.extra = tuple(n % 2 if s == 2 else 0 for n, s in zip(before, stride, strict=True))
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad(x, (0, self.extra[1], 0, self.extra[0])) if any(self.extra) else x)


class Up(nn.Module):
    """The transposed convolution that undoes `Down`: `(B, C, *after)` to `(B, C', *before)`."""

    def __init__(self, inputs: int, outputs: int, after: Size, before: Size) -> None:
        super().__init__()
        stride = strides(before, after)
        kernel = kernels(stride)
        self.size = before
        self.conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding=1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x if x.shape[2:] == self.size else x[..., : self.size[0], : self.size[1]]


class SampleShape(nn.Module):
    """The last step of a decoder: values in any layout to `(B, P, *shape)`."""

    def __init__(self, outputs: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = (outputs, *shape)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape)


def initialise_normal(module: nn.Module) -> None:
    """Weights from N(0, 0.02), norms' gains from N(1, 0.02). Radford et al. (2016), section 4."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
