"""Convolutions in the forms that CPUs are fastest at: PyTorch's values, by other products."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, pad, pixel_shuffle
from typing_extensions import override

FEW = 3
"""So many channels that a convolution makes, or fewer, are `Narrow`'s to make in blocks of pixels."""
LANES = 16
"""Channels that oneDNN's kernels make at once, whether they are asked for or not."""


class BiasGradient(torch.autograd.Function):
    """Leaves `(B, C, H, W)` with its bias added as it is; gives the bias the sum of the gradients.

    For transposed convolutions in bf16, of which oneDNN takes longer over this sum than over all else.
    """

    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        ctx.dtype = bias.dtype
        return x.view_as(x)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        (gradient,) = gradients
        wanted = ctx.needs_input_grad[1]
        return gradient, gradient.sum((0, 2, 3), dtype=ctx.dtype) if wanted else None


def transposed(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...]) -> Tensor:
    """The transposed convolution of `(B, C, H, W)` with `(C, C', k, k)` and one pixel of padding."""
    x = conv_transpose2d(x, weight, None if bias is None else bias.detach(), stride, padding=1)
    made = x if bias is None else BiasGradient.apply(x, bias)
    assert isinstance(made, Tensor)
    return made


def over_doubled(weight: Tensor) -> Tensor:
    """The kernel `(C, C', 4, 4)` of the transposed convolution that doubles pixels, then convolves.

    A kernel of 3 x 3, `(C', C, 3, 3)`, that passes over 2 x 2 copies of a pixel is one of 4 x 4 that passes
    over it once: each weight is the sum of those that met a copy.
    """
    outputs, inputs = weight.shape[:2]
    rows = weight.permute(0, 2, 3, 1).reshape(outputs, 9, inputs)
    with torch.autocast(weight.device.type, enabled=False):
        kernel = _meetings(weight.dtype, weight.device) @ rows
    return kernel.view(outputs, 4, 4, inputs).permute(3, 0, 1, 2)


@cache
@torch.inference_mode(False)
def _meetings(dtype: torch.dtype, device: torch.device) -> Tensor:
    """`(16, 9)`: which weights of 3 x 3 meet a copy, for each of 4 x 4."""
    units = torch.eye(9).view(9, 1, 3, 3).flip(2, 3)
    sums = 4 * avg_pool2d(units, 2, stride=1, padding=1)
    return sums.reshape(9, 16).t().to(device, dtype)


class Narrow(nn.Conv2d):
    """A convolution of 3 x 3 that keeps the size and makes few channels: a decoder's last."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    @override
    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu" or self.out_channels > FEW:
            return super().forward(input)
        if torch.is_autocast_enabled("cpu"):
            input = input.to(torch.get_autocast_dtype("cpu"))
        assert self.bias is not None
        made = InBlocks.apply(input, self.weight, self.bias)
        assert isinstance(made, Tensor)
        return made


class InBlocks(torch.autograd.Function):
    """The convolution of `(B, C, H, W)` with `(C', C, 3, 3)`, by other products than oneDNN's.

    Its kernels make 16 channels where one is asked for. Here a block of k x k pixels is as many channels
    of a larger kernel with a stride of k; the gradients are two products of matrices.
    """

    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        outputs, inputs, height, width = len(weight), *x.shape[1:]
        k = 4 if outputs * 16 <= LANES else 2
        # Rows of taps, then channels: the layout that convolutions take without a copy.
        taps = weight.to(x.dtype).permute(2, 3, 1, 0).reshape(9, inputs * outputs)
        kernel = (_places(k, x.dtype) @ taps).view(k * k, k + 2, k + 2, inputs, outputs)
        kernel = kernel.permute(4, 0, 1, 2, 3).reshape(outputs * k * k, k + 2, k + 2, inputs)
        biases = bias.to(x.dtype).repeat_interleave(k * k)
        x = pad(x, (0, -width % k, 0, -height % k)) if width % k or height % k else x
        blocks = conv2d(x, kernel.permute(0, 3, 1, 2), biases, stride=k, padding=1)
        return pixel_shuffle(blocks, k)[..., :height, :width]

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        (batch, inputs, height, width), outputs = x.shape, len(weight)
        edged = pad(gradient, (1, 1, 1, 1)).transpose(0, 1)
        # (9 C', B H W): what each tap, seen from the input, gave a gradient to.
        met = torch.stack(
            [edged[..., i : i + height, j : j + width] for i in range(3) for j in range(3)]
        ).view(9 * outputs, -1)
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            turned = weight.to(x.dtype).flip(2, 3).permute(2, 3, 0, 1).reshape(9 * outputs, inputs)
            of_x = (met.t() @ turned).view(batch, height, width, inputs).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[1]:
            of_taps = (met @ x.permute(0, 2, 3, 1).reshape(-1, inputs)).to(weight.dtype)
            of_weight = of_taps.view(3, 3, outputs, inputs).flip(0, 1).permute(2, 3, 0, 1)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3), dtype=weight.dtype)
        return of_x, of_weight, of_bias


@cache
@torch.inference_mode(False)
def _places(k: int, dtype: torch.dtype) -> Tensor:
    """`(k k (k + 2) (k + 2), 9)`: where each tap of 3 x 3 stands in the kernel of each pixel of a block."""
    taps = torch.eye(9, dtype=dtype).view(9, 3, 3)
    pixels = [pad(taps, (j, k - 1 - j, i, k - 1 - i)) for i in range(k) for j in range(k)]
    return torch.stack(pixels).permute(0, 2, 3, 1).reshape(-1, 9)
