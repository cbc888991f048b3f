"""MNIST, which comes with the package: four IDX files, packed by `scripts/pack_mnist.py`."""

from __future__ import annotations

import hashlib
import io
import lzma
from importlib.resources import files

from ..errors import DataError
from .config import DataConfig
from .idx import idx_rows, idx_stack
from .rowfile import UNREADABLE, RowFile
from .stack import StackSource

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of each file, unpacked."""


def read_mnist(config: DataConfig) -> StackSource:
    """The 60,000 training and 10,000 test digits.

    Raises:
        DataError: A packed file is missing, damaged or altered.
    """
    train, test = (
        idx_stack(_rows(f"{split}-images-idx3-ubyte", 3), _rows(f"{split}-labels-idx1-ubyte", 1))
        for split in ("train", "t10k")
    )
    return StackSource(config, train, test)


def unpack(name: str) -> bytes:
    """One IDX file, unpacked and checked.

    Raises:
        DataError: It is missing, damaged or altered.
    """
    where = f"reverie/data/mnist/{name}.xz"
    try:
        data = lzma.decompress(_packed(name))
    except UNREADABLE as error:
        raise DataError(f"{where}: cannot be unpacked ({error}); reinstall reverie") from error
    if (found := hashlib.sha256(data).hexdigest()) != SHA256[name]:
        raise DataError(
            f"{where}: its SHA-256 is {found[:16]}..., it should be {SHA256[name][:16]}...; "
            "the file was altered, reinstall reverie"
        )
    return data


def _packed(name: str) -> bytes:
    return (files("reverie.data") / "mnist" / f"{name}.xz").read_bytes()


def _rows(name: str, axes: int) -> RowFile:
    data = unpack(name)
    return idx_rows(lambda: io.BytesIO(data), axes, f"mnist/{name}", len(data))
