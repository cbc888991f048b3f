"""Files that are whole or absent: written beside, forced to disk, then swapped in."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ModelFileError, StorageError

if TYPE_CHECKING:
    from torch import Tensor


PART = re.compile(r"\..*\.(\d+)\.part")
"""How a file is called while the process of that number writes it."""


def write_bytes(path: Path, data: bytes) -> None:
    """Replaces `path` by `data` in one step; a crash leaves the old file or the new one.

    Raises:
        StorageError: The disk is full or the folder cannot be written; the old file is intact.
    """
    swap_in(path, lambda beside: beside.write_bytes(data))


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for text, as UTF-8."""
    write_bytes(path, text.encode())


def swap_in(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a file or folder beside `path`, forces it to disk and renames it.

    A folder may only take a name that is free. Raises `StorageError` as `write_bytes` does.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        for file in sorted(beside.iterdir()) if beside.is_dir() else []:
            _force(file)
        _force(beside)
        beside.replace(path)
        _force(path.parent)
    except OSError as error:
        raise StorageError(_reason(path, error)) from error
    finally:
        # Where nothing may be written nothing can be removed, and why it was not written says more.
        with suppress(OSError):
            remove(beside)


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process left half written, here or in safetensors' own temporary file."""
    for part in [*half_written(folder), *folder.glob(".tmp??????")]:
        remove(part)


def half_written(folder: Path) -> set[Path]:
    """What a process that was killed left of its own writing; what another still writes is not of it."""
    parts = ((part, PART.fullmatch(part.name)) for part in folder.glob(".*.part"))
    return {part for part, named in parts if named and not _lives(int(named[1]))}


def _lives(process: int) -> bool:
    """Whether another process of this number is there; No where asking would end it, as on Windows."""
    if process == os.getpid() or os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another person's
        pass
    return True


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _force(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows has no way to force a folder
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(path: Path, error: OSError) -> str:
    kept = (
        f"{path.name} as it was before is intact" if path.exists() else "nothing was left behind"
    )
    if error.errno == errno.EFBIG:
        return f"{path}: not written, files of this size are not allowed here (ulimit -f); {kept}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        there = next(parent for parent in path.absolute().parents if parent.exists())
        free = shutil.disk_usage(there).free / 1e6
        return f"{path}: not written, the disk is full ({free:.0f} MB free); {kept}"
    return f"{path}: not written ({error.strerror or error}); {kept}"


def seal(tree: dict[str, object]) -> bytes:
    """JSON that carries the SHA-256 of its own content, in the one form that `unseal` accepts."""
    body = json.dumps(tree, indent=2, sort_keys=True, allow_nan=False)
    return json.dumps(
        {**tree, "seal": hashlib.sha256(body.encode()).hexdigest()}, indent=2, sort_keys=True
    ).encode()


def unseal(path: Path) -> dict[str, Any]:
    """Reads what `seal` wrote; a single changed byte is refused.

    Raises:
        ModelFileError: The file is missing, truncated, altered or no sealed JSON.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        tree = json.loads(data)
        given = tree.pop("seal")
        whole = seal(tree) == data and isinstance(given, str)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        whole = False
        tree = {}
    if not whole:
        raise ModelFileError(f"{path}: altered or truncated (its seal does not match)")
    return tree


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes a safetensors file.

    Raises:
        OSError: As any write does; safetensors itself hides the number in its text.
    """
    import safetensors.torch
    from safetensors import SafetensorError

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        safetensors.torch.save_file(whole, path)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
    path.chmod(0o644)  # safetensors makes files that only their owner can read


def read_tensors(path: Path, digest: object) -> dict[str, Tensor]:
    """Reads a safetensors file whose SHA-256 is known.

    Raises:
        ModelFileError: The file is missing, truncated or altered.
    """
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelFileError(f"{path}: altered or truncated (its SHA-256 does not match)")
    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise ModelFileError(f"{path}: not a safetensors file ({error})") from None
