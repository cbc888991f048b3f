"""A classifier of a person's own pictures, whose last hidden layer gives features.

Its file is two: `NAME.safetensors`, the weights, and `NAME.json`, sealed, which holds their SHA-256,
the network's shape, the held-out accuracy and the fingerprint of the data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d, relu

from ..errors import ConfigError, ModelFileError, StorageError
from ..storage import (
    read_tensors,
    remove,
    save_tensors,
    seal,
    sha256_of,
    swap_in,
    unseal,
    write_bytes,
)
from .extractor import Card, Extractor, Network, Takes

FORMAT = 1
GRID, DIMENSION = 4, 64


class Classifier(Network):
    """Convolutions at falling sides until about 4 x 4 fields are left, one hidden layer, K classes.

    Arguments:
        shape: Of the pictures: channels, height, width.
        classes: K.
        width: Channels of the first layer; they double up to four times that.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 16) -> None:
        super().__init__()
        channels, side = shape[0], min(shape[1:])
        widths = [width]
        while side > GRID and len(widths) < 6:
            widths.append(min(2 * widths[-1], 4 * width))
            side = (side + 1) // 2
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1)
            for a, b in zip((channels, *widths), widths, strict=False)
        )
        # Norms of a single picture: no statistics of a batch, which small data would spoil.
        self.norms = nn.ModuleList(nn.GroupNorm(4, b) for b in widths)
        self.hidden = nn.Linear(widths[-1] * GRID**2, DIMENSION)
        self.head = nn.Linear(DIMENSION, classes)

    def features(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` in [0, 1] to `(N, 64)`."""
        x = x - 0.5
        for number, (layer, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = max_pool2d(x, 2, ceil_mode=True) if number else x
            x = relu(norm(layer(x)))
        return relu(self.hidden(adaptive_avg_pool2d(x, GRID).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` in [0, 1] to logits `(N, K)`."""
        return self.head(self.features(x))


@dataclass(frozen=True)
class Training:
    """Where a classifier comes from.

    Arguments:
        data: The data's name.
        fingerprint: SHA-256 of the data.
        classes: The classes' names, in the order of the labels.
        accuracy: The share right of the `held_out` samples of the test split.
        held_out: Their number.
        steps: Steps of training, of `batch` samples.
        batch: Samples a step.
        seed: Of the weights at the start and of the order.
    """

    data: str
    fingerprint: str
    classes: tuple[str, ...]
    accuracy: float
    held_out: int
    steps: int
    batch: int
    seed: int


def classifier_files(path: Path) -> tuple[Path, Path]:
    """The weights and the JSON of a classifier that is named by either, or by what both begin with.

    Raises:
        ConfigError: The path is a folder's and names no file, as `.` and `/`.
    """
    if path.name in ("", ".."):
        raise ConfigError(f"{path} names no file of an extractor; write one, e.g. {path / 'mine'}")
    stem = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    return stem.with_name(f"{stem.name}.safetensors"), stem.with_name(f"{stem.name}.json")


def write_classifier(
    path: Path, network: Classifier, shape: tuple[int, ...], training: Training
) -> None:
    """Writes both files; the JSON comes last, and without it the weights are not read.

    Raises:
        StorageError: They cannot be written.
    """
    weights, told = classifier_files(path)
    swap_in(weights, lambda beside: save_tensors(network.state_dict(), beside))
    tree: dict[str, Any] = {
        "format": FORMAT,
        "kind": "classifier",
        "shape": list(shape),
        "dimension": DIMENSION,
        "sha256": sha256_of(weights),
        "training": asdict(training),
    }
    try:
        write_bytes(told, seal(tree))
    except StorageError:
        remove(weights)
        raise


def open_classifier(path: Path) -> Extractor:
    """The extractor that `write_classifier` wrote.

    Raises:
        ModelFileError: A file is missing, altered, or of something else.
    """
    weights, told = classifier_files(path)
    tree = unseal(told)
    if (tree.get("kind"), tree.get("format")) != ("classifier", FORMAT):
        raise ModelFileError(
            f"{told}: is no extractor that this version reads; train one with "
            "`reverie extractor train`"
        )
    tensors = read_tensors(weights, tree.get("sha256"))
    try:
        shape, names = tuple(tree["shape"]), tuple(tree["training"]["classes"])
        with torch.device("meta"):
            network = Classifier(shape, len(names))
        network.load_state_dict(tensors, assign=True)
        facts = {
            "data": tree["training"]["fingerprint"],
            "accuracy": tree["training"]["accuracy"],
        }
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{told}: does not describe {weights.name} ({error})") from None
    card = Card(
        name="classifier",
        version=str(FORMAT),
        takes=Takes(shape=shape),
        dimension=DIMENSION,
        classes=len(names),
        facts=facts,
    )
    return Extractor(card, tree["sha256"], network.eval().requires_grad_(False))
