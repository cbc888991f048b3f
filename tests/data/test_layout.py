"""Splits and classes are read off the folders."""

import pytest

from reverie.data.layout import arrange
from reverie.errors import DataError


def test_pictures_in_one_folder_have_no_labels():
    layout = arrange(["b.png", "a.png"], "here")
    assert (layout.train, layout.test, layout.classes) == (("a.png", "b.png"), None, ())


def test_folders_are_classes_sorted_and_numbers_sort_by_value():
    layout = arrange(["10/a.png", "9/a.png", "cat/x/a.png"], "here")
    assert layout.classes == ("9", "10", "cat")
    assert layout.label_of == {"9/a.png": 0, "10/a.png": 1, "cat/x/a.png": 2}


def test_a_folder_around_everything_says_nothing():
    layout = arrange(["data/all/cat/1.png", "data/all/dog/1.png"], "here")
    assert layout.classes == ("cat", "dog")
    assert arrange(["data/1.png", "data/2.png"], "here").classes == ()


@pytest.mark.parametrize("test", ["test", "val", "valid", "validation", "Test"])
def test_train_and_test_folders_are_the_splits(test):
    layout = arrange(["train/a/1.png", "train/b/2.png", f"{test}/a/3.png"], "here")
    assert layout.train == ("train/a/1.png", "train/b/2.png")
    assert layout.test == (f"{test}/a/3.png",)
    assert (layout.classes, layout.label_of[f"{test}/a/3.png"]) == (("a", "b"), 0)


def test_with_three_splits_validation_is_left_out_with_a_note():
    layout = arrange(["train/1.png", "val/2.png", "test/3.png"], "here")
    assert (layout.train, layout.test) == (("train/1.png",), ("test/3.png",))
    assert layout.notes == ("1 pictures in val were left out: train and test are the splits",)


def test_a_class_may_be_called_train():
    layout = arrange(["car/1.png", "train/1.png"], "here")
    assert (layout.classes, layout.test) == (("car", "train"), None)


def test_labels_missing_in_part_are_refused():
    expected = (
        r"here: labels are missing in part: 2 pictures lie in no class folder, e.g. x.png, and "
        r"3 lie in 2 of them; move every picture into a class folder, or all into one folder"
    )
    with pytest.raises(DataError, match=expected):
        arrange(["x.png", "y.png", "a/1.png", "a/2.png", "b/1.png"], "here")


def test_labels_missing_in_one_split_are_refused():
    with pytest.raises(DataError, match="labels are missing in part: 1 pictures"):
        arrange(["train/a/1.png", "train/b/1.png", "test/1.png"], "here")


def test_a_class_that_only_the_test_split_has_is_refused():
    names = ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"]
    with pytest.raises(DataError, match=r"1 classes are in the test split and not .* split: c;"):
        arrange(names, "here")
