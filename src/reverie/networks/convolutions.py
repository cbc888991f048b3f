"""Convolutions in the forms that CPUs are fastest at: PyTorch's values, by other products."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, pad, pixel_shuffle
from typing_extensions import override

from ..hardware import cpu_flags

FEW = 3
"""So many channels that a convolution makes, or fewer, are `Narrow`'s to make in blocks of pixels."""
LANES = 16
"""Channels that oneDNN's kernels make at once, whether they are asked for or not."""
CACHED = 2**22
"""So many numbers of a matrix are read again before they leave the cache."""


class Strided(nn.Conv2d):
    """A convolution with one pixel of padding that halves pictures; as `StrideTwo` where that is faster."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu" or self.stride != (2, 2):
            return super().forward(input)
        input = autocast(input)
        if not by_windows(input, self.kernel_size[0]):
            return super().forward(input)
        made = StrideTwo.apply(input, self.weight, self.bias, False)
        assert isinstance(made, Tensor)
        return made


def transposed(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...]) -> Tensor:
    """The transposed convolution of `(B, C, H, W)` with `(C, C', *k)` and one pixel of padding.

    A side with a stride of 2 has a kernel of 4, one with a stride of 1 a kernel of 3.
    """
    if x.device.type != "cpu" or stride != (2, 2):
        return conv_transpose2d(x, weight, bias, stride, padding=1)
    made = StrideTwo.apply(autocast(x), weight, bias, True)
    assert isinstance(made, Tensor)
    return made


class StrideTwo(torch.autograd.Function):
    """A convolution with a stride of 2 and one pixel of padding, or a transposed one, and its gradients.

    Over a bias's gradient, a sum, oneDNN takes longer than over all others of a transposed convolution;
    over a kernel's it takes two threads about as long as one.
    """

    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, up: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.up = up
        weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
        if up and weight.shape[1] <= LANES and not by_tiles(x.dtype):
            return in_pairs(x, weight, bias)
        return (conv_transpose2d if up else conv2d)(x, weight, bias, 2, 1)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        large, small = (gradient, x) if ctx.up else (x, gradient)
        product = of_weight and by_windows(large, weight.shape[-1])
        found = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight.to(x.dtype),
            bias_sizes=None,
            stride=(2, 2),
            padding=(1, 1),
            dilation=(1, 1),
            transposed=ctx.up,
            output_padding=(0, 0),
            groups=1,
            output_mask=(of_x, of_weight and not product, False),
        )
        kernel = from_windows(large, small, weight.shape[-1]) if product else found[1]
        return (
            found[0],
            kernel.to(weight.dtype) if of_weight else None,
            gradient.sum((0, 2, 3)).to(weight.dtype) if of_bias else None,
            None,
        )


def in_pairs(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The transposed convolution of `(B, C, H, W)` with `(C, C', 4, 4)`, a stride of 2 and padding of 1.

    What lies between two rows of x, and between two columns, depends on these alone: its 2 x 2 pixels are
    so many channels of a kernel of 2 x 2. That is faster where C' is less than what oneDNN makes at once.
    """
    batch, inputs, height, width = x.shape
    outputs = weight.shape[1]
    taps = weight.view(inputs, outputs, 2, 2, 2, 2).flip(2, 4).permute(3, 5, 1, 2, 4, 0)
    kernel = taps.reshape(4 * outputs, 2, 2, inputs).permute(0, 3, 1, 2)
    blocks = conv2d(x, kernel, None if bias is None else bias.repeat(4), padding=1)
    rows = blocks.permute(0, 2, 3, 1).view(batch, height + 1, width + 1, 2, 2 * outputs)
    made = rows.transpose(2, 3).reshape(batch, 2 * height + 2, 2 * width + 2, outputs)
    return made[:, 1:-1, 1:-1].permute(0, 3, 1, 2)


def autocast(x: Tensor) -> Tensor:
    """The same in the precision that autocast would have it in."""
    return x.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else x


def by_tiles(dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies in tiles here (AMX): then no form is faster than its own."""
    return dtype == torch.bfloat16 and "amx_bf16" in cpu_flags()


def by_windows(large: Tensor, size: int) -> bool:
    """Whether the product of `from_windows` is the faster, for `(B, C, H, W)` and a kernel of this size.

    It is for several threads: of them oneDNN makes little, and less where cores are slow to pass data on.
    """
    if large.dtype != torch.bfloat16 or by_tiles(large.dtype) or torch.get_num_threads() == 1:
        return False
    return large.shape[1] >= LANES and large.numel() * size**2 // 4 <= CACHED


def from_windows(large: Tensor, small: Tensor, size: int) -> Tensor:
    """The kernel `(C', C, k, k)` through which `(B, C, H, W)` met `(B, C', h, w)`, half as large.

    One product: what each place of the small picture holds, with what it sees of the large one.
    """
    channels = large.shape[1]
    edged = pad(large.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    seen = edged.unfold(1, size, 2).unfold(2, size, 2).permute(0, 1, 2, 4, 5, 3)
    held = small.permute(0, 2, 3, 1).reshape(-1, small.shape[1])
    kernel = of_all_rows(held, seen.reshape(len(held), -1))
    return kernel.view(-1, size, size, channels).permute(0, 3, 1, 2)


def of_all_rows(a: Tensor, b: Tensor) -> Tensor:
    """The product `(P, Q)` of `(N, P)`, transposed, and `(N, Q)`; of bf16 in float32.

    Each thread sums over rows of its own, which it made: what another core has made is slow to come.
    """
    threads = torch.get_num_threads()
    parts = threads if len(a) % threads == 0 else 1
    a, b = a.unflatten(0, (parts, -1)), b.unflatten(0, (parts, -1))
    return (a.transpose(1, 2) @ b).sum(0, dtype=torch.promote_types(a.dtype, torch.float32))


def over_doubled(weight: Tensor) -> Tensor:
    """The kernel `(C, C', 4, 4)` of the transposed convolution that doubles pixels, then convolves.

    A kernel of 3 x 3, `(C', C, 3, 3)`, that passes over 2 x 2 copies of a pixel is one of 4 x 4 that passes
    over it once: each weight is the sum of those that met a copy.
    """
    outputs, inputs = weight.shape[:2]
    taps = weight.permute(2, 3, 0, 1).reshape(9, outputs * inputs)
    with torch.autocast(weight.device.type, enabled=False):
        kernel = _meetings(weight.dtype, weight.device) @ taps
    return kernel.view(4, 4, outputs, inputs).permute(3, 2, 0, 1)


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
        input = autocast(input)
        if by_tiles(input.dtype):
            return super().forward(input)
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
            of_taps = of_all_rows(met.t(), x.permute(0, 2, 3, 1).reshape(-1, inputs))
            of_taps = of_taps.to(weight.dtype).view(3, 3, outputs, inputs)
            of_weight = of_taps.flip(0, 1).permute(2, 3, 0, 1)
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
