"""Networks know shapes: any channels, height and width come in and the same come out."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reverie import recipes
from reverie.errors import ConfigError
from reverie.networks import MLP, Conv
from reverie.networks.parts import (
    Flatten,
    NearestUp,
    Unflatten,
    activation,
    halvings,
    initialise_normal,
)
from reverie.spec import Pixels

NETWORKS = {
    "mlp": MLP(widths=(8, 6)),
    "linear": MLP(widths=()),
    "conv": Conv(widths=(4, 6)),
    "conv-dense-batch": Conv(widths=(4, 6, 8), dense=5, norm="batch", init="normal"),
    "conv-one": Conv(widths=(4,)),
    "conv-nearest": Conv(widths=(4, 6), up="nearest"),
    "conv-stem": Conv(widths=(4, 6), stem=3, up="nearest"),
    "conv-stem-batch": Conv(widths=(4, 6), stem=3, up="nearest", norm="batch"),
}
SHAPES = [
    (1, 28, 28),
    (3, 32, 32),
    (2, 17, 9),
    (4, 5, 7),
    (1, 1, 1),
    (1, 1, 20),
    (3, 20, 1),
    (2, 2, 3),
    (1, 64, 3),
]


def linears(network):
    return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_picture_is_encoded_and_decoded_to_its_own_shape(name, shape):
    network = NETWORKS[name]
    encoder, decoder = network.encoder(shape, 7), network.decoder(3, shape, 2)
    assert encoder(torch.randn(2, *shape)).shape == (2, 7)
    assert decoder(torch.randn(2, 3)).shape == (2, 2, *shape)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["conv", "conv-one", "conv-nearest", "conv-stem"]),
)
def test_pictures_of_any_size_keep_it(channels, height, width, name):
    shape = (channels, height, width)
    network = NETWORKS[name]
    assert network.encoder(shape, 3)(torch.zeros(1, *shape)).shape == (1, 3)
    assert network.decoder(3, shape)(torch.zeros(1, 3)).shape == (1, 1, *shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["conv", "conv-one", "conv-nearest"])
def test_every_input_reaches_the_code_and_every_output_hears_it(name, shape):
    """No row at an odd edge is dropped: each pixel has a slope, and each output pixel is moved."""
    torch.manual_seed(0)
    network = NETWORKS[name].with_(activation="tanh")
    encoder, decoder = network.encoder(shape, 4), network.decoder(4, shape)
    x = torch.randn(1, *shape, requires_grad=True)
    (slope,) = torch.autograd.grad(encoder(x).square().sum(), x)
    assert (slope != 0).all()
    one, two = decoder(torch.randn(1, 4)), decoder(torch.randn(1, 4))
    assert (one != two).all()


@pytest.mark.parametrize("name", ["conv", "conv-dense-batch"])
def test_convolutions_refuse_samples_that_are_no_pictures(name):
    network = NETWORKS[name]
    for build in (lambda: network.encoder((5,), 2), lambda: network.decoder(2, (5,))):
        with pytest.raises(
            ConfigError, match=r"needs samples of shape \(C, H, W\).*write network=mlp"
        ):
            build()


@pytest.mark.parametrize(
    ("size", "stages", "expected"),
    [
        ((28, 28), 2, [(28, 28), (14, 14), (7, 7)]),
        ((32, 32), 3, [(32, 32), (16, 16), (8, 8), (4, 4)]),
        ((1, 20), 2, [(1, 20), (1, 10), (1, 5)]),
        ((17, 9), 2, [(17, 9), (9, 5), (5, 3)]),
        ((3, 4), 2, [(3, 4), (3, 2), (3, 2)]),
        ((1, 1), 1, [(1, 1), (1, 1)]),
    ],
)
def test_sides_are_halved_rounding_up_while_they_are_long_enough(size, stages, expected):
    assert halvings(size, stages) == expected


# ---- sizes by hand


def test_the_mlp_is_784_256_64_256_784():
    network = MLP(widths=(256,))
    assert linears(network.encoder((1, 28, 28), 64)) == [(784, 256), (256, 64)]
    assert linears(network.decoder(64, (1, 28, 28))) == [(64, 256), (256, 784)]


def test_the_decoder_mirrors_the_encoder():
    network = MLP(widths=(9, 5))
    assert linears(network.encoder((4,), 2)) == [(4, 9), (9, 5), (5, 2)]
    assert linears(network.decoder(2, (4,), 3)) == [(2, 5), (5, 9), (9, 12)]


def test_the_mlps_layers_alternate_and_end_linear():
    kinds = [type(m).__name__ for m in MLP(widths=(9, 5)).encoder((4,), 2)]
    assert kinds == ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]


def affine(a, b):
    """Weights and biases of a fully connected layer."""
    return a * b + b


TUTORIALS = {
    # 784-256-64-256-784.
    "ae": affine(784, 256) + affine(256, 64) + affine(64, 256) + affine(256, 784),
    # 784-256-128 to mean and log variance of 20, then 20-128-256-784.
    "vae": affine(784, 256)
    + affine(256, 128)
    + affine(128, 40)
    + affine(20, 128)
    + affine(128, 256)
    + affine(256, 784),
    # Noise 100-256-512-1024-784 against 784-512-256-1.
    "gan": affine(100, 256)
    + affine(256, 512)
    + affine(512, 1024)
    + affine(1024, 784)
    + affine(784, 512)
    + affine(512, 256)
    + affine(256, 1),
}


@pytest.mark.parametrize("recipe", TUTORIALS)
def test_the_tutorial_trio_has_the_parameters_that_the_tutorials_have(recipe):
    """435,536 and the like, counted layer by layer from the widths that each docstring names."""
    spec = Pixels(shape=(1, 28, 28))
    model = recipes.find(recipe)(spec)[0].build(spec)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == TUTORIALS[recipe]


def test_the_convolution_has_the_parameters_of_its_kernels():
    """1 -> 32 -> 64 channels by 4 x 4 kernels to 7 x 7, then 3136 -> 256 -> 5."""
    network = Conv(widths=(32, 64), dense=256)
    expected = (32 * 16 + 32) + (64 * 32 * 16 + 64) + affine(64 * 49, 256) + affine(256, 5)
    assert count(network.encoder((1, 28, 28), 5)) == expected


def test_the_stem_keeps_the_picture_and_the_stages_halve_it_by_3_x_3():
    """1 -> 16 at 28 x 28, -> 32 at 14, -> 64 at 7, each by 3 x 3 kernels, then 3136 -> 5 and back."""
    network = Conv(widths=(32, 64), stem=16, up="nearest")
    kernels = 9 * (16 + 16 * 32 + 32 * 64)
    expected = kernels + 16 + 32 + 64 + affine(64 * 49, 5)
    assert count(network.encoder((1, 28, 28), 5)) == expected
    mirrored = kernels + 32 + 16 + 1 + affine(5, 64 * 49)
    assert count(network.decoder(5, (1, 28, 28))) == mirrored


def test_flattening_is_undone_and_costs_no_copy_where_channels_lie_together():
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    flat = Flatten()(x)
    assert flat.shape == (2, 60) and flat.data_ptr() == x.data_ptr()
    back = Unflatten(3, (4, 5))(flat)
    assert torch.equal(back, x) and back.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(Flatten()(x.contiguous()), flat)


def test_repeated_pixels_under_a_kernel_that_copies_are_the_picture_twice_as_large():
    up = NearestUp(1, 1, (2, 2), (3, 4))
    with torch.no_grad():
        up.conv.weight.zero_()[0, 0, 1, 1] = 1
        up.conv.bias.zero_()
    made = up(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert made[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]]


# ---- initialisation


def test_dcgan_weights_are_normal_of_0_02():
    """Radford et al. (2016), section 4: 8192 weights' mean and spread within four standard errors."""
    torch.manual_seed(0)
    layer = nn.Conv2d(32, 16, 4)
    initialise_normal(layer)
    n = layer.weight.numel()
    assert abs(layer.weight.mean().item()) < 4 * 0.02 / math.sqrt(n)
    assert abs(layer.weight.std().item() / 0.02 - 1) < 4 / math.sqrt(2 * n)
    assert not layer.bias.any()
    norm = nn.BatchNorm2d(4096)
    initialise_normal(norm)
    assert abs(norm.weight.mean().item() - 1) < 4 * 0.02 / 64 and not norm.bias.any()
    assert 0.019 < norm.weight.std().item() < 0.021


def test_batch_norm_stands_after_every_hidden_layer_but_the_one_at_the_data():
    """DCGAN: not on the critic's input layer, nor on the generator's output layer."""
    network = Conv(widths=(4, 6, 8), norm="batch")
    encoder = [
        m.num_features
        for m in network.encoder((1, 32, 32), 1).modules()
        if isinstance(m, nn.BatchNorm2d)
    ]
    decoder = [
        m.num_features
        for m in network.decoder(2, (1, 32, 32)).modules()
        if isinstance(m, nn.BatchNorm2d)
    ]
    assert encoder == [6, 8] and decoder == [8, 6, 4]


@pytest.mark.parametrize(
    ("name", "at_minus_one"),
    [
        ("relu", 0.0),
        ("leaky_relu", -0.2),
        ("silu", -1 / (1 + math.e)),
        ("gelu", -0.5 * (1 - math.erf(1 / math.sqrt(2)))),
        ("tanh", math.tanh(-1)),
    ],
)
def test_activations_are_what_their_names_say(name, at_minus_one):
    assert activation(name)(torch.tensor(-1.0)).item() == pytest.approx(at_minus_one)
