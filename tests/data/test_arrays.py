"""NumPy files: which axis is which, which values are allowed, and what is refused."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from reverie.errors import DataError

PICTURES = np.arange(3 * 5 * 6 * 3, dtype=np.uint8).reshape(3, 5, 6, 3)


@pytest.fixture
def save(tmp_path):
    def save(x, name="x.npy"):
        np.save(tmp_path / name, x)
        return tmp_path / name

    return save


@pytest.fixture
def both(load):
    """All samples and labels of a file, in the order of the file."""

    def both(path, **options):
        dataset = load(path, **options)
        x = np.concatenate([dataset.train.x.numpy(), dataset.test.x.numpy()])
        return x[np.lexsort(x.reshape(len(x), -1).T[::-1])], dataset

    return both


@pytest.mark.parametrize(
    "stored", [PICTURES, PICTURES.transpose(0, 3, 1, 2)], ids=["channels last", "channels first"]
)
def test_the_channel_axis_is_the_one_of_one_to_four(save, both, stored):
    x, dataset = both(save(np.ascontiguousarray(stored)))
    np.testing.assert_array_equal(x, PICTURES.transpose(0, 3, 1, 2))
    assert dataset.spec.shape == (3, 5, 6)


@pytest.mark.parametrize(("channels", "colours"), [(2, "grey"), (4, "red, green, blue")])
def test_channels_that_are_shown_as_alpha_are_noted_once(tmp_path, load, channels, colours):
    x = np.zeros((3, 5, 6, channels), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x)
    expected = f"pictures of {channels} channels are shown as {colours} and alpha, on white"
    assert load(tmp_path / "a.npz").notes == (expected,)


def test_three_axes_are_grey_pictures_and_two_are_vectors(save, both):
    x, dataset = both(save(PICTURES[..., 0]))
    np.testing.assert_array_equal(x, PICTURES[:, None, :, :, 0])
    assert dataset.spec.kind == "pixels"
    points = np.array([[0.5, -3.0], [1e6, 2.0]])
    x, dataset = both(save(points))
    np.testing.assert_array_equal(x, points.astype(np.float32))
    assert (dataset.spec.kind, dataset.spec.shape, x.dtype) == ("vector", (2,), np.float32)


def test_flat_pictures_of_bytes_are_vectors_with_a_hint(save, load):
    dataset = load(save(np.zeros((4, 784), np.uint8)))
    assert "save them as (N, 28, 28) if they are pictures" in dataset.notes[0]


@pytest.mark.parametrize("shape", [(9,), (2, 5, 6, 7), (1, 2, 3, 4, 5)])
def test_other_shapes_are_refused_with_those_that_are_read(save, load, shape):
    with pytest.raises(DataError, match=r"pictures are \(N, H, W\), \(N, H, W, C\) or"):
        load(save(np.zeros(shape, np.uint8)))


@pytest.mark.parametrize("shape", [(0, 4, 4), (3, 0), ()])
def test_nothing_is_refused(save, load, shape):
    with pytest.raises(DataError, match="which holds no samples"):
        load(save(np.zeros(shape, np.uint8)))


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_a_16_bit_ramp_is_scaled_and_keeps_its_levels(save, load, order):
    ramp = (np.arange(256) * 257).astype(order).reshape(1, 16, 16)
    np.testing.assert_array_equal(load(save(ramp)).train.x.flatten(), np.arange(256))


def test_bool_becomes_black_and_white(save, load):
    x = load(save(np.array([[[True, False], [False, True]]]))).train.x
    assert x.flatten().tolist() == [255, 0, 0, 255]


def test_floats_in_the_unit_range_are_kept_as_float32(save, load):
    x = load(save(np.array([[[0.0, 0.123456789], [1.0, 0.5]]]))).train.x
    np.testing.assert_array_equal(x.flatten(), np.array([0, 0.123456789, 1, 0.5], np.float32))


@pytest.mark.parametrize(
    ("x", "advice"),
    [
        (np.array([[[0.0, 255.0]]]), r"float64 values from 0 to 255; .* divide by 255"),
        (np.array([[[0, 1]]]), r"int64 values from 0 to 1; .* x.astype\(bool\)"),
        (np.array([[[0, 255]]]), r"int64 values from 0 to 255; .* x.astype\('uint8'\)"),
        (np.array([[[0, 60000]]]), r"int64 values from 0 to 60000; .* x.astype\('uint16'\)"),
        (np.array([[[-1.0, 1.0]]]), r"from -1 to 1; .*\(x \+ 1\) / 2"),
        (np.array([[[-3.0, 900.0]]]), r"from -3 to 900; .*x.min\(\)"),
    ],
)
def test_values_of_no_picture_are_refused_with_what_to_write(save, load, x, advice):
    with pytest.raises(DataError, match=advice):
        load(save(x))


@pytest.mark.parametrize("shape", [(50, 4, 4), (50, 16)])
def test_nan_and_infinity_are_counted_and_the_first_is_placed(save, load, shape):
    x = np.zeros(shape, np.float32)
    x.reshape(50, 16)[[30, 31, 49], [5, 0, 15]] = [np.nan, np.inf, -np.inf]
    first = r"\(30, 1, 1\)" if len(shape) == 3 else r"\(30, 5\)"
    with pytest.raises(DataError, match=rf"3 values are NaN, infinite .* at index {first}; remo"):
        load(save(x))


def test_a_number_beyond_float32_is_refused_and_not_made_infinite(save, load):
    with pytest.raises(DataError, match="1 values are NaN, infinite or beyond float32"):
        load(save(np.array([[1e300, 0.0]])))


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code was run')",))


def test_objects_are_refused_and_never_unpickled(tmp_path, load):
    np.save(tmp_path / "x.npy", np.array([Payload()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="holds Python objects, which need pickle and could run"):
        load(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(DataError, match="is no NumPy file that can be read"):
        load(tmp_path / "x.npy")


def test_a_shape_that_lies_is_refused_with_numbers_and_no_memory(tmp_path, load):
    with (tmp_path / "x.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10, 40)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(1000))
    expected = (
        r"promises 1,000,000,000 rows of 400 bytes \(400,000,000,000 bytes\), the body holds"
    )
    with pytest.raises(DataError, match=f"{expected} 1,000;"):
        load(tmp_path / "x.npy")


HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4), }"


@pytest.mark.parametrize(
    "header",
    [
        HEADER.replace("'|u1'", "('|u1'"),  # TokenError
        HEADER.replace("'|u1'", "()"),  # IndexError
        HEADER.replace("'shape'", "1"),  # TypeError, of keys that cannot be sorted
        HEADER[:-8],
        HEADER.replace("|u1", "<U0"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path, load, header):
    path = tmp_path / "x.npy"
    head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    path.write_bytes(head + bytes(32))
    with pytest.raises(
        DataError, match=r"x.npy: (is no NumPy file that can be read \(|holds <U0)"
    ):
        load(path)


def test_a_body_that_is_too_long_is_refused(save, load):
    path = save(np.zeros((2, 4, 4), np.uint8))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match=r"\(32 bytes\), the body holds 33"):
        load(path)


def test_column_order_words_and_tables_are_refused(save, load):
    with pytest.raises(DataError, match=r"is stored column by column; save it with np.save"):
        load(save(np.asfortranarray(np.zeros((3, 4, 4), np.uint8))))
    with pytest.raises(DataError, match="holds words; samples must be numbers"):
        load(save(np.array([["a", "b"]])))
    with pytest.raises(DataError, match="save numbers"):
        load(save(np.zeros(3, [("a", int), ("b", float)])))


def test_npz_with_splits_and_labels(tmp_path, load):
    np.savez_compressed(
        tmp_path / "a.npz",
        x_train=PICTURES[:2],
        y_train=np.array([7, 3]),
        x_test=PICTURES[2:],
        y_test=np.array([[7]]),
    )
    dataset = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(dataset.train.x, PICTURES[:2].transpose(0, 3, 1, 2))
    assert dataset.spec.classes == ("3", "7")
    assert (dataset.train.y.tolist(), dataset.test.y.tolist()) == ([1, 0], [1])


@pytest.mark.parametrize("keys", [("x", "y"), ("X", "Labels"), ("images", "targets")])
def test_npz_with_labels_that_are_words(tmp_path, load, keys):
    x = np.arange(20, dtype=np.uint8).reshape(20, 1, 1)
    np.savez(tmp_path / "a.npz", **{keys[0]: x, keys[1]: np.array(["dog", "cat"] * 10)})
    dataset = load(tmp_path / "a.npz")
    assert dataset.spec.classes == ("cat", "dog")
    for split in (dataset.train, dataset.test):
        np.testing.assert_array_equal(split.x.flatten() % 2, 1 - split.y)


def test_labels_that_are_bytes_are_the_words_they_spell(tmp_path, load):
    x = np.arange(20, dtype=np.uint8).reshape(20, 1, 1)
    np.savez(tmp_path / "a.npz", x=x, y=np.char.encode(["hündin", "cat"] * 10, "utf-8"))
    dataset = load(tmp_path / "a.npz")
    assert dataset.spec.classes == ("cat", "hündin")
    for split in (dataset.train, dataset.test):
        np.testing.assert_array_equal(split.x.flatten() % 2, 1 - split.y)


@pytest.mark.parametrize(
    "types", [(np.uint64, np.int64), (np.int64, np.uint64), (np.uint8, float)]
)
def test_whole_numbers_of_two_types_are_the_same_classes(tmp_path, load, types):
    """NumPy joins uint64 and int64 to float64, whose classes would be called 0.0 and 7.0."""
    first, second = (np.array([7, 0, 7], dtype) for dtype in types)
    np.savez(tmp_path / "a.npz", x_train=PICTURES, y_train=first, x_test=PICTURES, y_test=second)
    dataset = load(tmp_path / "a.npz")
    assert dataset.spec.classes == ("0", "7")
    assert dataset.train.y.tolist() == dataset.test.y.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": PICTURES, "y": np.array([0, 1, 2**64 - 1], np.uint64)},
            "labels go from 0 to 18446744073709551615, beyond 64 bits; number the classes from 0",
        ),
        ({"x": PICTURES, "y": np.array([0, 1, -1e300])}, "labels go from -1e.300 to 1"),
        (
            {"x": PICTURES, "y": np.array([b"\xff", b"a", b"b"])},
            r"a.npz\[y\]: labels are bytes and no UTF-8 \(.*; save words",
        ),
        ({"x": PICTURES, "y": np.zeros(2)}, "3 samples but 2 labels"),
        ({"x": PICTURES, "y": np.array([0.5, 1, 2])}, "labels are real numbers"),
        ({"x": PICTURES, "y": np.zeros((3, 2))}, r"labels have shape \(3, 2\)"),
        ({"left": PICTURES, "right": PICTURES}, "holds left, right; name the samples x"),
        (
            {"x_train": PICTURES, "x_test": PICTURES[:, :, 1:]},
            r"uint8 of shape \(3, 5, 5\), those of .*x_train\] are uint8 of \(3, 5, 6\)",
        ),
        (
            {"x_train": PICTURES, "y_train": np.zeros(3), "x_test": PICTURES},
            r"labels are missing in part: .*x_train\] has them, .*x_test\] has none",
        ),
    ],
)
def test_npz_that_does_not_fit_together_is_refused(tmp_path, load, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.npz")


def test_npz_that_is_damaged_or_hides_objects_is_refused(tmp_path, load):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([Payload()], dtype=object))
    with pytest.raises(DataError, match=r"a.npz\[x\]: holds Python objects"):
        load(path)
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match=r"a.npz: cannot be read \(File is not a zip file\)"):
        load(path)
    buffer = io.BytesIO()
    np.save(buffer, PICTURES)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", buffer.getvalue()[:-50])
    with pytest.raises(DataError, match="the body holds 220"):
        load(path)


def test_an_npz_with_a_name_that_is_no_utf_8_is_refused(tmp_path, load):
    np.savez(tmp_path / "a.npz", **{"é": PICTURES})
    data = (tmp_path / "a.npz").read_bytes()
    assert data.count("é".encode()) == 2
    (tmp_path / "a.npz").write_bytes(data.replace("é".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match=r"a.npz: cannot be read \('utf-8' codec can't decode"):
        load(tmp_path / "a.npz")


def test_size_and_color_shape_arrays_too(save, load):
    """Blocks keep their value to within the ringing of Lanczos; grey of equal channels is one."""
    x = np.kron(np.array([[[10, 200], [60, 120]]], np.uint8), np.ones((1, 8, 8), np.uint8))
    small = load(save(x), size=2, fit="stretch").train.x.numpy().astype(int)
    np.testing.assert_allclose(small, [[[[10, 200], [60, 120]]]], atol=25)
    assert load(save(x), color="rgb").train.x.shape == (1, 3, 16, 16)
    colors = np.repeat(x[..., None], 3, axis=-1)
    np.testing.assert_array_equal(load(save(colors), color="grey").train.x[0], x)
    unit = (x / 255).astype(np.float32)
    grown = load(save(unit), size=64).train.x
    assert 0 <= grown.min() and grown.max() <= 1


def test_options_for_pictures_are_refused_for_vectors(save, load):
    with pytest.raises(DataError, match=r"holds vectors of 2 numbers; data.size, data.color and"):
        load(save(np.zeros((4, 2))), size=8)
    with pytest.raises(DataError, match=r"and data.flip are for pictures"):
        load(save(np.zeros((4, 2))), flip=True)
    load(save(np.ones((4, 2))))
    with pytest.raises(DataError, match=r"and data.flip are for pictures"):
        load(save(np.ones((4, 2))), flip=True)  # out of the cache
    with pytest.raises(DataError, match=r"pictures have 2 channels; data.color=rgb needs 1 or 3"):
        load(save(np.zeros((4, 2, 5, 5), np.uint8)), color="rgb")


def test_the_split_of_an_array_is_seeded_and_disjoint(save, load):
    path = save(np.arange(40, dtype=np.uint8).reshape(40, 1, 1))
    first, again, other = load(path), load(path), load(path, seed=5)
    held = first.test.x.flatten().tolist()
    assert len(held) == 4
    assert sorted(first.train.x.flatten().tolist() + held) == list(range(40))
    assert held == again.test.x.flatten().tolist() != other.test.x.flatten().tolist()
