"""Reading weights that must be the ones a name was pinned to."""

from __future__ import annotations

import hashlib
import io
from importlib import resources
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from ..errors import DataError


def shipped(name: str, pinned: str) -> dict[str, Tensor]:
    """The tensors of an extractor that lies in the package.

    Raises:
        DataError: Its file is missing, or not the one that its name was pinned to.
    """
    file = resources.files("reverie.features").joinpath(f"{name}.safetensors")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(
            f"extractor {name}: its file cannot be read ({error.strerror}); reinstall reverie"
        ) from None
    check(name, data, pinned, "reinstall reverie")
    return safetensors.torch.load(data)


def pinned_tensors(name: str, path: Path, pinned: str, mend: str) -> dict[str, Tensor]:
    """The tensors of a file that comes as a pickle: its hash is checked before, and no object is made.

    Raises:
        DataError: As `read_pinned`.
    """
    data = read_pinned(name, path, pinned, mend)
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def read_pinned(name: str, path: Path, pinned: str, mend: str) -> bytes:
    """The bytes of a weights file outside the package; `mend` says how to get the right one.

    Raises:
        DataError: The file cannot be read, or is not the one that the name was pinned to.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"extractor {name}: {path} cannot be read ({error.strerror}); {mend}"
        ) from None
    check(name, data, pinned, mend)
    return data


def check(name: str, data: bytes, pinned: str, mend: str) -> None:
    """Refuses weights that are not the pinned ones.

    Raises:
        DataError: They are not.
    """
    digest = hashlib.sha256(data).hexdigest()
    if digest != pinned:
        raise DataError(
            f"extractor {name}: its file has SHA-256 {digest[:12]}, pinned is {pinned[:12]}; {mend}"
        )
