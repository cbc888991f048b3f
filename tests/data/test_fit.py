"""Cutting, padding and stretching, on pictures whose outcome is plain."""

import numpy as np
import pytest
from PIL import Image

from reverie.data import DataConfig
from reverie.data.fit import crop_box, fit_image, pad_size


def fitted(x, **options):
    return np.asarray(fit_image(Image.fromarray(x), DataConfig(**options)))


STRIPES = np.repeat(np.array([[50, 100, 150, 200]], np.uint8), 2, 0)  # 2 rows, 4 columns


def test_crop_keeps_the_centre():
    np.testing.assert_array_equal(fitted(STRIPES, size=2, fit="crop"), STRIPES[:, 1:3])


def test_pad_puts_black_beside_the_whole():
    expected = np.zeros((4, 4), np.uint8)
    expected[1:3] = STRIPES
    np.testing.assert_array_equal(fitted(STRIPES, size=4, fit="pad"), expected)


def test_stretch_distorts():
    wide = fitted(np.full((2, 4), 9, np.uint8), size=(7, 3), fit="stretch")
    np.testing.assert_array_equal(wide, np.full((7, 3), 9))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_no_size_and_the_same_size_change_nothing(fit):
    np.testing.assert_array_equal(fitted(STRIPES, fit=fit), STRIPES)
    np.testing.assert_array_equal(fitted(STRIPES, size=(2, 4), fit=fit), STRIPES)


def test_size_is_height_then_width():
    assert fitted(STRIPES, size=(3, 5)).shape == (3, 5)


def test_boxes_by_hand():
    assert crop_box((400, 100), (10, 10)) == (150, 0, 250, 100)
    assert crop_box((100, 400), (20, 10)) == (0, 175, 100, 225)
    assert pad_size((400, 100), (20, 20)) == (20, 5)
    assert pad_size((20_000, 1), (64, 64)) == (64, 1)
