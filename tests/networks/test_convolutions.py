"""Convolutions in the forms that are fast are those of PyTorch: values, gradients and their gradients."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from reverie.networks import convolutions
from reverie.networks.convolutions import FEW, LANES, Narrow, Strided
from reverie.networks.parts import Down, NearestUp, SmallDown, Up


@pytest.fixture(params=[False, True], ids=["ours", "tiles"])
def tiles(request, monkeypatch):
    """Whether oneDNN multiplies bf16 in tiles, whatever the processor."""
    flags = frozenset({"amx_bf16"} if request.param else ())
    monkeypatch.setattr(convolutions, "cpu_flags", lambda: flags)
    return request.param


def assert_same_function(up, plain, before, within):
    """Values to `within` and every gradient to rounding, in float64, of `(2, 4, 3, 5)` made `before`."""
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    given, expected = (x, *up.parameters()), plain(x)
    weights = torch.randn_like(expected)
    torch.testing.assert_close(up(x), expected, rtol=0, atol=within)
    gradients = torch.autograd.grad((up(x) * weights).sum(), given)
    torch.testing.assert_close(
        gradients, torch.autograd.grad((expected * weights).sum(), given), rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "before",
    [(3, 5), (6, 10), (5, 9), (6, 5), (3, 10)],
    ids=["kept", "doubled", "odd", "mixed", "strip"],
)
def test_repeating_pixels_and_convolving_in_one_step_is_both_in_turn(before, bias):
    torch.manual_seed(0)
    up = NearestUp(4, 3, (3, 5), before, bias).double()
    assert_same_function(
        up, lambda x: up.conv(nn.functional.interpolate(x, before)), before, within=1e-14
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("outputs", [3, LANES + 1], ids=["few", "many"])
@pytest.mark.parametrize("before", [(6, 10), (5, 9), (3, 10)], ids=["doubled", "odd", "strip"])
def test_a_transposed_convolution_is_that_of_pytorch(before, outputs, bias):
    torch.manual_seed(0)
    up = Up(4, outputs, (3, 5), before, bias).double()
    cropped = (..., slice(before[0]), slice(before[1]))
    assert_same_function(up, lambda x: up.conv(x)[cropped], before, within=1e-14)


def derived(layer, plain, size, outputs):
    """Of both: values, gradients and the gradients of those, as penalties take them, in float64."""
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, *outputs, dtype=torch.float64, requires_grad=True)
    parameters = tuple(layer.parameters())
    for made in (layer(x), plain(x)):
        first = torch.autograd.grad((made * weights).sum(), (x, *parameters), create_graph=True)
        squares = sum((each.square().sum() for each in first), torch.zeros(()).double())
        yield made, first, torch.autograd.grad(squares, (x, parameters[0], weights))


@pytest.mark.parametrize("layer", [Down, SmallDown])
@pytest.mark.parametrize("size", [(8, 12), (7, 5), (6, 9)], ids=str)
def test_a_kernels_gradient_by_windows_is_that_of_pytorch(layer, size, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(convolutions, "by_windows", lambda *_: True)
    half = tuple(math.ceil(n / 2) for n in size)
    down = layer(3, 4, size, half).double()
    *_, conv = down.modules()
    odd = (0, size[1] % 2, 0, size[0] % 2) if layer is Down else (0, 0, 0, 0)
    plain = partial(nn.functional.conv2d, weight=conv.weight, bias=conv.bias, stride=2, padding=1)
    ours, theirs = derived(down, lambda x: plain(nn.functional.pad(x, odd)), size, (4, *half))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("outputs", [3, LANES + 1], ids=["few", "many"])
@pytest.mark.parametrize("windows", [True, False])
def test_a_transposed_convolutions_gradients_have_those_of_pytorch(windows, outputs, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(convolutions, "by_windows", lambda *_: windows)
    up = Up(3, outputs, (3, 5), (6, 10)).double()
    ours, theirs = derived(up, up.conv, (3, 5), (outputs, 6, 10))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("needed", range(3))
def test_of_a_layer_by_windows_each_gradient_may_be_asked_for_alone(needed, monkeypatch):
    monkeypatch.setattr(convolutions, "by_windows", lambda *_: True)
    for layer in (Strided(3, 4, 4, 2, padding=1), Up(3, 4, (4, 4), (8, 8))):
        layer.requires_grad_(False)
        given = (torch.randn(2, 3, 4, 4), *layer.parameters())
        given[needed].requires_grad_()
        layer(given[0]).sum().backward()
        assert [each.grad is not None for each in given] == [n == needed for n in range(3)]


def test_what_several_threads_do_by_windows_is_in_autocasts_precision_its_gradients_in_float32(
    monkeypatch, tiles
):
    torch.manual_seed(0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    conv = Strided(LANES, 8, 3, 2, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(4, LANES, 7, 7).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        assert convolutions.by_windows(convolutions.autocast(x), 3) == (not tiles)
        made = conv(x)
    used = "ConvolutionBackward0" if tiles else "StrideTwoBackward"
    assert made.dtype == torch.bfloat16 and type(made.grad_fn).__name__ == used
    expected = nn.functional.conv2d(x, conv.weight, conv.bias, 2, 1)
    given = (x, *conv.parameters())
    ours, theirs = (torch.autograd.grad(y.float().sum(), given) for y in (made, expected))
    assert all(each.dtype == torch.float32 for each in ours)
    torch.testing.assert_close(made.float(), expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.2)


def test_repeated_pixels_stay_in_the_precision_and_the_layout_of_autocast():
    up = NearestUp(4, 3, (2, 2), (4, 4)).to(memory_format=torch.channels_last)
    x = torch.randn(2, 4, 2, 2).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        made = up(x)
    assert made.dtype == torch.bfloat16
    assert made.relu().is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(made.float(), up(x), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("layer", [Up, NearestUp])
@pytest.mark.usefixtures("tiles")
def test_the_gradient_of_a_bias_in_bf16_is_rounded_once(layer):
    """Half a thousand values: summed in bf16, which holds 8 bits, they would stall at 256."""
    torch.manual_seed(0)
    up = layer(4, 3, (4, 4), (8, 8)).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        made = up(torch.randn(8, 4, 4, 4).to(memory_format=torch.channels_last))
    gradient = (1 + torch.rand(made.shape)).bfloat16()
    made.backward(gradient)
    assert up.conv.bias.grad.dtype == torch.float32
    exact = gradient.double().sum((0, 2, 3)).float()
    assert exact.min() > 2 * 256
    torch.testing.assert_close(up.conv.bias.grad, exact, rtol=2**-8, atol=0)


@pytest.mark.parametrize("outputs", range(1, FEW + 2))
@pytest.mark.parametrize("size", [(8, 12), (7, 7), (5, 9), (1, 20), (2, 3), (1, 1)], ids=str)
def test_few_channels_in_blocks_of_pixels_are_pytorchs_convolution(size, outputs):
    torch.manual_seed(0)
    conv = Narrow(3, outputs).double()
    ours, theirs = derived(
        conv,
        lambda x: nn.functional.conv2d(x, conv.weight, conv.bias, padding=1),
        size,
        (outputs, *size),
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_a_product_in_parts_is_the_product_in_float32_or_finer(threads, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    a, b = torch.randn(20, 3).bfloat16(), torch.randn(20, 5).bfloat16()
    expected = a.double().t() @ b.double()
    made = convolutions.of_all_rows(a.double(), b.double())
    torch.testing.assert_close(made, expected, rtol=1e-14, atol=1e-14)
    made = convolutions.of_all_rows(a, b)
    torch.testing.assert_close(made, expected.float(), rtol=0.01, atol=0.03)


def test_few_channels_that_need_no_gradient_of_their_input_give_none():
    conv, x = Narrow(3, 1), torch.randn(2, 3, 4, 4)
    conv(x).sum().backward()
    assert x.grad is None and conv.weight.grad is not None
    conv.requires_grad_(False)
    assert not conv(x).requires_grad
    conv(x.requires_grad_()).sum().backward()
    expected = torch.autograd.grad(nn.functional.conv2d(x, conv.weight, padding=1).sum(), x)[0]
    torch.testing.assert_close(x.grad, expected)


def test_few_channels_are_in_the_precision_of_autocast_and_their_gradients_in_float32(tiles):
    torch.manual_seed(0)
    conv = Narrow(16, 1)
    x = torch.randn(4, 16, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        made = conv(x)
        plain = nn.functional.conv2d(x, conv.weight, conv.bias, padding=1)
    assert made.dtype == torch.bfloat16
    assert type(made.grad_fn).__name__ == ("ConvolutionBackward0" if tiles else "InBlocksBackward")
    given = (x, *conv.parameters())
    ours, theirs = (torch.autograd.grad(y.float().square().sum(), given) for y in (made, plain))
    assert all(each.dtype == torch.float32 for each in ours)
    torch.testing.assert_close(made, plain, rtol=0.01, atol=0.01)
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.1)


def test_a_model_first_used_without_gradients_is_trained_afterwards():
    """What the kernels are made with is kept: tensors of inference mode could not be trained with."""
    layers = nn.Sequential(NearestUp(4, 3, (2, 2), (4, 4)), Narrow(3, 1))
    for kept in (convolutions._meetings, convolutions._places):
        kept.cache_clear()
    with torch.inference_mode():
        layers(torch.zeros(1, 4, 2, 2))
    layers(torch.zeros(1, 4, 2, 2)).sum().backward()
    assert all(p.grad is not None for p in layers.parameters())
