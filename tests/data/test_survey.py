"""A survey says of each picture what is needed, in a few bytes, however many there are."""

import shutil
import tracemalloc

import numpy as np
import pytest

from reverie.data import DataConfig, images, open_dataset, survey
from reverie.data.decode import Header
from reverie.data.entries import FolderEntries


@pytest.fixture
def many(tmp_path, monkeypatch):
    """Makes a folder of empty files that pass for pictures of one pixel."""
    monkeypatch.setattr(survey, "read_header", lambda _: Header((1, 1), "L", True, False))
    monkeypatch.setattr(images, "decode", lambda *_: np.zeros((1, 1, 1), np.uint8))

    def many(count):
        folder = tmp_path / str(count)
        for name in ("cat", "dog"):
            (folder / name).mkdir(parents=True)
        for i in range(count):
            # A Path would intern the name, and the table of these would grow.
            open(f"{folder}/{('cat', 'dog')[i % 2]}/{i:08}.png", "x").close()
        return folder

    return many


def traced(work, folder):
    """Bytes that are left of some work, and their peak: the least of two, as tables grow at times."""
    found = []
    for _ in range(2):
        tracemalloc.start()
        result = work(folder)
        found.append(tracemalloc.get_traced_memory())
        tracemalloc.stop()
        del result
    return np.min(found, axis=0)


@pytest.fixture
def growth(many):
    """Bytes a picture that are left of some work with a folder, and their peak."""
    few, count = 500, 4_500
    folders = many(few), many(count)

    def growth(work):
        small, large = (traced(work, folder) for folder in folders)
        return (large - small) / (count - few)

    return growth


def test_a_survey_keeps_forty_bytes_of_a_picture(growth):
    """Its name of 16 letters, where that ends, the header of 12 bytes, the part, the label.

    What grows by appending has up to an eighth to spare.
    """
    kept, _ = growth(lambda folder: survey.survey_images(FolderEntries(folder)))
    assert kept < (16 + 8 + 12 + 1 + 4) * 9 / 8


def test_opening_a_folder_takes_little_memory_a_picture_and_from_the_cache_next_to_none(
    growth, cache
):
    """Of the labels, 8 bytes a picture are left."""

    def cached(folder):
        return open_dataset(DataConfig(source=str(folder), resident=False))

    def decoded(folder):
        shutil.rmtree(cache / "data", ignore_errors=True)
        return cached(folder)

    assert growth(decoded)[1] < 120
    kept, peak = growth(cached)
    assert kept < 10
    assert peak < 20


def test_headers_of_one_kind_share_its_word(put):
    put("a.png", np.zeros((4, 6), np.uint8)), put("b.png", np.zeros((4, 6, 3), np.uint8))
    path = put("c.png", np.zeros((5, 5), np.uint8))
    path.with_name("bad.png").write_text("x")
    found = survey.survey_images(FolderEntries(path.parent))
    assert found.sizes() == {(6, 4): 2, (5, 5): 1}
    assert [found.modes[mode] for mode in found.readable["mode"]] == ["L", "RGB", "L"]
    assert (found.healthy, list(found.reasons())) == (3, ["bad.png"])


def test_a_broken_header_takes_no_place_in_a_split(put, source):
    for i in range(6):
        put(f"{i}.png", i)
    (source / "3.png").write_text("x")
    rows = survey.survey_images(FolderEntries(source)).rows(DataConfig(holdout=0.4))
    assert sorted([*rows["train"], *rows["test"]]) == [0, 1, 2, 4, 5]
    assert len(rows["test"]) == 2
