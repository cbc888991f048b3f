"""Splits and classes are read off the folders."""

import numpy as np
import pytest

from reverie.data import layout
from reverie.data.names import in_order
from reverie.errors import DataError


@pytest.fixture
def arrange():
    def arrange(names):
        return layout.arrange(in_order(names), "here")

    return arrange


def parts(found):
    """The names by part: training, testing, unused."""
    return [
        [name for name, part in zip(found.names, found.parts, strict=True) if part == wanted]
        for wanted in (layout.TRAIN, layout.TEST, layout.UNUSED)
    ]


def class_of(found):
    """The class of each name, as a word."""
    return {
        name: found.classes[label]
        for name, label in zip(found.names, found.labels, strict=True)
        if label >= 0
    }


def test_pictures_in_one_folder_have_no_labels(arrange):
    found = arrange(["b.png", "a.png"])
    assert parts(found) == [["a.png", "b.png"], [], []]
    assert (found.tested, found.classes, found.labels, found.count) == (False, (), None, 2)


def test_folders_are_classes_sorted_and_numbers_sort_by_value(arrange):
    found = arrange(["10/a.png", "9/a.png", "cat/x/a.png"])
    assert found.classes == ("9", "10", "cat")
    assert class_of(found) == {"9/a.png": "9", "10/a.png": "10", "cat/x/a.png": "cat"}


def test_a_folder_around_everything_says_nothing(arrange):
    found = arrange(["data/all/cat/1.png", "data/all/dog/1.png"])
    assert found.classes == ("cat", "dog")
    assert arrange(["data/1.png", "data/2.png"]).classes == ()


def test_one_picture_has_no_class_of_its_own(arrange):
    assert arrange(["a/b/1.png"]).labels is None


def test_folders_around_the_classes_of_both_splits_say_nothing(arrange):
    found = arrange([f"d/{top}/all/{word}/1.png" for top in ("train", "test") for word in "ab"])
    assert found.classes == ("a", "b")
    assert class_of(found)["d/test/all/b/1.png"] == "b"


@pytest.mark.parametrize("test", ["test", "val", "valid", "validation", "Test"])
def test_train_and_test_folders_are_the_splits(arrange, test):
    found = arrange(["train/a/1.png", "train/b/2.png", f"{test}/a/3.png"])
    assert parts(found) == [["train/a/1.png", "train/b/2.png"], [f"{test}/a/3.png"], []]
    assert (found.tested, found.classes) == (True, ("a", "b"))
    assert class_of(found)[f"{test}/a/3.png"] == "a"


def test_with_three_splits_validation_is_left_out_with_a_note(arrange):
    found = arrange(["train/b/1.png", "train/a/1.png", "val/c/2.png", "test/a/3.png"])
    assert parts(found) == [["train/a/1.png", "train/b/1.png"], ["test/a/3.png"], ["val/c/2.png"]]
    np.testing.assert_array_equal(found.labels, [0, 0, 1, -1])
    assert found.notes == ("1 pictures in val were left out: train and test are the splits",)
    assert found.count == 3


def test_a_class_may_be_called_train(arrange):
    found = arrange(["car/1.png", "train/1.png"])
    assert (found.classes, found.tested) == (("car", "train"), False)


def test_labels_missing_in_part_are_refused(arrange):
    expected = (
        r"here: labels are missing in part: 2 pictures lie in no class folder, e.g. x.png, and "
        r"3 lie in 2 of them; move every picture into a class folder, or all into one folder"
    )
    with pytest.raises(DataError, match=expected):
        arrange(["x.png", "y.png", "a/1.png", "a/2.png", "b/1.png"])


def test_labels_missing_in_one_split_are_refused(arrange):
    with pytest.raises(DataError, match="labels are missing in part: 1 pictures"):
        arrange(["train/a/1.png", "train/b/1.png", "test/1.png"])


def test_a_class_that_only_the_test_split_has_is_refused(arrange):
    names = ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"]
    with pytest.raises(DataError, match=r"1 classes are in the test split and not .* split: c;"):
        arrange(names)
