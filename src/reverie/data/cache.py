"""Decoded samples kept on disk, so that a source is decoded once and opened in no time after.

A folder for each (source as it is now, way of decoding): the samples and labels of both splits as
`.npy`, and `meta.json`. It is written beside and swapped in; another process waits, or finds it
whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from filelock import FileLock
from pydantic import TypeAdapter

from ..config import to_tree
from ..errors import StorageError
from ..spec import DataSpec
from ..storage import remove, sha256_of, swap_in, write_bytes
from .config import DataConfig
from .dataset import Dataset, Split
from .mapped import MappedArray
from .pour import FileSink, MemorySink, Poured, pour
from .source import SPLITS, Origin, Progress, SplitName

FORMAT = 3
RESIDENT_BYTES = 2_000_000_000
_SPEC: TypeAdapter[Any] = TypeAdapter(DataSpec)
_DECODING = ("size", "fit", "color", "holdout", "seed", "skip_broken")


def cache_root() -> Path:
    """The folder for everything decoded: `REVERIE_CACHE`, or the user's cache folder."""
    given = os.environ.get("REVERIE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("reverie"))


def open_or_build(origin: Origin, config: DataConfig, progress: Progress | None) -> Dataset:
    """The data set from the cache, decoded into it first where it is not there.

    Where the cache cannot be written, the samples are held in memory and a note says so.

    Raises:
        DataError: The source cannot be used, or is too large for memory with no cache.
    """
    folder = cache_root() / "data" / _key(origin, config)
    found = _open(folder, config)
    if found is not None:
        return found
    try:
        return _build(folder, origin, config, progress)
    except OSError as error:
        # A StorageError names a file of ours; what the person can mend is the cache's place.
        reason = str(error) if isinstance(error, StorageError) else f"{folder}: {error.strerror}"
        note = f"the cache could not be written ({reason}); samples are held in memory"
        return in_memory(origin, progress, (note,), limit=RESIDENT_BYTES)


def in_memory(
    origin: Origin, progress: Progress | None, notes: Iterable[str] = (), limit: int | None = None
) -> Dataset:
    """The data set decoded into memory; refused when it takes more than `limit` bytes."""
    source = origin.read(progress)
    sinks: dict[SplitName, MemorySink] = {s: MemorySink(source, limit) for s in SPLITS}
    poured = pour(source, sinks, progress)
    train, test = (
        Split(torch.from_numpy(sinks[split].array()), _tensor(poured.labels[split]))
        for split in SPLITS
    )
    all_notes = (*poured.notes, *notes)
    return Dataset(origin.name, source.spec, train, test, poured.fingerprint, all_notes)


def _key(origin: Origin, config: DataConfig) -> str:
    tree = {name: to_tree(config)[name] for name in _DECODING}
    # What changes nothing must not have the data decoded again.
    if origin.split:
        del tree["holdout"], tree["seed"]
    if config.size is None:
        del tree["fit"]
    files = _digest_of_files(origin.files())
    return "-".join([origin.name, _digest(origin.place), files, _digest([FORMAT, tree])])


def _digest(part: object) -> str:
    return hashlib.sha256(json.dumps(part).encode()).hexdigest()[:16]


def _digest_of_files(files: Iterable[tuple[str, int, int]]) -> str:
    """One digest of all files, whatever their order, so that none has to be held for sorting."""
    total = 0
    for name, size, changed in files:
        text = f"{name}\0{size}\0{changed}".encode("utf-8", "surrogatepass")
        total += int.from_bytes(hashlib.sha256(text).digest())
    return _digest(total)


def _build(folder: Path, origin: Origin, config: DataConfig, progress: Progress | None) -> Dataset:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        found = _open(folder, config)
        if found is None:
            _clear(folder)
            swap_in(folder, lambda beside: _write(beside, origin, progress))
            _forget_stale(folder)
            found = _open(folder, config)
    if found is None:
        raise StorageError(f"{folder}: was written and cannot be read back; is the disk failing?")
    return found


def _write(folder: Path, origin: Origin, progress: Progress | None) -> None:
    folder.mkdir()
    source = origin.read(progress)
    with (folder / "train.x.npy").open("wb") as train, (folder / "test.x.npy").open("wb") as test:
        sinks: dict[SplitName, FileSink] = {
            "train": FileSink(train, source),
            "test": FileSink(test, source),
        }
        poured = pour(source, sinks, progress)
    for split in SPLITS:
        labels = poured.labels[split]
        if labels is not None:
            np.save(folder / f"{split}.y.npy", labels, allow_pickle=False)
    files = {file.name: _stamp(file) for file in sorted(folder.iterdir())}
    meta = _meta(origin, source.spec, poured) | {"files": files}
    write_bytes(folder / "meta.json", json.dumps(meta, indent=2).encode())


def _meta(origin: Origin, spec: Any, poured: Poured) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": origin.name,
        "place": origin.place,
        "spec": to_tree(spec),
        "fingerprint": poured.fingerprint,
        "notes": list(poured.notes),
    }


def _open(folder: Path, config: DataConfig) -> Dataset | None:
    """The data set in a cache folder; None when it is absent, damaged or of another format."""
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        files: dict[str, dict[str, Any]] = meta["files"]
        resident = config.resident
        if resident is None:
            resident = sum(file["size"] for file in files.values()) <= RESIDENT_BYTES
        if not all(_is_whole(folder / name, file, resident) for name, file in files.items()):
            return None
        train, test = (_open_split(folder, split, resident, files) for split in SPLITS)
        spec = _SPEC.validate_json(json.dumps(meta["spec"]))
        notes = tuple(meta["notes"])
        return Dataset(meta["name"], spec, train, test, meta["fingerprint"], notes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _stamp(file: Path) -> dict[str, Any]:
    """What a file of the cache is known by."""
    state = file.stat()
    return {"size": state.st_size, "changed": state.st_mtime_ns, "sha256": sha256_of(file)}


def _is_whole(file: Path, stamp: dict[str, Any], resident: bool) -> bool:
    """Whether a file is what was written: by its SHA-256 where it is read as a whole, else by its time."""
    state = file.stat()
    if state.st_size != stamp["size"]:
        return False
    return (
        sha256_of(file) == stamp["sha256"] if resident else state.st_mtime_ns == stamp["changed"]
    )


def _open_split(folder: Path, split: str, resident: bool, files: Container[str]) -> Split:
    path = folder / f"{split}.x.npy"
    labels = None
    if f"{split}.y.npy" in files:
        labels = np.load(folder / f"{split}.y.npy", allow_pickle=False)
    if resident:
        return Split(torch.from_numpy(np.load(path, allow_pickle=False)), _tensor(labels))
    view = np.load(path, mmap_mode="r", allow_pickle=False)
    file = MappedArray(path, path.stat().st_size - view.nbytes, view.shape, view.dtype)
    return Split(file.x, _tensor(labels), file)


def _tensor(labels: np.ndarray | None) -> torch.Tensor | None:
    return None if labels is None else torch.from_numpy(labels)


def _clear(folder: Path) -> None:
    """Removes a damaged cache and what killed processes left of it; its lock must be held."""
    remove(folder)
    for part in folder.parent.glob(f".{folder.name}.*.part"):
        remove(part)


def _forget_stale(folder: Path) -> None:
    """Removes what was decoded from the same place when its files were others."""
    name, place, files, _ = folder.name.rsplit("-", 3)
    for other in folder.parent.glob(f"{name}-{place}-*"):
        if other.is_dir() and not other.name.startswith(f"{name}-{place}-{files}-"):
            remove(other)
