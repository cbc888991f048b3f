"""Folders and archives as they come: links, pipes, permissions, hostile names."""

import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from reverie.data import entries
from reverie.errors import DataError


def test_loops_of_links_end_and_every_file_is_listed_once(put, source):
    put("a/1.png"), put("b/2.png")
    (source / "a" / "up").symlink_to(source, target_is_directory=True)
    (source / "0").symlink_to(source / "b", target_is_directory=True)
    (source / "a" / "self.png").symlink_to(source / "a" / "self.png")
    assert list(entries.FolderEntries(source).names) == ["a/1.png", "a/self.png", "b/2.png"]


@pytest.mark.parametrize("files", entries.OF_A_RUN, ids=["run", "model"])
def test_what_runs_have_painted_is_no_data(files, put, source, load):
    """`train --data .` makes its run among the pictures: the data must stay what it was."""
    put("1.png"), put("2.png"), put("runs/vae/samples/1.png")
    before = [*entries.FolderEntries(source).files()]
    for name in files:
        (source / "runs" / "vae" / name).write_text("{}")
    found = entries.FolderEntries(source)
    assert list(found.names) == ["1.png", "2.png"] and len(before) == 3
    assert {name for name, *_ in found.files()} == {"1.png", "2.png"}
    assert found.notes() == ("what runs have made was left out (runs/vae)",)
    assert list(entries.FolderEntries(source / "runs" / "vae").names) == ["samples/1.png"]


def test_a_pipe_is_no_data_and_does_not_hang(tmp_path, load):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is no file and no folder; give a folder or"):
        load(tmp_path / "pipe")


def test_a_linked_folder_outside_is_followed(put, source, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    put("1.png").rename(tmp_path / "elsewhere" / "1.png")
    (source / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert list(entries.FolderEntries(source).names) == ["link/1.png"]


def test_files_are_gone_through_with_nothing_kept_of_them(source):
    """Ten thousand take less than two bytes each."""
    (source / "a").mkdir()
    for i in range(10_000):
        open(f"{source}/a/picture-{i:06}.png", "x").close()
    tracemalloc.start()
    count = sum(1 for _ in entries.FolderEntries(source).files())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 20_000


def test_links_to_nothing_and_pipes_are_broken_and_do_not_hang(put, source, load):
    put("ok.png")
    (source / "gone.png").symlink_to(source / "nowhere.png")
    os.mkfifo(source / "pipe.png")
    with pytest.raises(DataError) as error:
        load()
    assert "gone.png: cannot be read: No such file or directory" in str(error.value)
    assert "pipe.png: is no regular file" in str(error.value)


def test_a_file_that_may_not_be_read_is_named(put, load, monkeypatch):
    put("ok.png"), put("secret.png", 1)
    plain = entries._open_file

    def guarded(path):
        if path.endswith("/secret.png"):
            raise PermissionError(13, "Permission denied", path)
        return plain(path)

    monkeypatch.setattr(entries, "_open_file", guarded)
    with pytest.raises(DataError, match=r"secret.png: cannot be read: Permission denied"):
        load()


def test_a_folder_that_may_not_be_listed_is_named(put, load, monkeypatch):
    put("a/1.png")
    plain = os.scandir

    def guarded(path):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(entries.os, "scandir", guarded)
    with pytest.raises(DataError, match=r"/a: cannot be read \(Permission denied\)"):
        load()


def test_names_that_are_no_utf_8_are_read_and_reported(put, source, load):
    put("a/1.png"), put("b/2.png", 1)
    os.rename(os.fsencode(source / "a"), os.fsencode(source) + b"/\xff")
    (source / "b" / os.fsdecode(b"\xfe.png")).write_text("x")
    dataset = load(skip_broken=True)
    assert dataset.spec.classes == ("b", "\N{REPLACEMENT CHARACTER}")
    assert dataset.notes[-1].endswith("b/\N{REPLACEMENT CHARACTER}.png")


def test_a_zip_is_read_as_its_folder_would_be(pack, png, load):
    members = {"d/cat/1.png": png(1), "d/dog/2.png": png(2), "d/readme.txt": b"x"}
    members |= {f"d/cat/{i}.png": png(1) for i in range(2, 12)}
    dataset = load(pack(members, "My Pets.zip"))
    assert (dataset.name, dataset.spec.classes) == ("my-pets", ("cat", "dog"))
    for split in (dataset.train, dataset.test):
        np.testing.assert_array_equal(split.x[:, 0, 0, 0], split.y + 1)


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:\\e.png"])
def test_a_zip_with_names_that_leave_it_is_refused_and_writes_nothing(
    pack, png, load, name, tmp_path
):
    path = pack({"ok.png": png(), name: png()})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=r"1 entries have names that lead out of the archive, e.g"):
        load(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_encrypted_zip_is_refused(pack, png, load):
    path = pack({"a.png": png(), "b.png": png()})
    data = bytearray(path.read_bytes())
    # The flags lie 6 bytes into a local header and 8 bytes into a central one.
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    path.write_bytes(data)
    with pytest.raises(
        DataError, match=r"1 entries are encrypted, e.g. a.png; pack the archive wi"
    ):
        load(path)


def test_a_zip_with_a_name_marked_utf_8_that_is_not_is_refused(pack, png, load):
    path = pack({"é.png": png(), "b.png": png()})
    data = path.read_bytes()
    assert data.count("é".encode()) == 2  # in the local header and in the central one
    path.write_bytes(data.replace("é".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match=r"pictures.zip: cannot be read \('utf-8' codec can't"):
        load(path)


def test_a_zip_bomb_is_named_and_not_unpacked(pack, png, load):
    path = pack(
        {"ok.png": png(), "bomb.png": bytes(101_000_000)},
        compression=zipfile.ZIP_DEFLATED,
        compresslevel=9,
    )
    with pytest.raises(DataError, match=r"bomb.png: unpacks to 101 MB, 1,0\d\d times its packed"):
        load(path)


def test_links_in_a_zip_are_broken(pack, png, load):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with pytest.raises(DataError, match=r"link.png: is a symbolic link"):
        load(pack({"ok.png": png(), link: b"/etc/passwd"}))


def test_equal_names_in_a_zip_are_noted_and_the_last_one_is_taken(tmp_path, png, load):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a.png", png(1))
        archive.writestr("a.png", png(2))
    dataset = load(path)
    assert dataset.train.x.unique().tolist() == [2]
    assert "1 entries were replaced by later ones of the same name" in dataset.notes


def test_a_damaged_member_is_named(pack, png, load):
    path = pack({"a.png": png(1), "b.png": png(2)})
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT")] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a.png: cannot be unpacked: Bad CRC-32"):
        load(path)


def test_a_truncated_zip_is_refused(pack, png, load):
    path = pack({"a.png": png()})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(
        DataError, match=r"pictures.zip: cannot be read \(File is not a zip file\)"
    ):
        load(path)


def test_a_member_that_lies_about_its_size_takes_no_memory(pack, png, load):
    path = pack({"ok.png": png(), "a.png": png()})
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a.png: (unpacks to|takes) 4[.,]"):
        load(path)
