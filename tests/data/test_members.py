"""What the arrays of a .npz are called says what they are, or the file is refused."""

import numpy as np
import pytest

from reverie.errors import DataError

PICTURES = np.arange(3 * 5 * 6 * 3, dtype=np.uint8).reshape(3, 5, 6, 3)


@pytest.mark.parametrize("word", ["val", "valid", "validation", "testing"])
@pytest.mark.parametrize("name", ["x_{}", "images_{}", "{}_images", "{}"])
def test_npz_with_validation_has_it_for_its_test_split(tmp_path, load, word, name):
    np.savez(tmp_path / "a.npz", **{"x_train": PICTURES[:2], name.format(word): PICTURES[2:]})
    dataset = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(dataset.test.x, PICTURES[2:].transpose(0, 3, 1, 2))
    assert (len(dataset.train), dataset.notes) == (2, ())


def test_npz_with_three_splits_names_validation_in_a_note(tmp_path, load):
    arrays = {
        f"x_{split}": PICTURES[i : i + 1] for i, split in enumerate(("val", "train", "test"))
    }
    np.savez(tmp_path / "a.npz", **arrays, y_val=np.zeros(1))
    dataset = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(dataset.test.x, PICTURES[2:].transpose(0, 3, 1, 2))
    assert dataset.notes == ("x_val, y_val were not read, the data is x_train, x_test",)


def test_npz_with_more_than_samples_and_labels_names_it_in_a_note(tmp_path, load):
    np.savez(tmp_path / "a.npz", PICTURES, np.zeros(3))
    assert load(tmp_path / "a.npz").notes == ("arr_1 were not read, the data is arr_0",)


@pytest.mark.parametrize(
    "keys",
    [
        ("x", "y", "x_test", "y_test"),
        ("x_train", "labels"),
        ("x_train", "x"),
        ("x", "x_val"),
        ("x_test", "y_test"),
        ("x", "y_train"),
        ("x_train", "y_train", "y_test"),
        ("x_train", "y_train", "x_val", "y_val", "y_test"),
    ],
)
def test_npz_that_leaves_open_which_samples_are_meant_is_refused(tmp_path, load, keys):
    arrays = {key: PICTURES if key.startswith("x") else np.zeros(3) for key in keys}
    np.savez(tmp_path / "a.npz", **arrays)
    expected = (
        f"a.npz: holds {', '.join(sorted(keys))}; name the samples x .with labels y., or x_t"
    )
    with pytest.raises(DataError, match=expected):
        load(tmp_path / "a.npz")
