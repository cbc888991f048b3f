"""Layers that more than one network uses, and the sizes that strided layers pass through."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.functional import interpolate, pad
from typing_extensions import override

from ..errors import ConfigError
from .convolutions import Strided, over_doubled, transposed

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

    def __init__(
        self, inputs: int, outputs: int, before: Size, after: Size, bias: bool = True
    ) -> None:
        super().__init__()
        stride = strides(before, after)
        kernel = kernels(stride)
        # An odd side gets one more row, so that its half is rounded up.
        self.extra = tuple(n % 2 if s == 2 else 0 for n, s in zip(before, stride, strict=True))
        self.conv = Strided(inputs, outputs, kernel, stride, padding=1, bias=bias)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad(x, (0, self.extra[1], 0, self.extra[0])) if any(self.extra) else x)


class Up(nn.Module):
    """The transposed convolution that undoes `Down`: `(B, C, *after)` to `(B, C', *before)`."""

    def __init__(
        self, inputs: int, outputs: int, after: Size, before: Size, bias: bool = True
    ) -> None:
        super().__init__()
        stride = strides(before, after)
        kernel = kernels(stride)
        self.size = before
        self.conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding=1, bias=bias)

    @override
    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        x = transposed(x, conv.weight, conv.bias, conv.stride)
        return x if x.shape[2:] == self.size else x[..., : self.size[0], : self.size[1]]


class SmallDown(Strided):
    """`Down` with kernels of 3, whose halves round up of themselves."""

    def __init__(
        self, inputs: int, outputs: int, before: Size, after: Size, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, 3, strides(before, after), padding=1, bias=bias)


class NearestUp(nn.Module):
    """Repeats pixels, then convolves: `(B, C, *after)` to `(B, C', *before)`.

    No checkerboards, which transposed convolutions leave. Odena, Dumoulin & Olah (2016).
    """

    def __init__(
        self, inputs: int, outputs: int, after: Size, before: Size, bias: bool = True
    ) -> None:
        super().__init__()
        self.size = before
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)

    @override
    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if self.size == (height, width):
            return self.conv(x)
        if self.size == (2 * height, 2 * width):
            # Both steps at once: 16 products for 36, and no enlarged picture.
            return transposed(x, over_doubled(self.conv.weight), self.conv.bias, (2, 2))
        # Autocast would have it in float32: repeating a pixel rounds nothing.
        with torch.autocast(x.device.type, enabled=False):
            x = interpolate(x, self.size)
        return self.conv(x)


class Flatten(nn.Module):
    """`(B, C, H, W)` to `(B, H W C)`: a view where channels lie together, as they do for speed."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Unflatten(nn.Module):
    """`(B, H W C)` to `(B, C, H, W)`, the inverse of `Flatten`."""

    def __init__(self, channels: int, size: Size) -> None:
        super().__init__()
        self.channels, self.size = channels, size

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, *self.size, self.channels).permute(0, 3, 1, 2)


class SampleShape(nn.Module):
    """The last step of a decoder: values in any layout to `(B, P, *shape)`."""

    def __init__(self, outputs: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = (outputs, *shape)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape)


class Summed(torch.autograd.Function):
    """The sum of the workers' tensors; each gets the sum of the gradients back."""

    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def summed(x: Tensor) -> Tensor:
    """The sum of the workers' tensors, which gradients flow through."""
    total = Summed.apply(x)
    assert isinstance(total, Tensor)
    return total


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over the global batch: workers share their sums, `(B, C, H, W)` to the same.

    Ioffe & Szegedy (2015), algorithm 1. PyTorch's own synchronised form is for GPUs alone.
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        if self.training and input.numel() == input.shape[1]:
            raise ConfigError(
                "batch norm has a single value of each channel to norm by; write a larger train.batch, "
                "or norm=none in the network"
            )
        if not (self.training and dist.is_available() and dist.is_initialized()):
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        count = len(x) * x[0, 0].numel() * dist.get_world_size()
        mean = summed(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = summed(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / max(count - 1, 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def initialise_normal(module: nn.Module) -> None:
    """Weights from N(0, 0.02), norms' gains from N(1, 0.02). Radford et al. (2016), section 4."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
