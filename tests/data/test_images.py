"""Folders of pictures: sizes, colours, broken files, and how they are split."""

import hashlib

import numpy as np
import pytest

from reverie.data import DataConfig, images, open_dataset
from reverie.data.entries import FolderEntries
from reverie.errors import DataError


def values(split):
    """The grey levels of a split of one-coloured pictures."""
    return split.x[:, 0, 0, 0].tolist()


def test_an_empty_folder_is_refused(load, source):
    with pytest.raises(DataError, match=r"pictures: holds no pictures \(it is empty\); give a"):
        load()


def test_a_folder_without_pictures_says_what_it_holds(load, source):
    for name in ("a.txt", "b.txt", "c.csv", "README"):
        (source / name).write_text("x")
    expected = r"4 files that are no pictures were left out \(.txt 2, .csv 1, no ending 1\)"
    with pytest.raises(DataError, match=expected):
        load()


def test_side_files_are_left_out_with_a_count_and_system_files_in_silence(load, source, put):
    put("a.png"), put("b.png", 1)
    (source / "notes.txt").write_text("x")
    (source / "Thumbs.db").write_text("x")
    (source / ".DS_Store").write_text("x")
    (source / "__MACOSX").mkdir()
    (source / "__MACOSX" / "a.png").write_text("x")
    assert load().notes == ("1 files that are no pictures were left out (.txt 1)",)


def test_mixed_sizes_are_refused_with_the_commonest_the_extremes_and_the_remedy(load, put):
    for i in range(3):
        put(f"{i}.png", np.full((8, 8), i, np.uint8))
    put("small.png", np.zeros((2, 5), np.uint8))
    put("large.png", np.zeros((9, 20), np.uint8))
    expected = (
        r"3 of 5 are 8x8 \(width x height\), the smallest is 5x2 \(small.png\), the largest is "
        r"20x9 \(large.png\); write data.size=8 "
    )
    with pytest.raises(DataError, match=expected):
        load()


def test_the_remedy_for_pictures_that_are_not_square_is_height_and_width(load, put):
    put("a.png", np.zeros((4, 6), np.uint8)), put("b.png", np.zeros((4, 6), np.uint8))
    put("c.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(DataError, match=r"data.size=\[4,6\]"):
        load()


def test_pictures_that_are_not_square_keep_their_shape(load, put):
    put("a.png", np.zeros((4, 6), np.uint8)), put("b.png", np.ones((4, 6), np.uint8))
    assert load().spec.shape == (1, 4, 6)
    assert load(size=(2, 3)).spec.shape == (1, 2, 3)
    assert load(size=2).spec.shape == (1, 2, 2)


def test_another_aspect_is_noted_with_what_was_done(load, put):
    put("a.png", np.zeros((4, 6), np.uint8)), put("b.png", np.ones((4, 4), np.uint8))
    expected = "1 of 2 pictures have another aspect and were given black edges (data.fit=pad)"
    assert expected in load(size=4, fit="pad").notes


def test_grey_among_colours_becomes_three_channels_with_a_note(load, put):
    put("a.png", np.full((1, 1), 9, np.uint8)), put("b.png", np.zeros((1, 1, 3), np.uint8))
    dataset = load()
    assert dataset.spec.shape == (3, 1, 1)
    assert "1 of 2 pictures are grey" in dataset.notes[0]


def test_color_grey_weighs_as_bt_601_and_color_rgb_repeats(load, put, only):
    """0.299 * 100 + 0.587 * 200 + 0.114 * 50 = 153.0."""
    put("a.png", np.array([[[100, 200, 50]]], np.uint8))
    np.testing.assert_array_equal(only(color="grey"), [[[153]]])
    put("a.png", np.array([[9]], np.uint8))
    np.testing.assert_array_equal(only(color="rgb"), [[[9]]] * 3)


def test_one_picture_stands_in_both_splits_with_a_note(load, put):
    put("a.png", 7)
    dataset = load()
    assert values(dataset.train) == values(dataset.test) == [7]
    assert dataset.notes == ("there is one picture: it stands in both splits",)


def test_the_split_is_seeded_disjoint_and_of_the_size_asked_for(load, put):
    for i in range(20):
        put(f"{i:02}.png", i)
    first, again, other = load(holdout=0.25), load(holdout=0.25), load(holdout=0.25, seed=1)
    assert len(first.test) == 5
    assert sorted(values(first.train) + values(first.test)) == list(range(20))
    assert values(first.test) == values(again.test) != values(other.test)


def test_the_split_is_by_hash_of_the_name_and_pictures_lie_in_order_of_their_names(load, put):
    stems = ["é", "z", "Z", "a-", "a", "a-b", "10", "9", "\U0001f600", "\uffee"]
    names = sorted(f"{stem}.png" for stem in stems)
    for level, name in enumerate(names):
        put(name, level)
    by_hash = sorted(names, key=lambda name: hashlib.sha256(f"7:{name}".encode()).digest())
    dataset = load(holdout=0.3, seed=7)
    held = sorted(map(names.index, by_hash[:3]))
    assert values(dataset.test) == held
    assert values(dataset.train) == [i for i in range(len(names)) if i not in held]


def test_blocks_are_bounded_in_number_and_join_without_a_seam(load, put, monkeypatch):
    for i in range(7):
        put(f"{'ab'[i % 2]}/{i}.png", i)
    whole = load().fingerprint
    monkeypatch.setattr(images, "BLOCK_COUNT", 2)
    entries = FolderEntries(put("a/0.png", 0).parents[1])
    blocks = list(images.read_images(entries, DataConfig()).blocks("train"))
    assert [len(x) for x, _ in blocks] == [2, 2, 2]
    assert load().fingerprint == whole


def test_adding_a_picture_moves_few_others_between_the_splits(load, put):
    for i in range(20):
        put(f"{i:02}.png", i)
    before = set(values(load(holdout=0.5).test))
    put("new.png", 99)
    after = set(values(load(holdout=0.5).test))
    assert len(before - after) <= 1


def test_all_broken_files_are_listed_at_once_up_to_ten(load, source, put):
    put("ok.png")
    for i in range(12):
        (source / f"bad{i:02}.png").write_text("no picture")
    with pytest.raises(DataError) as error:
        load()
    lines = str(error.value).splitlines()
    assert lines[0].endswith("12 of 13 pictures cannot be read:")
    assert [line.split(":")[0].strip() for line in lines[1:11]] == [
        f"bad{i:02}.png" for i in range(10)
    ]
    assert lines[11:] == [
        "  ... and 2 more",
        "mend or remove them; reverie train leaves them out with --skip-broken (data.skip_broken=true)",
    ]


def test_a_link_to_itself_among_pictures_is_listed_as_broken(load, source, put):
    put("a.png")
    (source / "self.png").symlink_to(source / "self.png")
    with pytest.raises(
        DataError, match=r"self\.png: cannot be read: Too many levels of symbolic links"
    ):
        load()


def test_skipping_broken_files_leaves_a_note(load, source, put):
    put("a/1.png", 1), put("a/2.png", 2), put("b/1.png", 3)
    (source / "b" / "bad.png").write_text("no picture")
    dataset = load(skip_broken=True)
    assert len(dataset.train) + len(dataset.test) == 3
    assert dataset.notes[-1] == "1 broken files were left out: b/bad.png"


def test_a_file_found_broken_in_decoding_keeps_the_labels_of_the_others(load, put):
    random = np.random.default_rng(0)
    for i in range(6):
        level = 10 * i
        pixels = random.integers(level, level + 10, (32, 32), dtype=np.uint8)
        put(f"train/{'ab'[i % 2]}/{i}.png", pixels)
    put("test/a/0.png", np.full((32, 32), 5, np.uint8))
    bad = put("train/a/2.png", random.integers(0, 255, (32, 32), dtype=np.uint8))
    bad.write_bytes(bad.read_bytes()[:-100])
    dataset = load(skip_broken=True)
    levels = [int(x.float().mean() // 10) for x in dataset.train.x]
    assert sorted(levels) == [0, 1, 3, 4, 5]
    assert [level % 2 for level in levels] == dataset.train.y.tolist()


def test_when_the_only_held_out_picture_is_broken_the_others_stand_in_both(load, put):
    paths = [put(f"{i}.png", np.full((32, 32), i, np.uint8)) for i in range(2)]
    held = paths[values(load().test)[0]]
    held.write_bytes(held.read_bytes()[:-30])
    dataset = load(skip_broken=True)
    assert len(dataset.train) == len(dataset.test) == 1
    assert "too few pictures are left to hold any out: both splits are the same" in dataset.notes


def test_nothing_but_broken_files_is_refused_even_when_skipping(load, source):
    (source / "a.png").write_text("x")
    with pytest.raises(DataError, match=r"1 of 1 pictures cannot be read:\n  a.png: .*\nnone is"):
        load(skip_broken=True)


def test_a_strip_is_cropped_without_growing(put, only):
    """The centre of 20,000 columns by 1 row is one pixel, which fills the square."""
    strip = np.zeros((1, 20_001), np.uint8)
    strip[0, 9_980:10_021] = 200
    put("a.png", strip)
    np.testing.assert_array_equal(only(size=64), np.full((1, 64, 64), 200))


def test_progress_reaches_its_total(put, source):
    put("a.png"), put("b.png", 1)
    seen = []
    open_dataset(DataConfig(source=str(source)), lambda *step: seen.append(step))
    assert seen[0] == ("looking at pictures", 2, 2)
    assert seen[-1] == ("reading", 2, 2)
