"""Inception-2015 and DINOv2 through torch-fidelity 0.4: the extra `fid`.

Inception is the network of the original FID (Heusel et al. 2017), with TensorFlow 1's bilinear resize.
Its weights are one file with one hash, checked before anything is unpickled. DINOv2 (Oquab et al. 2023)
comes from torch.hub, weights and code: nobody pins them, so their hash is made of what was loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from .extractor import Network
from .weights import read_pinned

INCEPTION = "inception-2015"
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
INCEPTION_FILE = f"weights-inception-2015-12-05-{INCEPTION_SHA256[:8]}.pth"
INCEPTION_URL = (
    f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_FILE}"
)
INSTALL = "pip install 'reverie[fid]'"


class Fidelity(Network):
    """A feature extractor of torch-fidelity, which takes bytes and resizes them itself.

    Arguments:
        inner: The extractor; it returns a tuple, the features first.
    """

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def features(self, x: Tensor) -> Tensor:
        """`(N, 1 or 3, H, W)` in [0, 1] to `(N, D)`; grey stands in all three channels."""
        return self.inner(_bytes(x))[0]

    def forward(self, x: Tensor) -> Tensor:
        """As above to logits `(N, 1008)`, without their bias, as the Inception score takes them."""
        return self.inner(_bytes(x))[1]


def load_inception(weights: Path | None, pinned: str) -> Fidelity:
    """Inception-2015.

    Arguments:
        weights: The file of torch-fidelity's release; None for torch.hub's cache, filled if need be.
        pinned: The SHA-256 that it must have.

    Raises:
        ConfigError: torch-fidelity is not installed, or cannot be imported.
        DataError: The weights cannot be read, fetched, or are not the pinned ones.
    """
    package = _package(INCEPTION)
    path = weights or _fetched()
    again = f"get {INCEPTION_URL} and name it with {INCEPTION}=FILE"
    read_pinned(INCEPTION, path, pinned, again)
    inner = package.FeatureExtractorInceptionV3(
        "inception-v3-compat",
        ["2048", "logits_unbiased"],
        feature_extractor_weights_path=str(path),
    )
    return Fidelity(inner)


def load_dinov2(name: str, hub: Path | None) -> tuple[Fidelity, str]:
    """A DINOv2 and the hash of its weights.

    Arguments:
        name: dinov2-vit-s-14, -b-14, -l-14 or -g-14.
        hub: A torch.hub folder copied from a machine that has fetched it; its code is run. None for
            this machine's own, filled from the network if need be.

    Raises:
        ConfigError: torch-fidelity is not installed, or cannot be imported.
        DataError: It could not be fetched, or the folder does not hold it.
    """
    package = _package(name)
    if hub is not None and not hub.is_dir():
        raise DataError(
            f"extractor {name}: {hub} is no folder; name a torch.hub folder that holds "
            "facebookresearch_dinov2_main and checkpoints"
        )
    try:
        with _hub(hub):
            inner = package.FeatureExtractorDinoV2(name, ["dinov2"])
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"extractor {name}: could not be fetched ({error}); copy the torch.hub folder of a "
            f"machine with a network and name it with {name}=FOLDER"
        ) from None
    return Fidelity(inner), digest(inner.state_dict())


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of tensors, their names, types and shapes, whatever file they came in."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def _bytes(x: Tensor) -> Tensor:
    return (x * 255).round().to(torch.uint8).expand(-1, 3, -1, -1)


def _package(name: str) -> Any:
    try:
        return import_module("torch_fidelity")
    except (
        ImportError,
        RuntimeError,
    ) as error:  # a torchvision of another torch raises the second
        raise ConfigError(
            f"extractor {name} needs torch-fidelity and a torchvision that fits this torch "
            f"({error}); {INSTALL}"
        ) from None


def _fetched() -> Path:
    path = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(
                INCEPTION_URL, str(path), INCEPTION_SHA256[:8], progress=False
            )
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"extractor {INCEPTION}: {INCEPTION_URL} could not be fetched ({error}); get it on a "
                f"machine with a network and name it with {INCEPTION}=FILE"
            ) from None
    return path


@contextmanager
def _hub(folder: Path | None) -> Iterator[None]:
    before = torch.hub.get_dir()
    try:
        if folder is not None:
            torch.hub.set_dir(str(folder))
        yield
    finally:
        torch.hub.set_dir(before)
