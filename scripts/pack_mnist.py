"""Packs the four IDX files of MNIST into the package, losslessly: `pack_mnist.py FOLDER`.

FOLDER holds the files as published, gzipped or not. Prints the SHA-256 of each unpacked file,
which `reverie/data/embedded.py` pins.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "reverie" / "data" / "mnist"
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def unpacked(folder: Path, name: str) -> bytes:
    """The bytes of one IDX file, plain or gzipped."""
    plain = folder / name
    return (
        plain.read_bytes()
        if plain.exists()
        else gzip.decompress((folder / f"{name}.gz").read_bytes())
    )


def main(folder: Path) -> None:
    """Writes NAME.xz for every file and prints what to pin."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        data = unpacked(folder, name)
        packed = lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
        (TARGET / f"{name}.xz").write_bytes(packed)
        print(f'"{name}": "{hashlib.sha256(data).hexdigest()}",  # {len(packed):,} bytes packed')


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: pack_mnist.py FOLDER (of the four IDX files)")
    main(Path(sys.argv[1]))
