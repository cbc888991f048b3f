"""Draws the shipped extractor `random-conv-v1`, and prints what to pin.

Run once, by hand:  python scripts/draw_random_conv.py src/reverie/features/random-conv-v1.safetensors
The file is the extractor: another version of PyTorch may draw other numbers, and so another extractor.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import safetensors.torch

from reverie.features.random_conv import RandomConv


def main(path: str) -> None:
    """Draws and writes."""
    safetensors.torch.save_file(RandomConv().draw(seed=0).state_dict(), path)
    print(f"sha256 {hashlib.sha256(Path(path).read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
