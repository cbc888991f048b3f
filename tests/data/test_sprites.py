"""Sprites against the areas, symmetries and places that their formulas imply."""

import itertools
import math

import numpy as np
import pytest

from reverie.data.sprites import (
    COUNT,
    FACTORS,
    HALF_SIDE,
    REACH,
    SCALES,
    draw,
    grid_factors,
    sample,
)
from reverie.errors import DataError

SQUARE, ELLIPSE, HEART = 0, 1, 2


def area(*factors, size=64):
    return draw(np.array([factors]), size, binary=False).sum() / 255


def centroid(picture):
    rows, columns = np.nonzero(picture[0] > 127)
    return columns.mean() + 0.5, rows.mean() + 0.5


@pytest.mark.parametrize("scale", [0, 3, 5])
@pytest.mark.parametrize("rotation", [0, 5, 13])
def test_areas_are_those_of_the_formulas(scale, rotation):
    """Square 4 a^2, ellipse 1.3 * 0.75 pi a^2; a ramp of one pixel keeps the area to 2 %."""
    unit = HALF_SIDE * 64 * SCALES[scale]
    square, ellipse = 4 * unit**2, 1.3 * 0.75 * math.pi * unit**2
    assert area(SQUARE, scale, rotation, 16, 16) == pytest.approx(square, rel=0.02)
    assert area(ELLIPSE, scale, rotation, 16, 16) == pytest.approx(ellipse, rel=0.02)


def test_the_hearts_area_is_its_integral():
    """Points of the plane where (p^2 + q^2 - 1)^3 < p^2 q^3, counted on a fine grid, times 1.1^2."""
    p, q = np.meshgrid(np.linspace(-1.5, 1.5, 601), np.linspace(-1.5, 1.5, 601))
    unit = HALF_SIDE * 256
    expected = ((p**2 + q**2 - 1) ** 3 < p**2 * q**3).sum() * 2.5e-5 * (1.1 * unit) ** 2
    assert area(HEART, 5, 7, 9, 21, size=256) == pytest.approx(expected, rel=0.01)


def test_binary_pictures_hold_black_and_white_alone_and_agree_with_the_smooth_ones():
    factors = sample(200, 0)[1]
    binary, smooth = draw(factors), draw(factors, binary=False)
    assert set(np.unique(binary)) == {0, 255} and len(np.unique(smooth)) > 100
    assert ((smooth > 128) <= (binary == 255)).all() and ((smooth < 127) <= (binary == 0)).all()


def test_every_sprite_is_whole():
    """The largest, at the four corners and in all turns: moved inwards, no more pixels appear."""
    turns = np.arange(40)
    for shape in range(3):
        middle = np.stack([np.full(40, shape), np.full(40, 5), turns, *2 * [np.full(40, 16)]], 1)
        inside = draw(middle, binary=False).sum((1, 2, 3)) / 255
        for x, y in ((0, 0), (0, 31), (31, 0), (31, 31)):
            corner = middle.copy()
            corner[:, 3:] = x, y
            np.testing.assert_allclose(
                draw(corner, binary=False).sum((1, 2, 3)) / 255, inside, rtol=0.01
            )


@pytest.mark.parametrize("size", [16, 28, 33, 64])
def test_squares_lie_where_x_and_y_say(size):
    """x from left to right and y from top to bottom, from the reach of the largest to its mirror."""
    reach = REACH * HALF_SIDE * size
    for step, expected in ((0, reach), (31, size - reach)):
        right, down = draw(np.array([[SQUARE, 5, 0, step, 16], [SQUARE, 5, 0, 16, step]]), size)
        assert centroid(right)[0] == pytest.approx(expected, abs=0.51)
        assert centroid(down)[1] == pytest.approx(expected, abs=0.51)


def test_a_quarter_turn_is_counter_clockwise():
    """The heart's centroid lies above the centre of its bounding circle: up, left, down, right."""
    factors = np.array([[HEART, 5, 10 * k, 0, 0] for k in range(4)])
    centre = REACH * HALF_SIDE * 512
    places = [centroid(picture) for picture in draw(factors, 512)]
    found = [(column - centre, centre - row) for column, row in places]
    assert found[0][1] > 2 and found[0][0] == pytest.approx(0, abs=0.1)
    for (x, y), turned in itertools.pairwise(found):
        assert turned == pytest.approx((-y, x), abs=0.1)


def test_a_heart_stands_upright_unturned():
    """Symmetric about its axis, the two lobes above and the tip below."""
    picture = draw(np.array([[HEART, 5, 0, 16, 16]]), 255)[0, 0]
    rows = np.flatnonzero(picture.any(1))
    top, bottom = picture[rows[1]], picture[rows[-2]]
    gaps = [np.diff(np.flatnonzero(line)).max(initial=0) for line in (top, bottom)]
    assert gaps[0] > 10 and gaps[1] <= 1
    columns = np.flatnonzero(picture.any(0))
    cut = picture[:, columns[0] : columns[-1] + 1]
    assert (cut != cut[:, ::-1]).mean() < 0.02


def test_symmetries_are_those_of_the_shapes():
    """A square repeats after 10 of 40 turns and an ellipse after 20; a heart never does."""

    def turned(shape):
        return draw(np.array([[shape, 5, k, 16, 16] for k in range(40)]), 64, binary=False)

    def distinct(pictures):
        return sum(
            all(abs(p.astype(int) - q.astype(int)).max() > 8 for q in pictures[:k])
            for k, p in enumerate(pictures)
        )

    assert [distinct(turned(shape)) for shape in range(3)] == [10, 20, 40]


@pytest.mark.parametrize("factor", [1, 3, 4])
def test_every_step_of_scale_and_place_changes_the_picture(factor):
    """Binary pictures of 64 pixels, where the smallest step is 1.1 pixels."""
    sizes = list(FACTORS.values())
    for shape in range(3):
        factors = np.tile([shape, 0, 3, 7, 7], (sizes[factor], 1))
        factors[:, factor] = np.arange(sizes[factor])
        assert len(np.unique(draw(factors), axis=0)) == sizes[factor]


def test_pictures_do_not_depend_on_who_is_drawn_beside_them():
    factors = sample(50, 3)[1]
    together = draw(factors, 32, chunk=7)
    np.testing.assert_array_equal(together, [draw(one[None], 32)[0] for one in factors])
    assert together.shape == (50, 1, 32, 32) and together.dtype == np.uint8


def test_no_factors_give_no_pictures():
    assert draw(np.zeros((0, 5), int)).shape == (0, 1, 64, 64)


def test_the_grid_is_a_bijection():
    """Places are numbers whose digits are the factors: y counts 1, x 32, a rotation 32 * 32, ..."""
    assert COUNT == 3 * 6 * 40 * 32 * 32 == 737_280
    index = np.arange(COUNT)
    factors = grid_factors(index)
    digits = [6 * 40 * 32 * 32, 40 * 32 * 32, 32 * 32, 32, 1]
    np.testing.assert_array_equal(factors @ digits, index)
    np.testing.assert_array_equal(factors.max(0) + 1, list(FACTORS.values()))
    np.testing.assert_array_equal(
        factors[[0, 1, 32, -1]][:, 3:], [[0, 0], [0, 1], [1, 0], [31, 31]]
    )


def test_samples_are_uniform_and_a_function_of_the_seed():
    """Counts of 40 values in 20,000 draws have mean 500 and sd 22: within five of those."""
    factors = sample(20_000, 0, 16)[1]
    for column, count in zip(factors.T, FACTORS.values(), strict=True):
        counts = np.bincount(column, minlength=count)
        share = 1 / count
        assert abs(counts - 20_000 * share).max() < 5 * math.sqrt(20_000 * share * (1 - share))
    assert (sample(20, 1)[0] == sample(20, 1)[0]).all()
    assert (sample(20, 1)[1] != sample(20, 2)[1]).any()


@pytest.mark.parametrize("fixed", range(5))
def test_a_fixed_factor_is_the_only_one_that_all_samples_share(fixed):
    factors = sample(100, 5, 16, fixed)[1]
    assert [len(np.unique(column)) == 1 for column in factors.T] == [k == fixed for k in range(5)]


def test_a_fixed_factors_value_is_drawn_too():
    assert len({sample(1, seed, 16, fixed=2)[1][0, 2] for seed in range(20)}) > 10


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([[3, 0, 0, 0, 0]], r"shape goes from 0 to 2; found 3 to 3"),
        ([[0, 0, 0, -1, 0]], r"x goes from 0 to 31; found -1 to -1"),
        ([[0, 0, 0]], r"whole numbers of shape \(N, 5\): shape, scale, .* \(1, 3\)"),
        ([[0.0, 0, 0, 0, 0]], r"whole numbers of shape .* found float64"),
    ],
)
def test_factors_off_the_grid_are_refused(factors, message):
    with pytest.raises(DataError, match=message):
        draw(np.array(factors))


def test_places_off_the_grid_and_tiny_pictures_are_refused():
    with pytest.raises(DataError, match="the grid has places 0 to 737279; found 0 to 737280"):
        grid_factors(np.array([0, COUNT]))
    with pytest.raises(DataError, match=r"at least 16 pixels.*found 15"):
        draw(np.zeros((1, 5), int), 15)
    with pytest.raises(DataError, match=r"a fixed factor is one of the columns 0 to 4; found 5"):
        sample(1, 0, fixed=5)
