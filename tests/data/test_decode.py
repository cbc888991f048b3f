"""Every kind of pixel that a picture file may hold, against fixtures whose pixels are known."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from reverie.errors import DataError

RAMP16 = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bytes(width, height, depth, color, rows):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_grey_stays_one_channel_and_rgb_three(put, only, source):
    put("a.png", np.array([[1, 2], [3, 4]], np.uint8))
    np.testing.assert_array_equal(only(), [[[1, 2], [3, 4]]])
    put("a.png", np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    np.testing.assert_array_equal(only(), [[[1, 4]], [[2, 5]], [[3, 6]]])


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_16_bit_ramp_is_scaled_and_not_clipped(put, only, name):
    """k * 257 / 257 = k, so all 256 levels must come back; `convert("L")` leaves two."""
    put(name, RAMP16)
    np.testing.assert_array_equal(only()[0], np.arange(256).reshape(16, 16))


def test_big_endian_16_bit_tiff_is_scaled(put, only):
    put("a.tif", Image.frombytes("I;16B", (16, 16), RAMP16.astype(">u2").tobytes()))
    np.testing.assert_array_equal(only()[0], np.arange(256).reshape(16, 16))


def test_16_bit_rgb_is_scaled(source, only):
    levels = np.array([0, 257 * 7, 257 * 100, 257 * 200, 257 * 250, 65535], ">u2")
    (source / "a.png").write_bytes(png_bytes(2, 1, 16, 2, b"\0" + levels.tobytes()))
    np.testing.assert_array_equal(only(), [[[0, 200]], [[7, 250]], [[100, 255]]])


def test_32_bit_integers_within_16_bits_are_scaled_and_beyond_are_refused(put, only, load):
    put("a.tif", Image.fromarray(np.array([[0, 257 * 9, 65535]], np.int32)))
    np.testing.assert_array_equal(only(), [[[0, 9, 255]]])
    put("a.tif", Image.fromarray(np.array([[-5, 70000]], np.int32)))
    with pytest.raises(DataError, match=r"whole numbers from -5 to 70000; save it with 8 or 16"):
        load()


def test_bytes_in_32_bits_are_refused_and_not_made_black(put, only, load):
    """255 / 257 = 1 of 255: as 16 bits a white picture would be nearly black. 0 is black in either."""
    put("a.tif", Image.fromarray(np.array([[0, 128, 255]], np.int32)))
    with pytest.raises(
        DataError, match=r"whole numbers from 0 to 255 in 32 bits, .* save it with 8 or 16"
    ):
        load()
    put("a.tif", Image.fromarray(np.zeros((1, 3), np.int32)))
    np.testing.assert_array_equal(only(), [[[0, 0, 0]]])


def test_a_dark_picture_of_16_bits_is_scaled_as_a_bright_one(put, only):
    put("a.png", np.array([[0, 100, 255]], np.uint16))
    np.testing.assert_array_equal(only(), [[[0, 0, 1]]])


def test_float_tiff_in_unit_range_is_read(put, only):
    put("a.tif", Image.fromarray(np.array([[0.0, 0.2, 1.0]], np.float32)))
    np.testing.assert_array_equal(only(), [[[0, 51, 255]]])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([[0.0, np.nan, np.inf]], "holds 2 values that are NaN or infinite"),
        (
            [[-1.0, 1.0]],
            r"from -1 to 1; they must lie in \[0, 1\]: save it scaled to them, or with 8",
        ),
        ([[0.0, 1000.0]], "real numbers from 0 to 1000"),
        (
            [[0.0, 51.4, 255.0]],
            "from 0 to 255; they must .*: save it divided by 255, or with 8 or",
        ),
    ],
)
def test_float_tiff_beyond_the_unit_range_is_broken(put, load, values, reason):
    put("a.tif", Image.fromarray(np.array(values, np.float32)))
    with pytest.raises(DataError, match=reason):
        load()


def test_one_bit_becomes_black_and_white(put, only):
    put("a.png", Image.fromarray(np.array([[True, False]])))
    np.testing.assert_array_equal(only(), [[[255, 0]]])


def test_a_palette_becomes_its_colours(put, only):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    put("a.png", image)
    np.testing.assert_array_equal(only(), [[[10, 40, 70]], [[20, 50, 80]], [[30, 60, 90]]])


def test_a_palette_of_greys_is_grey(put, only):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 10, 10, 200, 200, 200])
    put("a.png", image)
    np.testing.assert_array_equal(only(), [[[10, 200]]])


def test_a_transparent_palette_entry_shows_white(put, only):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    put("a.png", image, transparency=0)
    np.testing.assert_array_equal(only(), [[[255, 40]], [[255, 50]], [[255, 60]]])


def test_rgba_is_laid_on_white(put, only):
    """100 * 128/255 + 255 * 127/255 = 177.2; hidden colours of alpha 0 must not appear."""
    put("a.png", np.array([[[200, 200, 200, 0], [100, 0, 255, 128], [1, 2, 3, 255]]], np.uint8))
    expected = [[[255, 177, 1]], [[255, 127, 2]], [[255, 255, 3]]]
    np.testing.assert_allclose(only().astype(int), expected, atol=1)


def test_grey_with_alpha_is_laid_on_white_and_stays_grey(put, only):
    pixels = np.array([[[200, 0], [100, 128], [7, 255]]], np.uint8)
    put("a.png", Image.frombytes("LA", (3, 1), pixels.tobytes()))
    np.testing.assert_allclose(only().astype(int), [[[255, 177, 7]]], atol=1)


def test_a_transparent_level_of_a_16_bit_picture_shows_white(source, only):
    rows = b"\0" + np.array([257 * 5, 257 * 6], ">u2").tobytes()
    data = png_bytes(2, 1, 16, 0, rows)
    at = data.index(b"IDAT") - 4
    (source / "a.png").write_bytes(
        data[:at] + chunk(b"tRNS", struct.pack(">H", 257 * 5)) + data[at:]
    )
    np.testing.assert_array_equal(only(), [[[255, 6]]])


@pytest.mark.parametrize(("name", "options"), [("a.tif", {}), ("a.jpg", {"quality": 100})])
def test_cmyk_becomes_rgb(put, only, name, options):
    """No ink is white; full cyan lacks red; full black is black."""
    inks = np.array([[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]], np.uint8)
    pixels = np.repeat(np.repeat(inks[None], 8, 0), 8, 1)
    put(name, Image.frombytes("CMYK", (24, 8), pixels.tobytes()), **options)
    found = only()[:, 4, [4, 12, 20]].T.astype(int)
    np.testing.assert_allclose(found, [[255, 255, 255], [0, 255, 255], [0, 0, 0]], atol=4)


UPRIGHT = np.array([[1, 2, 3], [4, 5, 6]], np.uint8) * 40
STORED = {  # what a camera stores, so that the orientation makes it upright (EXIF 2.3, 4.6.4)
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(put, only, orientation, name):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    options = {"lossless": True} if name == "a.webp" else {}
    put(name, image, exif=exif, **options)
    np.testing.assert_array_equal(only(color="grey")[0], UPRIGHT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone_when_a_jpeg_is_made_smaller(put, only, orientation):
    stored = np.kron(STORED[orientation], np.ones((32, 32), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    put("a.jpg", stored, exif=exif, quality=95)
    np.testing.assert_allclose(only(size=(2, 3))[0].astype(int), UPRIGHT, atol=12)


def test_the_first_frame_of_an_animation_is_taken_with_a_note(put, load):
    frames = [Image.new("L", (2, 2), level) for level in (10, 200)]
    put("a.gif", frames[0], save_all=True, append_images=frames[1:])
    dataset = load()
    assert (dataset.train.x == 10).all()
    assert "1 files are animations or have pages: the first frame is taken" in dataset.notes


def test_a_picture_of_one_pixel_is_read(put, only):
    put("a.png", np.array([[77]], np.uint8))
    np.testing.assert_array_equal(only(), [[[77]]])


def test_a_bomb_is_refused_by_its_header(source, put, load):
    """40,000x40,000 of one bit would unpack to 200 MB, and take 1.6 GB as bytes."""
    put("ok.png")
    rows = zlib.compress(b"")
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
    (source / "bomb.png").write_bytes(bomb + chunk(b"IEND", b""))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        DataError, match=r"bomb.png: claims 40000x40000 = 1,600 MP, the limit is 64 MP"
    ):
        load()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_bomb_below_pillows_own_limit_is_refused_too(source, load):
    (source / "a.png").write_bytes(png_bytes(10_000, 10_000, 1, 0, bytes(1251 * 10)))
    with pytest.raises(DataError, match="claims 10000x10000 = 100 MP, the limit is 64 MP"):
        load()


def test_a_bomb_of_text_is_broken(source, load):
    data = png_bytes(1, 1, 8, 0, b"\0\0")
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200_000_000), 9))
    (source / "a.png").write_bytes(data[:33] + text + data[33:])
    with pytest.raises(DataError, match=r"a.png: cannot be decoded: Decompressed data too large"):
        load()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp"])
def test_a_truncated_file_is_named(put, load, name):
    put("ok.png", np.zeros((64, 64), np.uint8))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = put(name, noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"1 of 2 pictures cannot be read:\n  {name}: "):
        load()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"hello, I am a text", "is no PNG, JPEG, WEBP, BMP, GIF, TIFF picture"),
        (b"<html><body>404</body></html>", "is no PNG.* it looks like text, HTML or SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no PNG"),
    ],
)
def test_a_file_that_is_no_picture_is_named_with_its_reason(source, put, load, data, reason):
    put("ok.png")
    (source / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=f"a.png: {reason}"):
        load()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damaged_bytes_are_read_or_named_and_never_a_traceback(source, load, kind):
    buffer = io.BytesIO()
    random = np.random.default_rng(1)
    Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(buffer, kind)
    whole = buffer.getvalue()
    for i in range(60):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(256)
        (source / f"{i}.png").write_bytes(bytes(data))
    (source / "whole.png").write_bytes(whole)
    dataset = load(skip_broken=True, size=8, color="rgb")
    assert len(dataset.train) + len(dataset.test) <= 61
