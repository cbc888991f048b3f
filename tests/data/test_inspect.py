"""An inspection counts what is there, and finds faults without falling over them."""

import json

import numpy as np
import pytest

from reverie.data import DataConfig, inspect_source, open_dataset
from reverie.errors import DataError


@pytest.fixture
def inspect(source):
    def inspect(path=source, **options):
        return inspect_source(DataConfig(source=str(path), **options))

    return inspect


def test_sizes_modes_and_classes_are_counted(put, inspect):
    put("train/a/1.png", np.zeros((4, 4), np.uint8))
    put("train/a/2.png", np.zeros((8, 4), np.uint8))
    put("train/b/3.png", np.zeros((4, 4, 3), np.uint8))
    put("test/b/4.png", np.zeros((2, 10, 4), np.uint8))
    found = inspect()
    assert found.counts == {"train": 3, "test": 1}
    assert found.classes == {"train": {"a": 2, "b": 1}, "test": {"a": 0, "b": 1}}
    assert found.modes == {"L": 2, "RGB": 1, "RGBA": 1}
    assert (found.sizes.width, found.sizes.height) == ((4, 4, 10), (2, 4, 8))
    assert (found.sizes.commonest, found.sizes.commonest_count) == ((4, 4), 2)
    assert found.sizes.distinct == 3


def test_broken_files_are_reported_and_not_raised(put, source, inspect):
    put("ok.png"), put("ok2.png", 1)
    cut = put("cut.png", np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8))
    cut.write_bytes(cut.read_bytes()[:-200])
    (source / "text.png").write_text("hello")
    found = inspect()
    assert sorted(found.broken) == ["cut.png", "text.png"]
    assert sum(found.counts.values()) == 2


def test_nothing_but_broken_files_is_a_finding_too(source, inspect):
    (source / "text.png").write_text("hello")
    found = inspect()
    assert (found.counts, found.mean, found.sizes) == ({"train": 0, "test": 0}, None, None)
    with pytest.raises(DataError, match="holds no pictures to show"):
        found.contact_sheet()


def test_duplicates_are_found_by_content_also_across_the_splits(put, inspect):
    """Level 1 three times with one in test, 2 and 5 twice within train, 3 and 4 once."""
    put("train/1.png", 1), put("train/1b.bmp", 1), put("test/1c.png", 1)
    put("train/2.png", 2), put("train/2b.png", 2), put("train/3.png", 3)
    put("train/5.png", 5), put("train/5b.png", 5)
    put("test/4.png", 4)
    found = inspect().duplicates
    assert (found.groups, found.extra, found.across) == (3, 4, 1)
    assert {frozenset(names) for names in found.files} == {
        frozenset({"train/1.png", "train/1b.bmp", "test/1c.png"}),
        frozenset({"train/2.png", "train/2b.png"}),
        frozenset({"train/5.png", "train/5b.png"}),
    }


def test_a_sample_alone_is_counted_once_and_stands_in_both_splits(put, source, inspect, tmp_path):
    put("a/1.png", np.array([[0, 255]], np.uint8)), put("b/2.png").write_text("hello")
    np.savez(tmp_path / "x.npz", x=np.array([[[0, 255]]], np.uint8), y=np.array(["a"]))
    found = inspect(), inspect(tmp_path / "x.npz")
    for one, what, mode in zip(
        found, ("picture", "sample"), ("L", "uint8, 1 channels"), strict=True
    ):
        assert one.counts == {"train": 1, "test": 1}
        assert (one.classes["train"]["a"], one.classes["test"]["a"]) == (1, 1)
        assert (one.modes, one.sizes.commonest_count) == ({mode: 1}, 1)
        same = one.duplicates
        assert (same.groups, same.extra, same.across) == (0, 0, 0)
        assert sum(one.histogram) == 2 and len(one.shown) == 1
        assert f"there is one {what}: it stands in both splits" in one.notes


def test_mean_spread_and_histogram_by_hand(put, inspect):
    """Half of the values are 0 and half 1: mean 1/2, standard deviation 1/2."""
    put("a.png", 0), put("b.png", 255)
    found = inspect()
    assert (found.mean, found.std) == (0.5, 0.5)
    assert found.histogram == (16, *[0] * 30, 16)


def test_vectors_have_a_histogram_over_their_own_range(tmp_path, inspect):
    np.save(tmp_path / "x.npy", np.array([[-2.0, 6.0], [2.0, 2.0]]))
    found = inspect(tmp_path / "x.npy")
    assert (found.low, found.high, found.mean) == (-2.0, 6.0, 2.0)
    assert (found.histogram[0], found.histogram[16], found.histogram[31]) == (1, 2, 1)
    assert found.sizes is None


@pytest.mark.parametrize("option", [{"size": 3}, {"color": "grey"}, {"flip": True}])
def test_options_that_training_refuses_are_refused(tmp_path, inspect, option):
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    for ask in (inspect, lambda path, **options: open_dataset(DataConfig(source=path, **options))):
        with pytest.raises(DataError, match=r"x.npy: holds vectors of 2 numbers; data.size, data"):
            ask(str(tmp_path / "x.npy"), **option)


def test_colours_are_refused_of_pictures_with_two_channels(tmp_path, inspect):
    np.save(tmp_path / "x.npy", np.zeros((4, 2, 5, 5), np.uint8))
    with pytest.raises(DataError, match=r"pictures have 2 channels; data.color=rgb needs 1 or 3"):
        inspect(tmp_path / "x.npy", color="rgb")


def test_all_equal_vectors_do_not_fall_over(tmp_path, inspect):
    np.save(tmp_path / "x.npy", np.full((3, 2), 5.0))
    found = inspect(tmp_path / "x.npy")
    assert (found.mean, found.std, found.duplicates.extra) == (5.0, 0.0, 2)
    np.save(tmp_path / "x.npy", np.full((3, 2), 1e17))
    assert inspect(tmp_path / "x.npy").mean == pytest.approx(1e17)


def test_everything_but_the_pictures_goes_into_json(put, inspect):
    put("a/1.png", 1), put("b/2.png", 2)
    tree = json.loads(json.dumps(inspect().to_dict()))
    assert tree["duplicates"] == {"groups": 0, "extra": 0, "across": 0, "files": []}
    assert "shown" not in tree


def test_the_contact_sheet_shows_as_many_of_each_class_a_class_a_row(put, inspect):
    for i in range(9):
        put(f"train/a/{i}.png", np.full((50, 50), 10 + i, np.uint8))
    for i in range(3):
        put(f"train/b/{i}.png", np.full((50, 50), 200 + i, np.uint8))
    put("test/a/0.png", np.full((50, 50), 90, np.uint8))
    sheet = np.asarray(inspect().contact_sheet().convert("L"))
    # Tiles of 50 with a gap of 2 around each, as `pictures.grid` lays them.
    assert sheet.shape == (2 * 52 + 2, 3 * 52 + 2)
    assert sheet[27, 27::52].tolist() == [10, 11, 12]
    assert sheet[79, 27::52].tolist() == [200, 201, 202]


def test_mixed_sizes_come_to_one_size_on_the_sheet(put, inspect):
    put("a.png", np.zeros((4, 8), np.uint8)), put("b.png", np.zeros((300, 200, 3), np.uint8))
    put("c.png", np.zeros((300, 200, 3), np.uint8) + 1)
    found = inspect()
    assert {tile.shape for tile in found.shown} == {(3, 96, 64)}
    assert {tile.shape for tile in inspect(size=10).shown} == {(3, 10, 10)}


def test_a_zip_is_inspected_as_a_folder(pack, png, inspect):
    found = inspect(pack({"a/1.png": png(1), "b/2.png": png(2), "b/3.png": b"x"}))
    assert (sum(found.counts.values()), list(found.broken)) == (2, ["b/3.png"])
