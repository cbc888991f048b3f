"""Results as files: grids, arrays, single pictures, codes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import plots
from .data.dataset import Split
from .data.stream import to_range
from .errors import ConfigError
from .loading import Loaded
from .monitor import Listener
from .painting import flat_2d
from .pictures import grid, picture, save_png
from .storage import write_bytes

CHUNK = 1000


def check_out(path: Path, pictures: bool) -> None:
    """Refuses a path that samples cannot be written to, before any is made.

    Raises:
        ConfigError: It has another ending, asks for pictures of what are none, or is of a folder that
            holds something already.
    """
    ending = path.suffix.lower()
    if ending not in (".npy", ".png", *([""] if pictures else [])):
        forms = ", .png, or nothing for a folder of single pictures" if pictures else " or .png"
        raise ConfigError(f"--out {path}: cannot be written in this form; end it with .npy{forms}")
    # Pictures of before would lie among the new ones.
    if ending == "" and (path.is_file() or (path.is_dir() and any(path.iterdir()))):
        raise ConfigError(f"--out {path} is not empty; choose another folder")


def write_samples(x: Tensor, path: Path, columns: int | None = None) -> Path:
    """Writes samples `(N, *shape)` in data units, by the ending of the path.

    `.png` is one grid (a plot, for vectors), `.npy` the float32 array, and a name without an ending a
    new folder of single pictures.

    Raises:
        ConfigError: As `check_out`.
    """
    x, ending = x.as_subclass(Tensor), path.suffix.lower()
    check_out(path, pictures=x.dim() == 4)
    if ending == ".npy":
        write_bytes(path, _npy(x.numpy()))
    elif ending == "":
        for index, each in enumerate(x):
            save_png(picture(each), path / f"{index:06d}.png")
    elif x.dim() == 4:
        save_png(grid(x, columns), path)
    else:
        write_bytes(path, plots.clouds({"samples": flat_2d(x)}))
    return path


def write_codes(loaded: Loaded, split: Split, path: Path, listener: Listener) -> int:
    """Writes the codes `z` `(N, Z)` and labels `y` `(N,)` of a split as .npz; returns N."""
    if path.suffix.lower() != ".npz":
        raise ConfigError(f"--out {path}: codes are written as .npz; end it with that")
    parts = []
    for index in torch.arange(len(split)).split(CHUNK):
        listener.worked("encoding", int(index[0]), len(split))
        parts.append(loaded.encode(to_range(split.rows(index))))
    listener.worked("encoding", len(split), len(split))
    arrays = {"z": torch.cat(parts).numpy()}
    if split.y is not None:
        arrays["y"] = split.y.numpy()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())
    return len(split)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
