"""Named files in a folder or a zip archive, seen alike. An archive is read, never extracted."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from ..errors import DataError
from .names import Names, in_order
from .rowfile import UNREADABLE, reading, reason_of

PICTURE_ENDINGS = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .webp .bmp .dib .gif .tif .tiff".split()
)
NUISANCES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
LARGEST_BYTES = 1 << 30
BOMB_BYTES = 100_000_000
BOMB_RATIO = 200
OF_A_RUN = (("config.json", "provenance.json"), ("model.json", "model.safetensors"))
"""Files that stand together in every run, from its start and of its model."""


class BrokenFileError(Exception):
    """One file cannot be used; the text is the reason, without the name."""


class Entries(Protocol):
    """Pictures by name: names are relative, with `/` between folders, and sorted."""

    @property
    def where(self) -> str:
        """The folder or archive, for messages."""
        ...

    @property
    def names(self) -> Names:
        """Of every picture, broken or not, but what operating systems leave behind."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """The file, to be read from its start; raises `BrokenFileError`."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the listing."""
        ...


def is_picture_name(name: str) -> bool:
    """Whether the name ends as pictures do."""
    return PurePosixPath(name).suffix.lower() in PICTURE_ENDINGS


def printable(name: str) -> str:
    """A name that any terminal and JSON can carry, whatever bytes the file system holds."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )


class FolderEntries:
    """The pictures below a folder. Each real folder is listed once, so loops of links end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = str(folder)

    @property
    def names(self) -> Names:
        """Of every picture, broken or not; the folder is listed when they are first asked for."""
        return self._listed[0]

    def files(self) -> Iterator[tuple[str, int, int]]:
        """Name, bytes and time of change of each file below, as they come; nothing is kept."""
        return ((name, *_stamp(entry)) for name, entry in _walk(self._folder))

    def open(self, name: str) -> IO[bytes]:
        """The file, to be read from its start; raises `BrokenFileError`."""
        # A Path would intern the name, in a table that keeps the size of its fullest hour.
        path = os.path.join(self.where, name)
        try:
            status = os.stat(path)
            # Opening a pipe would wait forever for somebody to write.
            if not stat.S_ISREG(status.st_mode):
                raise BrokenFileError("is no regular file")
            _refuse_large(status.st_size)
            return _open_file(path)
        except OSError as error:
            raise BrokenFileError(f"cannot be read: {reason_of(error)}") from error

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the listing."""
        _, others, runs = self._listed
        return (*_other_files(others), *_runs_among(runs))

    @cached_property
    def _listed(self) -> tuple[Names, Counter[str], list[str]]:
        runs: list[str] = []
        return *_pictures(name for name, _ in _walk(self._folder, runs)), runs


class ZipEntries:
    """The pictures in a zip archive, read into memory one by one.

    Raises:
        DataError: It is damaged or encrypted, or has names that leave the archive.
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        with reading(self.where):
            self._zip = zipfile.ZipFile(path)
        members = [m for m in self._zip.infolist() if not m.is_dir()]
        _refuse_unsafe(self.where, [m.filename for m in members])
        kept = [m for m in members if not _is_nuisance(_parts(m.filename))]
        self._members = {_plain(m.filename): m for m in kept}
        self._doubles = len(kept) - len(self._members)
        self._refuse_encrypted()
        self.names, self._others = _pictures(self._members)

    def open(self, name: str) -> IO[bytes]:
        """The file, to be read from its start; raises `BrokenFileError`."""
        member = self._members[name]
        if stat.S_ISLNK(member.external_attr >> 16):
            raise BrokenFileError("is a symbolic link, archives must hold the files themselves")
        ratio = member.file_size / max(member.compress_size, 1)
        if member.file_size > BOMB_BYTES and ratio > BOMB_RATIO:
            raise BrokenFileError(
                f"unpacks to {member.file_size / 1e6:,.0f} MB, {ratio:,.0f} times its packed "
                f"size; the limit is {BOMB_RATIO} times"
            )
        _refuse_large(member.file_size)
        try:
            return io.BytesIO(self._zip.read(member))
        except UNREADABLE as error:
            raise BrokenFileError(f"cannot be unpacked: {reason_of(error)}") from error

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the listing."""
        doubles = f"{self._doubles} entries were replaced by later ones of the same name"
        return (*((doubles,) if self._doubles else ()), *_other_files(self._others))

    def _refuse_encrypted(self) -> None:
        locked = [name for name, member in self._members.items() if member.flag_bits & 1]
        if locked:
            raise DataError(
                f"{self.where}: {len(locked)} entries are encrypted, e.g. "
                f"{printable(min(locked))}; pack the archive without a password"
            )


def _open_file(path: str) -> IO[bytes]:
    return open(path, "rb")


def _walk(folder: Path, runs: list[str] | None = None) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Each file below with its name, in the order the system lists them.

    What runs have painted is no data, and a run that is made among the data must leave it as it was:
    folders of runs are passed over, and their names added to `runs`.
    """
    seen: set[tuple[int, int]] = set()
    # Real folders are listed before links to them, so that a file has its plainest name.
    real, links = [("", folder)], []
    while real or links:
        prefix, here = (real or links).pop()
        folders: list[tuple[str, bool]] = []
        if prefix and _is_run(here):
            if runs is not None:
                runs.append(prefix.rstrip("/"))
            continue
        with reading(str(here)):
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as found:
                for child in found:
                    if _is_nuisance((child.name,)):
                        continue
                    if _is_folder(child):
                        folders.append((child.name, child.is_symlink()))
                    else:
                        yield prefix + child.name, child
        for name, linked in sorted(folders, reverse=True):
            (links if linked else real).append((f"{prefix}{name}/", here / name))


def _is_run(folder: Path) -> bool:
    return any(all((folder / name).is_file() for name in names) for names in OF_A_RUN)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _stamp(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:  # a link to nothing: reported as broken when it is opened
        return -1, 0
    return status.st_size, status.st_mtime_ns


def _is_nuisance(parts: Iterable[str]) -> bool:
    return any(part.startswith(".") or part.lower() in NUISANCES for part in parts)


def _plain(name: str) -> str:
    return "/".join(part for part in _parts(name) if part not in ("", "."))


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part != "."]


def _refuse_unsafe(where: str, names: list[str]) -> None:
    unsafe = [n for n in names if ".." in _parts(n) or n[:1] in ("/", "\\") or n[1:2] == ":"]
    if unsafe:
        raise DataError(
            f"{where}: {len(unsafe)} entries have names that lead out of the archive, e.g. "
            f"{printable(unsafe[0])}; the archive may be hostile, pack it anew"
        )


def _refuse_large(size: int) -> None:
    if size > LARGEST_BYTES:
        raise BrokenFileError(f"takes {size / 1e9:,.1f} GB, the limit for one file is 1 GB")


def _pictures(names: Iterable[str]) -> tuple[Names, Counter[str]]:
    """The names of pictures, sorted, and how often the others end in what."""
    others: Counter[str] = Counter()

    def kept() -> Iterator[str]:
        for name in names:
            if is_picture_name(name):
                yield name
            else:
                others[PurePosixPath(name).suffix.lower() or "no ending"] += 1

    return in_order(kept()), others


def _runs_among(runs: list[str]) -> tuple[str, ...]:
    if not runs:
        return ()
    named = ", ".join(printable(name) for name in runs[:3]) + (", ..." if len(runs) > 3 else "")
    return (f"what runs have made was left out ({named})",)


def _other_files(endings: Counter[str]) -> tuple[str, ...]:
    if not endings:
        return ()
    often = sorted(endings.items(), key=lambda item: (-item[1], item[0]))[:5]
    kinds = ", ".join(f"{printable(end)} {count}" for end, count in often)
    return (f"{endings.total()} files that are no pictures were left out ({kinds})",)
