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


@pytest.mark.parametrize(
    "source",
    [(640, 480), (178, 218), (4032, 3024), (250, 250), (1000, 1500), (29, 58), (3, 20_000)],
)
def test_every_part_that_is_cut_lies_inside_the_picture_and_has_the_aspect_asked_for(source):
    """Pillow refuses a box that leaves the picture by as little as a rounding."""
    for target in [(n, n) for n in range(1, 257)] + [(n, 257 - n) for n in range(1, 257)]:
        left, top, right, bottom = crop_box(source, target)
        assert 0 <= left < right <= source[0] and 0 <= top < bottom <= source[1], target
        assert (right - left) / (bottom - top) == pytest.approx(target[0] / target[1], rel=1e-9)
        assert (right - left, bottom - top) == pytest.approx(
            (source[0] - 2 * left, source[1] - 2 * top)
        )


def test_a_photo_is_cut_to_a_size_that_does_not_divide_it():
    assert fitted(np.full((218, 178), 9, np.uint8), size=22).tolist() == [[9] * 22] * 22


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
