"""Convolutions in the forms that are fast are those of PyTorch: values, gradients and their gradients."""

import pytest
import torch
from torch import nn

from reverie.networks import convolutions
from reverie.networks.convolutions import FEW, Narrow
from reverie.networks.parts import NearestUp, Up


def assert_same_function(up, plain, before, within):
    """Values to `within` and every gradient to rounding, in float64, of `(2, 4, 3, 5)` made `before`."""
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, *before, dtype=torch.float64)
    given, expected = (x, *up.parameters()), plain(x)
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
@pytest.mark.parametrize("before", [(6, 10), (5, 9), (3, 10)], ids=["doubled", "odd", "strip"])
def test_the_gradients_of_a_transposed_convolution_are_those_of_pytorch(before, bias):
    torch.manual_seed(0)
    up = Up(4, 3, (3, 5), before, bias).double()
    assert_same_function(up, lambda x: up.conv(x)[..., : before[0], : before[1]], before, within=0)


def test_repeated_pixels_stay_in_the_precision_and_the_layout_of_autocast():
    up = NearestUp(4, 3, (2, 2), (4, 4)).to(memory_format=torch.channels_last)
    x = torch.randn(2, 4, 2, 2).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        made = up(x)
    assert made.dtype == torch.bfloat16 and made.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(made.float(), up(x), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("layer", [Up, NearestUp])
def test_the_bias_of_a_layer_in_bf16_has_its_gradient_summed_in_float32(layer):
    """Half a thousand values of bf16: summed in their own precision three digits would be left."""
    torch.manual_seed(0)
    up = layer(4, 3, (4, 4), (8, 8)).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        made = up(torch.randn(8, 4, 4, 4).to(memory_format=torch.channels_last))
    gradient = (1 + torch.rand(made.shape)).bfloat16()
    made.backward(gradient)
    assert up.conv.bias.grad.dtype == torch.float32
    torch.testing.assert_close(
        up.conv.bias.grad, gradient.double().sum((0, 2, 3)).float(), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("outputs", range(1, FEW + 2))
@pytest.mark.parametrize("size", [(8, 12), (7, 7), (5, 9), (1, 20), (2, 3), (1, 1)], ids=str)
def test_few_channels_in_blocks_of_pixels_are_pytorchs_convolution(size, outputs):
    """Values, gradients and the gradients of those, as penalties of critics take them, in float64."""
    torch.manual_seed(0)
    conv = Narrow(3, outputs).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, outputs, *size, dtype=torch.float64, requires_grad=True)

    def derived(made):
        first = torch.autograd.grad(
            (made * weights).sum(), (x, *conv.parameters()), create_graph=True
        )
        squares = sum((each.square().sum() for each in first), torch.zeros(()).double())
        return made, first, torch.autograd.grad(squares, (x, conv.weight, weights))

    expected = derived(nn.functional.conv2d(x, conv.weight, conv.bias, padding=1))
    torch.testing.assert_close(derived(conv(x)), expected, rtol=1e-12, atol=1e-12)


def test_few_channels_that_need_no_gradient_of_their_input_give_none():
    conv, x = Narrow(3, 1), torch.randn(2, 3, 4, 4)
    conv(x).sum().backward()
    assert x.grad is None and conv.weight.grad is not None
    conv.requires_grad_(False)
    assert not conv(x).requires_grad
    conv(x.requires_grad_()).sum().backward()
    expected = torch.autograd.grad(nn.functional.conv2d(x, conv.weight, padding=1).sum(), x)[0]
    torch.testing.assert_close(x.grad, expected)


def test_few_channels_are_in_the_precision_of_autocast_and_their_gradients_in_float32():
    torch.manual_seed(0)
    conv = Narrow(16, 1)
    x = torch.randn(4, 16, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        made = conv(x)
        plain = nn.functional.conv2d(x, conv.weight, conv.bias, padding=1)
    assert made.dtype == torch.bfloat16
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
