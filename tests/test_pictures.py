"""Pictures of one to four channels look as their channels mean, and files are what they are called."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.errors import ConfigError
from reverie.pictures import GAP, SHEET, for_a_sheet, grid, picture, save_png, to_bytes, to_png

COLOUR = (1.0, 0.0, 0.2)
ALPHA = (0.0, 0.4, 1.0)


def row_of(*channels):
    """`(1, C, 1, 3)`: three pixels, each channel given as its three values or one for all."""
    values = [torch.as_tensor(c, dtype=torch.float32).expand(3) for c in channels]
    return torch.stack(values)[None, :, None]


def on_white(value):
    """Value v under alpha a on white: 255 (a v + 1 - a)."""
    return [round(255 * (a * value + 1 - a)) for a in ALPHA]


def test_four_channels_are_colours_and_alpha_on_white():
    shown = to_bytes(row_of(*COLOUR, ALPHA))
    assert shown.shape == (1, 1, 3, 3)
    np.testing.assert_array_equal(shown[0, 0].T, [on_white(value) for value in COLOUR])


def test_two_channels_are_grey_and_alpha_on_white():
    shown = to_bytes(row_of(0.2, ALPHA))
    np.testing.assert_array_equal(shown[0, 0].T, [on_white(0.2)] * 3)


@pytest.mark.parametrize(("channels", "shown"), [(1, [51] * 3), (3, [51, 102, 153])])
def test_without_alpha_values_are_shown_as_they_are(channels, shown):
    x = row_of(0.2, 0.4, 0.6)[:, :channels]
    assert to_bytes(x)[0, 0, 1].tolist() == shown


def test_of_five_channels_the_first_three_are_shown():
    assert to_bytes(row_of(0.2, 0.4, 0.6, 0.0, 0.0))[0, 0, 0].tolist() == [51, 102, 153]


def test_a_grid_lies_on_the_paper_that_alpha_shows():
    clear = torch.zeros(2, 4, 8, 8)
    sheet = grid(clear, 2)
    assert sheet.mode == "RGB" and np.asarray(sheet).min() == 255
    assert sheet.width == 2 * 56 + 3 * GAP
    assert grid(torch.zeros(1, 2, 8, 8)).mode == "L"


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_a_single_picture_keeps_every_channel_through_its_file(channels, mode):
    x = torch.randint(0, 256, (channels, 5, 7), generator=torch.Generator().manual_seed(0))
    with Image.open(io.BytesIO(to_png(picture(x / 255)))) as read:
        assert (read.mode, read.size) == (mode, (7, 5))
        pixels = np.asarray(read).reshape(5, 7, channels)
    np.testing.assert_array_equal(pixels.transpose(2, 0, 1), x)


def test_a_name_that_says_another_format_is_refused_and_not_written(tmp_path):
    image = grid(torch.zeros(1, 1, 4, 4))
    for name in ("e.jpg", "e", "e.png.webp"):
        with pytest.raises(ConfigError, match=f"{name}: pictures are written as PNG; end the nam"):
            save_png(image, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    save_png(image, tmp_path / "E.PNG")
    assert (tmp_path / "E.PNG").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(("count", "side"), [(64, 512), (64, 2048), (3, 8192)])
def test_a_sheet_of_large_pictures_is_of_smaller_ones(count, side, monkeypatch):
    """64 of 512 x 512 are 2^24 pixels, which a sheet may have; larger ones keep their mean."""
    x = torch.full((1, 1, 1, 1), 0.25).expand(count, 1, side, side)
    made = for_a_sheet(x)
    assert made.shape[:2] == (count, 1) and made.shape[2] == made.shape[3]
    assert count * made.shape[2] ** 2 <= SHEET < count * (made.shape[2] + 1) ** 2 + 1
    assert float(made.mean()) == pytest.approx(0.25)
    assert (made is x) == (side == 512)
