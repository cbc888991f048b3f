"""Files are whole or absent, and altered ones are refused."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reverie.errors import ModelFileError, StorageError
from reverie.storage import (
    read_tensors,
    remove,
    remove_leftovers,
    save_tensors,
    seal,
    sha256_of,
    swap_in,
    unseal,
    write_bytes,
    write_text,
)

TREE = {
    "name": "vae",
    "step": 3,
    "shape": [1, 28.5],
    "deep": {"none": None, "yes": True},
    "word": "ä",
}


def full(path):
    """Writes half and then finds the disk full."""
    path.write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "folders" / "file"
    write_text(path, "grün")
    assert path.read_bytes() == "grün".encode()
    write_bytes(path, b"again")
    assert path.read_bytes() == b"again"
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(
        StorageError, match=r"file: not written, the disk is full \(\d+ MB free\); file as it was"
    ):
        swap_in(path, full)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_removed_either_the_file_is_named_and_not_its_part(
    tmp_path, monkeypatch
):
    """As on a disk that has turned read-only: removing what is not there is refused as well."""

    def refuse(self, *more):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    for name in ("write_bytes", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(StorageError, match=r"file: not written \(Read-only file system\)"):
        write_bytes(tmp_path / "file", b"new")


def test_a_writer_that_fails_first_leaves_nothing(tmp_path):
    with pytest.raises(StorageError, match="nothing was left behind"):
        swap_in(tmp_path / "file", full)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_that_refuses_the_folder_is_named(tmp_path, monkeypatch):
    def refuse(path, **how):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    with pytest.raises(StorageError, match=r"the disk is full \(\d+ MB free\)"):
        write_bytes(tmp_path / "new" / "deeper" / "file", b"x")


def test_a_bug_in_a_writer_leaves_the_old_file_too(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def broken(beside):
        beside.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        swap_in(path, broken)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_the_old_file_stands_until_the_new_one_is_on_the_disk(tmp_path, monkeypatch):
    """At every fsync before the rename the old content is still there: a crash then loses nothing."""
    path, seen, fsync = tmp_path / "file", [], os.fsync
    write_bytes(path, b"old")
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (seen.append(path.read_bytes()), fsync(descriptor))
    )
    write_bytes(path, b"new")
    assert seen == [b"old", b"new"]  # the file before its rename, the folder after it


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="not written"):
        write_bytes(tmp_path / "file" / "inside", b"x")


def test_a_folder_is_swapped_in_whole(tmp_path):
    def fill(beside):
        beside.mkdir()
        (beside / "a").write_bytes(b"a")
        assert not (tmp_path / "folder").exists()

    swap_in(tmp_path / "folder", fill)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["a"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".model.json.99999999.part").write_bytes(b"half")
    (tmp_path / ".step-1.99999999.part").mkdir()
    (tmp_path / ".step-1.99999999.part" / "x").write_bytes(b"half")
    for name in ("model.json", ".lock", "notes.part"):
        (tmp_path / name).write_bytes(b"kept")
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "model.json", "notes.part"]


def test_removing_a_link_leaves_what_it_points_to(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    remove(tmp_path / "link")
    assert (tmp_path / "data" / "x").exists() and not (tmp_path / "link").is_symlink()
    remove(tmp_path / "data")
    remove(tmp_path / "data")  # again, when it is gone
    assert not (tmp_path / "data").exists()


# ---- seals


def test_a_sealed_tree_comes_back(tmp_path):
    path = tmp_path / "sealed.json"
    path.write_bytes(seal(TREE))
    assert unseal(path) == TREE


def test_every_single_changed_byte_is_refused(tmp_path):
    """Each byte in turn becomes another: digits, names, spaces, the seal itself."""
    path, data = tmp_path / "sealed.json", seal(TREE)
    accepted = []
    for place in range(len(data)):
        for change in (1, 0x20, 0x80):
            altered = bytearray(data)
            altered[place] ^= change
            path.write_bytes(altered)
            try:
                unseal(path)
                accepted.append((place, change))
            except ModelFileError:
                pass
    assert not accepted


@pytest.mark.parametrize("length", [0, 1, 10, -1])
def test_a_truncated_seal_is_refused(tmp_path, length):
    path = tmp_path / "sealed.json"
    path.write_bytes(seal(TREE)[:length])
    with pytest.raises(ModelFileError, match="altered or truncated"):
        unseal(path)


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"3",
        b"null",
        b'"seal"',
        b"{}",
        b'{"seal": 3}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": NaN, "seal": ""}',
    ],
    ids=lambda data: data[:8].decode("latin-1"),
)
def test_what_is_no_sealed_json_is_refused(tmp_path, data):
    path = tmp_path / "sealed.json"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="altered or truncated"):
        unseal(path)


def test_another_form_of_the_same_json_is_refused(tmp_path):
    """One form only, so that no byte can differ unnoticed."""
    path = tmp_path / "sealed.json"
    path.write_bytes(json.dumps(json.loads(seal(TREE))).encode())
    with pytest.raises(ModelFileError):
        unseal(path)


def test_a_missing_file_is_named(tmp_path):
    for read in (unseal, lambda path: read_tensors(path, "")):
        with pytest.raises(ModelFileError, match=r"absent: cannot be read \(No such file"):
            read(tmp_path / "absent")


def test_what_json_cannot_say_is_not_sealed():
    with pytest.raises(ValueError, match="not JSON compliant"):
        seal({"loss": float("nan")})


# ---- tensors


def test_tensors_come_back_and_any_change_is_refused(tmp_path):
    path, tensors = (
        tmp_path / "x.safetensors",
        {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([True])},
    )
    save_tensors(tensors, path)
    digest = sha256_of(path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    back = read_tensors(path, digest)
    assert back.keys() == tensors.keys() and all(torch.equal(back[n], tensors[n]) for n in tensors)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="SHA-256 does not match"):
        read_tensors(path, digest)


def test_tensors_of_any_layout_are_saved(tmp_path):
    """Channels-last weights and transposed views, which safetensors refuses as they are."""
    path = tmp_path / "x.safetensors"
    weight = torch.arange(24.0).reshape(2, 3, 2, 2)
    save_tensors(
        {"last": weight.to(memory_format=torch.channels_last), "view": weight[0, 0].T}, path
    )
    back = read_tensors(path, sha256_of(path))
    assert torch.equal(back["last"], weight) and torch.equal(back["view"], weight[0, 0].T)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"junk")
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        read_tensors(path, sha256_of(path))


@pytest.mark.parametrize("digest", [None, 3, "", "0" * 64])
def test_tensors_without_their_digest_are_refused(tmp_path, digest):
    path = tmp_path / "x.safetensors"
    save_tensors({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelFileError, match="SHA-256"):
        read_tensors(path, digest)


def test_what_a_living_process_writes_is_no_leftover(tmp_path):
    """A second process may write a picture into a folder that this one has locked."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        for process in (dead.pid, alive.pid, os.getpid()):
            (tmp_path / f".x.png.{process}.part").touch()
        remove_leftovers(tmp_path)
        alive.communicate()
    assert [path.name for path in tmp_path.iterdir()] == [f".x.png.{alive.pid}.part"]
