"""From what a person wrote as `data.source` to a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigError, DataError, did_you_mean
from .arrays import read_arrays
from .cache import in_memory, open_or_build
from .config import DataConfig
from .dataset import Dataset
from .embedded import SHA256, read_mnist
from .entries import FolderEntries, ZipEntries, is_picture_name, printable
from .idx import idx_files, is_idx_folder, read_idx
from .images import read_images
from .rowfile import reading
from .source import Origin, Progress, Source, slug
from .stack import refuse_options
from .toys import read_grid, read_ring, read_sprites

NAMES = ("mnist", "ring", "grid", "sprites")
READ = "give a folder or .zip of pictures, an IDX file or folder, a .npy or a .npz"


def open_dataset(config: DataConfig, progress: Progress | None = None) -> Dataset:
    """Opens the data, decoding it into the user's cache the first time.

    Arguments:
        config: What to open and how.
        progress: Is told what is being done, how many samples are done, and of how many.

    Raises:
        ConfigError: `config.source` is empty.
        DataError: The data is not there or cannot be used as it is; the message says what to do.
    """
    origin = find(config)
    dataset = (open_or_build if origin.kept else _in_memory)(origin, config, progress)
    # What was decoded before knows nothing of options that are no part of decoding.
    refuse_options(config, dataset.spec.shape, origin.place)
    return dataset


def absolute(source: str) -> str:
    """The source as it is found from any working folder: a name as it is, a path from the root.

    Raises:
        ConfigError: It is empty.
        DataError: No system takes such a path, or settings cannot carry it.
    """
    path = path_of(source)
    with reading(source):
        return carried(source if source in NAMES or not path.exists() else str(path))


def carried(path: str) -> str:
    """The same path, which settings can carry.

    Raises:
        DataError: They cannot.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{printable(path)}: a path that is not UTF-8, and settings are written in that; rename it, "
            "or give a link to it"
        ) from None
    return path


def stated(source: str) -> str:
    """The source as it was given, which an unset variable leaves empty.

    Raises:
        ConfigError: It is empty.
        DataError: Settings cannot carry it.
    """
    if not source:
        raise ConfigError(f"data.source is empty; give a path, or one of {', '.join(NAMES)}")
    return carried(source)


def path_of(source: str) -> Path:
    """A source as a path from the root; `~` is the home folder, but a plain name where none is known.

    Raises:
        ConfigError: It is empty.
    """
    # Path.expanduser would raise RuntimeError of a home that is not known.
    return Path(os.path.abspath(os.path.expanduser(stated(source))))


def find(config: DataConfig) -> Origin:
    """Where the data lies and who reads it.

    Raises:
        ConfigError: `config.source` is empty.
        DataError: There is nothing by that name, or it is of no kind that is read.
    """
    name = config.source
    if name == "mnist":
        pinned = [(file, 0, int(digest[:12], 16)) for file, digest in SHA256.items()]
        return Origin(name, name, lambda: pinned, lambda _: read_mnist(config), split=True)
    if name in NAMES:
        reader = {"ring": read_ring, "grid": read_grid, "sprites": read_sprites}[name]
        return Origin(name, name, tuple, lambda _: reader(config), kept=False)
    path = path_of(name)
    with reading(name):
        if not path.exists():
            raise DataError(_not_there(name, path))
        if not (path.is_dir() or path.is_file()):  # reading a pipe would wait for who writes it
            raise DataError(f"{path}: is no file and no folder; {READ}")
        return _find_folder(path, config) if path.is_dir() else _find_file(path, config)


def _in_memory(origin: Origin, config: DataConfig, progress: Progress | None) -> Dataset:
    return in_memory(origin, progress)


def _find_folder(path: Path, config: DataConfig) -> Origin:
    if is_idx_folder(path):
        return _origin(path, idx_files(path), lambda _: read_idx(path, config))

    def read(progress: Progress | None) -> Source:
        # Listed anew, so that no name outlives the reading.
        return read_images(FolderEntries(path), config, progress)

    files = FolderEntries(path).files
    return Origin(slug(path.name), str(path), files, read, entries=lambda: FolderEntries(path))


def _find_file(path: Path, config: DataConfig) -> Origin:
    with path.open("rb") as file:
        head = file.read(8)
    suffix = path.suffix.lower()
    if suffix == ".npz" or head.startswith(b"\x93NUMPY") or suffix == ".npy":
        return _origin(path, [path], lambda _: read_arrays(path, config))
    if head.startswith(b"PK") or suffix == ".zip":
        origin = _origin(path, [path], lambda p: read_images(ZipEntries(path), config, p))
        return replace(origin, entries=lambda: ZipEntries(path))
    if _looks_like_idx(path, head):
        return _origin(path, idx_files(path), lambda _: read_idx(path, config))
    raise DataError(_unknown(path))


def _looks_like_idx(path: Path, head: bytes) -> bool:
    named = "idx" in path.name.lower() or "ubyte" in path.name.lower()
    packed = head.startswith(b"\x1f\x8b") and ".tar" not in path.name and path.suffix != ".tgz"
    return named or packed or head[:3] == b"\0\0\x08"


def _unknown(path: Path) -> str:
    if ".tar" in path.name.lower() or path.suffix.lower() == ".tgz":
        return f"{path}: tar archives are not read; unpack it, or pack the pictures as .zip"
    if is_picture_name(path.name):
        return f"{path}: is one picture; give the folder that holds your pictures"
    return f"{path}: is no kind of data that is read; {READ}"


def _origin(
    path: Path, files: Sequence[Path], read: Callable[[Progress | None], Source]
) -> Origin:
    stats = [(file.name, file.stat()) for file in files]
    listed = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return Origin(slug(path.name), str(path), lambda: listed, read)


def _not_there(name: str, path: Path) -> str:
    if path.is_symlink():
        return f"data.source={name}: is a link to nothing, or to itself; give a path that exists"
    siblings: list[str] = []
    if path.parent.is_dir():
        prefix = name[: len(name) - len(path.name)] if name.endswith(path.name) else ""
        siblings = [prefix + entry.name for entry in path.parent.iterdir()]
    hint = did_you_mean(name, [*NAMES, *siblings])
    if not hint.startswith("did"):
        hint = f"give a path that exists, or one of {', '.join(NAMES)}"
    return f"data.source={name}: there is no such file, folder or data set; {hint}"
