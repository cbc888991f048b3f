"""The random network against convolutions done by SciPy, and what it must see and must not mind."""

import numpy as np
import pytest
import scipy.signal
import torch

from reverie.features import open_extractor
from reverie.features.random_conv import DIMENSION, WIDTHS
from reverie.metrics.frechet import frechet_distance, moments

SIZES = [(4, 4), (4, 5), (5, 4), (7, 31), (28, 28), (33, 64)]


@pytest.fixture(scope="module")
def random_conv():
    return open_extractor("random-conv-v1")


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_any_picture_of_four_pixels_and_more_gives_256_features(random_conv, channels, size):
    found = random_conv(drawn(3, channels, *size))
    assert found.shape == (3, DIMENSION) == (3, 256) and found.isfinite().all()
    assert len(found.unique(dim=0)) == 3


def test_the_first_scale_is_scipys_convolution(random_conv):
    """Means over the four quarters of max(0, sum_c w_c * (x_c - 1/2) + b), the border padded by 0."""
    x = drawn(2, 3, 6, 8)
    layer = random_conv.network.convolutions[0]
    expected = np.zeros((2, WIDTHS[0], 2, 2))
    for n in range(2):
        for out in range(WIDTHS[0]):
            total = np.full((6, 8), float(layer.bias[out]))
            for channel in range(3):
                plane = x[n, channel].double().numpy() / 255 - 0.5
                kernel = layer.weight[out, channel].double().numpy()
                total += scipy.signal.correlate2d(plane, kernel, mode="same")
            quarters = np.maximum(total, 0).reshape(2, 3, 2, 4).mean((1, 3))
            expected[n, out] = quarters
    found = random_conv(x)[:, : 4 * WIDTHS[0]]
    np.testing.assert_allclose(found.numpy(), expected.reshape(2, -1), atol=1e-6)


def test_its_kernels_are_orthogonal_with_the_gain_of_relu(random_conv):
    """W W' = 2 I, or W' W = 2 I where there are more kernels than entries."""
    for layer in random_conv.network.convolutions:
        w = layer.weight.double().flatten(1)
        w = w if len(w) <= w.shape[1] else w.T
        torch.testing.assert_close(w @ w.T, 2 * torch.eye(len(w)).double(), atol=1e-5, rtol=0)


def test_grey_is_the_same_grey_in_three_channels(random_conv):
    x = drawn(4, 1, 11, 9)
    torch.testing.assert_close(random_conv(x), random_conv(x.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("channels", [2, 3, 4, 7])
def test_channels_are_told_apart(random_conv, channels):
    """To exchange any two changes the features."""
    x = drawn(1, channels, 8, 8)
    before = random_conv(x)
    for a in range(channels):
        for b in range(a):
            order = list(range(channels))
            order[a], order[b] = b, a
            assert not torch.allclose(random_conv(x[:, order]), before, atol=1e-4)


@pytest.mark.parametrize("change", ["noise", "blur", "shift", "one kind missing"])
def test_its_distance_sees_what_is_wrong_with_pictures(random_conv, change):
    """Bars on grey, some upright and some level: what is changed lies farther off than other bars."""

    def bars(seed, upright=0.5):
        generator = torch.Generator().manual_seed(seed)
        x = 0.3 + 0.05 * torch.rand(600, 1, 12, 12, generator=generator)
        x[:, :, 3:5, 2:10] = 0.9
        stood = torch.rand(600, generator=generator) < upright
        x[stood] = x[stood].transpose(-1, -2)
        return x

    real, other = bars(0), bars(1)
    if change == "noise":
        changed = other + 0.1 * torch.randn(
            other.shape, generator=torch.Generator().manual_seed(2)
        )
    elif change == "blur":
        changed = torch.nn.functional.avg_pool2d(other, 3, 1, 1)
    elif change == "shift":
        changed = other.roll(2, -1)
    else:
        changed = bars(1, upright=0)
    at = {
        k: moments(random_conv(v.clamp(0, 1)))
        for k, v in [("r", real), ("o", other), ("c", changed)]
    }
    assert frechet_distance(at["r"], at["c"]) > 20 * frechet_distance(at["r"], at["o"])
