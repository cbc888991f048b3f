"""IDX files, written here byte by byte after the format's own description."""

import gzip
import struct

import numpy as np
import pytest

from reverie.data import DataConfig, open_dataset
from reverie.errors import DataError

X = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
Y = np.array([4, 2, 2, 4, 9], np.uint8)


def idx(array, magic=None):
    magic = magic or 0x0800 | array.ndim
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def write(folder, split="train", x=X, y=Y, packed=False):
    folder.mkdir(exist_ok=True)
    for name, array in (("images-idx3", x), ("labels-idx1", y)):
        if array is not None:
            data = idx(array)
            path = folder / f"{split}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_the_classic_names_has_splits_and_labels(tmp_path, load, packed):
    folder = write(tmp_path / "My Digits", packed=packed)
    write(folder, "t10k", X[:2] + 100, Y[:2], packed)
    dataset = load(folder)
    np.testing.assert_array_equal(dataset.train.x, X[:, None])
    np.testing.assert_array_equal(dataset.test.x, X[:2, None] + 100)
    assert (dataset.name, dataset.spec.classes) == ("my-digits", ("2", "4", "9"))
    assert dataset.train.y.tolist() == [1, 0, 0, 1, 2]
    assert dataset.test.y.tolist() == [1, 0]


@pytest.mark.parametrize("packed", [False, True])
def test_names_may_begin_with_the_data_sets(tmp_path, load, packed):
    folder = write(tmp_path / "a", "emnist-letters-train", packed=packed)
    write(folder, "emnist-letters-test", X[:2] + 100, Y[:2], packed)
    dataset = load(folder)
    np.testing.assert_array_equal(dataset.train.x, X[:, None])
    np.testing.assert_array_equal(dataset.test.x, X[:2, None] + 100)
    assert (dataset.train.y.tolist(), dataset.test.y.tolist()) == ([1, 0, 0, 1, 2], [1, 0])


def test_a_pair_whose_name_tells_no_split_is_split(tmp_path, load):
    dataset = load(write(tmp_path / "a", "foo"))
    assert (len(dataset.train), len(dataset.test)) == (4, 1)
    assert dataset.spec.classes == ("2", "4", "9")


def test_a_file_beside_its_packed_one_is_read_once(tmp_path, load):
    folder = write(write(tmp_path / "a"), packed=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"not read")
    assert len(load(folder).train) == 4


@pytest.mark.parametrize(
    "splits", [("a-train", "b-train"), ("foo", "foo-train"), ("train", "val")]
)
def test_files_of_several_data_sets_are_refused_with_the_names_that_are_read(
    tmp_path, load, splits
):
    folder = tmp_path / "a"
    for split in splits:
        write(folder, split, y=None)
    named = "-images-idx3-ubyte, ".join(splits)
    expected = f"holds {named}-images-idx3-ubyte, which are of several .*train-images-idx3-ubyte"
    with pytest.raises(DataError, match=expected):
        load(folder)


def test_test_images_alone_and_labels_of_no_images_are_refused(tmp_path, load):
    folder = write(tmp_path / "a", "t10k", y=None)
    with pytest.raises(DataError, match="holds t10k-images-idx3-ubyte and no images to train on"):
        load(folder)
    write(folder, "train", x=None)
    with pytest.raises(DataError, match="holds train-labels-idx1-ubyte and no images of that; na"):
        load(folder)


def test_one_file_of_images_finds_its_labels_and_is_split(tmp_path, load):
    folder = write(tmp_path / "a", packed=True)
    dataset = load(folder / "train-images-idx3-ubyte.gz")
    assert (len(dataset.train), len(dataset.test)) == (4, 1)
    for split in (dataset.train, dataset.test):
        rows = (split.x.flatten(1)[:, 0] // 6).tolist()
        assert [int(dataset.spec.classes[i]) for i in split.y] == Y[rows].tolist()


def test_one_file_of_images_needs_no_labels(tmp_path, load):
    (tmp_path / "pictures.idx").write_bytes(idx(X))
    dataset = load(tmp_path / "pictures.idx")
    assert (dataset.train.y, dataset.spec.classes, dataset.name) == (None, (), "pictures")


@pytest.mark.parametrize("given", ["digits.idx", "digits.idx.gz"])
def test_a_file_is_not_taken_for_the_labels_of_its_packed_twin(tmp_path, load, given):
    (tmp_path / "digits.idx").write_bytes(idx(X))
    (tmp_path / "digits.idx.gz").write_bytes(gzip.compress(idx(X)))
    dataset = load(tmp_path / given)
    assert (len(dataset.train), len(dataset.test), dataset.train.y) == (4, 1, None)


def test_fashion_mnist_style_folder_without_test_files_is_split(tmp_path, load):
    dataset = load(write(tmp_path / "a"))
    assert (len(dataset.train), len(dataset.test)) == (4, 1)


def test_labels_given_for_images_are_recognised(tmp_path, load):
    (tmp_path / "labels-idx1-ubyte").write_bytes(idx(np.arange(20, dtype=np.uint8)))
    expected = "the magic number is 2049: it holds labels; IDX images begin with 2051"
    with pytest.raises(DataError, match=expected):
        load(tmp_path / "labels-idx1-ubyte")


def test_a_wrong_magic_number_is_refused_with_both_numbers(tmp_path, load):
    folder = write(tmp_path / "a")
    (folder / "train-images-idx3-ubyte").write_bytes(idx(X, magic=1234))
    with pytest.raises(DataError, match="the magic number is 1234; IDX images begin with 2051"):
        load(folder)


@pytest.mark.parametrize("packed", [False, True])
def test_a_short_body_is_refused_with_the_bytes(tmp_path, load, packed):
    folder = tmp_path / "a"
    folder.mkdir()
    data = idx(X)[:-10]
    name = "train-images-idx3-ubyte"
    if packed:
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    else:
        (folder / name).write_bytes(data)
    expected = r"promises 5 rows of 6 bytes \(30 bytes\), the body holds 20; the file is damaged"
    with pytest.raises(DataError, match=expected):
        load(folder)


def test_a_long_body_and_a_short_header_are_refused(tmp_path, load):
    path = tmp_path / "a.idx"
    path.write_bytes(idx(X) + b"x")
    with pytest.raises(DataError, match=r"\(30 bytes\), the body holds 31"):
        load(path)
    path.write_bytes(idx(X)[:7])
    with pytest.raises(DataError, match="holds 7 bytes, an IDX header of images alone takes 16"):
        load(path)


def test_a_count_that_lies_is_refused_without_the_memory_it_claims(tmp_path, load):
    path = tmp_path / "a.idx"
    path.write_bytes(struct.pack(">4I", 0x803, 2**31, 60000, 60000) + b"body")
    with pytest.raises(DataError, match="the body holds 4"):
        load(path)


def test_a_truncated_gzip_is_refused(tmp_path, load):
    folder = write(tmp_path / "a", packed=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"cannot be read \(Compressed file ended before"):
        load(folder)


def test_labels_of_another_count_are_refused(tmp_path, load):
    with pytest.raises(DataError, match=r"holds 4 labels, .* holds 5 images; the files do not"):
        load(write(tmp_path / "a", y=Y[:4]))


def test_a_header_that_says_nothing_is_there_is_refused(tmp_path, load):
    with pytest.raises(DataError, match="holds no samples"):
        load(write(tmp_path / "a", x=X[:0], y=None))


def test_opening_twice_gives_the_same_fingerprint(tmp_path):
    config = DataConfig(source=str(write(tmp_path / "a")))
    assert open_dataset(config).fingerprint == open_dataset(config).fingerprint
