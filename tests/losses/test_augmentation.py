"""What each transformation does to a picture whose answer is known."""

import pytest
import torch

from reverie.config import from_tree
from reverie.errors import ConfigError
from reverie.losses.augmentation import DiffAugment, shifted
from reverie.models import GANConfig
from reverie.spec import Vector
from reverie.tensors import Noise, noise_of

STILL = DiffAugment(color=False, translation=0, cutout=0)


class Draws(Noise):
    """Gives the same numbers to every sample."""

    def __init__(self, *values):
        self.values = torch.tensor(values)

    def uniform(self, count, *shape):
        assert shape == self.values.shape
        return self.values.expand(count, *shape)


def pictures(count=2, channels=3, side=8):
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def test_a_shift_moves_zeros_in():
    """Rows (1, 2, 3) moved down by one are (0, 1, 2), and up by two (3, 0, 0)."""
    x = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 3, 1).repeat(2, 1, 1, 2)
    moved = shifted(x, 2, torch.tensor([1, -2]).view(2, 1, 1, 1))
    assert moved[0, 0, :, 0].tolist() == [0, 1, 2] and moved[1, 0, :, 1].tolist() == [3, 0, 0]


def test_without_any_part_nothing_changes():
    x = pictures()
    torch.testing.assert_close(STILL(x, noise_of(0)), x)


def test_the_middle_of_every_draw_leaves_the_colours():
    """Brightness + 0, saturation x 1, contrast x 1."""
    x = pictures()
    made = DiffAugment(translation=0, cutout=0)(x, Draws(0.5, 0.5, 0.5, 0, 0, 0, 0))
    torch.testing.assert_close(made, x)


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        ((1.0, 0.5, 0.5), lambda x: x + 0.5),
        ((0.5, 0.0, 0.5), lambda x: x.mean(1, keepdim=True).expand_as(x)),
        ((0.5, 0.5, 0.0), lambda x: (x + x.mean((1, 2, 3), keepdim=True)) / 2),
    ],
    ids=["brightness", "saturation", "contrast"],
)
def test_each_colour_draw_has_its_formula(draws, expected):
    """At its end: 0.5 brighter, without colour, with half the contrast."""
    x = pictures()
    made = DiffAugment(translation=0, cutout=0)(x, Draws(*draws, 0, 0, 0, 0))
    torch.testing.assert_close(made, expected(x))


@pytest.mark.parametrize(("draw", "by"), [(0.0, -1), (0.5, 0), (0.999, 1)])
def test_a_translation_reaches_an_eighth_of_the_side_both_ways(draw, by):
    """Of 8 rows: one up, none, one down."""
    x = pictures()
    moved = DiffAugment(color=False, cutout=0)(x, Draws(0, 0, 0, draw, 0.5, 0, 0))
    torch.testing.assert_close(moved, shifted(x, 2, torch.tensor(by).view(1, 1, 1, 1)))


def test_a_cutout_in_the_middle_is_half_as_high_and_wide():
    """A draw of 0.5 of 8 + 1 places is row 4, less 2: rows and columns 2 to 5."""
    made = DiffAugment(color=False, translation=0)(torch.ones(1, 1, 8, 8), Draws(*[0.5] * 7))
    expected = torch.ones(8, 8)
    expected[2:6, 2:6] = 0
    assert torch.equal(made[0, 0], expected)


def test_a_cutout_at_the_border_is_cut_off_by_it():
    made = DiffAugment(color=False, translation=0)(torch.ones(1, 1, 8, 8), Draws(*[0.0] * 7))
    expected = torch.ones(8, 8)
    expected[:2, :2] = 0
    assert torch.equal(made[0, 0], expected)


def test_each_sample_is_transformed_in_its_own_way():
    x = pictures(1).repeat(2, 1, 1, 1)
    one, two = DiffAugment()(x, noise_of(0))
    assert not torch.allclose(one, two)


def test_gradients_pass_and_their_slope_too():
    """Penalties differentiate twice; cut out pixels have no slope, so some entries are 0."""
    x = pictures().double().requires_grad_()
    made = DiffAugment()(x, noise_of(0))
    (slope,) = torch.autograd.grad(made.square().sum(), x, create_graph=True)
    assert (slope != 0).any()
    slope.square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all() and (x.grad != 0).any()


def test_half_precision_is_widened():
    assert DiffAugment()(pictures().bfloat16(), noise_of(0)).dtype == torch.float32


def test_a_vector_is_refused_with_what_to_write():
    config = from_tree(GANConfig, {"augmentation": {"kind": "diff_augment"}})
    with pytest.raises(ConfigError, match=r"is a vector; write model.augmentation=none"):
        config.build(Vector(size=2))
