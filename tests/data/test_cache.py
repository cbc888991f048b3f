"""A source is decoded once; what is in the cache is whole, fresh, or made anew."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from reverie.data import DataConfig, Split, images, open_dataset
from reverie.data import cache as caching
from reverie.errors import DataError


@pytest.fixture
def decoded(monkeypatch):
    """The number of pictures decoded so far, in a list of one."""
    count = [0]
    plain = images.decode

    def counting(*arguments):
        count[0] += 1
        return plain(*arguments)

    monkeypatch.setattr(images, "decode", counting)
    return count


@pytest.fixture
def four(put):
    for i in range(4):
        put(f"{'ab'[i % 2]}/{i}.png", i * 10)


def same(a, b):
    return (
        a.fingerprint == b.fingerprint
        and a.spec == b.spec
        and a.notes == b.notes
        and all(
            torch.equal(x.x, y.x) and torch.equal(x.y, y.y)
            for x, y in ((a.train, b.train), (a.test, b.test))
        )
    )


def folders(cache):
    return sorted(p for p in (cache / "data").iterdir() if p.is_dir())


def test_the_second_opening_decodes_nothing_and_gives_the_same(four, load, decoded):
    first, second = load(), load()
    assert decoded == [4]
    assert same(first, second)


def test_the_mapped_samples_are_the_resident_ones(four, load):
    resident, mapped = load(resident=True), load(resident=False)
    assert (resident.train.mapped, mapped.train.mapped) == (False, True)
    assert same(resident, mapped)


def test_by_default_what_takes_more_than_the_limit_is_mapped(four, load, monkeypatch):
    assert not load().train.mapped
    monkeypatch.setattr(caching, "RESIDENT_BYTES", 10)
    assert load().train.mapped


def test_a_changed_a_new_and_a_removed_file_are_noticed(four, load, put, decoded):
    first = load().fingerprint
    path = put("a/0.png", 99)
    changed = load()
    assert changed.fingerprint != first
    path.unlink()
    assert len(load().train) + len(load().test) == 3
    put("a/0.png", 0)
    assert load().fingerprint == first


def test_a_file_of_equal_size_that_was_touched_is_decoded_again(four, load, source, decoded):
    load()
    os.utime(source / "a" / "0.png", ns=(1, 1))
    load()
    assert decoded == [8]


def test_each_way_of_decoding_is_kept_but_old_files_are_forgotten(four, load, put, cache):
    load(), load(size=2), load(flip=True, resident=False)
    assert len(folders(cache)) == 2
    put("a/0.png", 99)
    load()
    assert len(folders(cache)) == 1


@pytest.mark.parametrize("name", ["train.x.npy", "test.x.npy", "train.y.npy", "meta.json"])
@pytest.mark.parametrize("fault", ["truncated", "missing", "emptied"])
def test_a_damaged_cache_is_made_anew(four, load, cache, decoded, name, fault):
    first = load()
    (folder,) = folders(cache)
    data = (folder / name).read_bytes()
    if fault == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(data[: len(data) - 7] if fault == "truncated" else b"")
    assert same(first, load())
    assert decoded == [8]


@pytest.mark.parametrize("resident", [True, False])
def test_a_cache_that_was_altered_is_made_anew(four, load, cache, decoded, resident):
    """Its size is as before: what is read as a whole is known by its SHA-256, the rest by its time."""
    first = load(resident=True)
    (folder,) = folders(cache)
    path = folder / "train.x.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert same(first, load(resident=resident))
    assert decoded == [8]


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"files": 3}', '{"files": {"a": "b"}}'])
def test_a_cache_whose_record_is_nonsense_is_made_anew(four, load, cache, text):
    first = load()
    (folder,) = folders(cache)
    (folder / "meta.json").write_text(text)
    assert same(first, load())


def test_a_refused_source_leaves_nothing_behind(four, load, source, cache):
    (source / "a" / "bad.png").write_text("x")
    with pytest.raises(DataError):
        load()
    assert folders(cache) == []


def test_a_cache_that_cannot_be_written_costs_a_note_and_not_the_data(
    four, load, tmp_path, monkeypatch
):
    first = load()
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "file" / "cache"))
    second = load()
    assert second.fingerprint == first.fingerprint
    assert torch.equal(second.train.x, first.train.x)
    assert "the cache could not be written (" in second.notes[0]
    assert second.notes[0].endswith("Not a directory); samples are held in memory")


def test_without_a_cache_what_is_too_large_for_memory_is_refused(
    four, load, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(caching, "RESIDENT_BYTES", 10)
    with pytest.raises(DataError, match="set REVERIE_CACHE to a folder with room"):
        load()


def test_the_samples_are_plain_npy_that_need_no_pickle(four, load, cache):
    dataset = load()
    (folder,) = folders(cache)
    np.testing.assert_array_equal(np.load(folder / "train.x.npy"), dataset.train.x)
    np.testing.assert_array_equal(np.load(folder / "train.y.npy"), dataset.train.y)
    assert json.loads((folder / "meta.json").read_text())["fingerprint"] == dataset.fingerprint


def test_the_fingerprint_depends_on_samples_and_labels_and_not_on_the_place(put, load, source):
    for i in range(4):
        put(f"a/{i}.png", i), put(f"b/{i}.png", i + 10)
    first = load()
    moved = source.with_name("moved")
    source.rename(moved)
    assert load(moved).fingerprint == first.fingerprint
    (moved / "a").rename(moved / "z")
    assert load(moved).fingerprint != first.fingerprint


def test_two_processes_at_once_find_one_whole_cache(four, source, cache):
    """Both wait for one lock; the one that comes second finds the work done."""
    script = (
        "import sys; from reverie.data import DataConfig, open_dataset\n"
        "print(open_dataset(DataConfig(source=sys.argv[1])).fingerprint)"
    )
    command = [sys.executable, "-c", script, str(source)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert printed == {open_dataset(DataConfig(source=str(source))).fingerprint}
    assert len(folders(cache)) == 1


def test_many_blocks_are_stored_as_one(load, tmp_path, monkeypatch):
    from reverie.data import rowfile

    monkeypatch.setattr(rowfile, "BLOCK_BYTES", 10)
    x = np.arange(300, dtype=np.uint8).reshape(100, 1, 3)
    np.save(tmp_path / "x.npy", x)
    dataset = load(tmp_path / "x.npy")
    stored = torch.cat([dataset.train.x, dataset.test.x]).flatten(1).tolist()
    assert sorted(stored) == sorted(x.reshape(100, 3).tolist())


def test_rows_of_a_resident_split_are_the_samples_asked_for():
    split = Split(torch.arange(12).view(4, 3))
    assert split.rows(torch.tensor([2, 0, 2])).tolist() == [[6, 7, 8], [0, 1, 2], [6, 7, 8]]


def test_half_written_caches_are_removed_but_not_those_of_others(four, load, cache):
    load()
    (folder,) = folders(cache)
    (folder / "meta.json").unlink()
    mine = folder.with_name(f".{folder.name}.123.part")
    others = folder.with_name(".other-data.123.part")
    mine.mkdir(), others.mkdir()
    load()
    assert (mine.exists(), others.exists()) == (False, True)


def test_a_full_disk_costs_a_note_and_leaves_nothing_behind(four, load, cache, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.np, "save", full)
    dataset = load()
    assert len(dataset.train) + len(dataset.test) == 4
    assert "not written, the disk is full (" in dataset.notes[0]
    assert [p for p in (cache / "data").iterdir() if p.suffix != ".lock"] == []


def test_options_that_change_nothing_do_not_decode_again(four, load, decoded, mnist, mnist_cache):
    """MNIST has its own test split, and `fit` means nothing without a size."""
    load(), load(fit="pad"), load(flip=True)
    assert decoded == [4]
    before = folders(mnist_cache)
    open_dataset(DataConfig(seed=3, holdout=0.5))
    assert folders(mnist_cache) == before
