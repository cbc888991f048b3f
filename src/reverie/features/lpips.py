"""LPIPS with VGG16, version 0.1: how unlike two pictures look to a network. Zhang et al. (2018), eq. 1.

The network is torchvision's VGG16 of ImageNet (Simonyan & Zisserman 2015), and how much each of its
channels counts was fitted by the paper's authors to what people said. Neither lies in the package: both are
files that a person brings, whose hashes are checked before anything is unpickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ..errors import DataError
from .extractor import Takes, chunk_of
from .weights import pinned_tensors

NAME, VERSION = "vgg16", "0.1"
NETWORK = "vgg16-397923af.pth"
NETWORK_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
NETWORK_URL = f"https://download.pytorch.org/models/{NETWORK}"
# One file under two names: of torch-fidelity's release, and of the package lpips.
LINEAR = ("weights-vgg16-lpips.pth", "vgg.pth")
LINEAR_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions between one halving of the side and the next."""
TAKES = Takes(channels=(1, 3), least=2 ** (len(STAGES) - 1))
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and deviation of ImageNet's colours in [-1, 1]."""


class LPIPS(nn.Module):
    """Squared differences of the directions of a network's channels, weighted, averaged over places, summed
    over five depths.

    Pictures are taken at their own size; grey stands in all three channels.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        stages, channels = [], 3
        for widths in STAGES:
            layers: list[nn.Module] = []
            for width in widths:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        # What the paper calls w_l is the root of these.
        self.weights = nn.ParameterList(torch.zeros(widths[-1]) for widths in STAGES)
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None], persistent=False)

    @property
    def tag(self) -> str:
        """Name and hash as they stand in a score's name."""
        return f"{NAME}@{NETWORK_SHA256[:8]}"

    def record(self) -> dict[str, Any]:
        """What a record must say of it."""
        return {
            "name": NAME,
            "version": VERSION,
            "sha256": NETWORK_SHA256,
            "linear": LINEAR_SHA256,
            "input": str(TAKES),
            "resize": "none",
            "range": [0, 1],
        }

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuses samples of a shape that it does not take.

        Raises:
            DataError: It does not take them.
        """
        if not TAKES.fits(shape):
            found = " x ".join(str(side) for side in shape)
            raise DataError(f"LPIPS takes pictures of {TAKES}; found {found}; leave out --lpips")

    @torch.no_grad()
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The distances of pairs of pictures `(N, 1 or 3, H, W)` in [0, 1], `(N,)` on the CPU.

        Raises:
            DataError: Pictures of a shape that it does not take.
        """
        self.check(tuple(x.shape[1:]))
        # As much memory as the first stage takes, whose maps are the largest.
        chunk = chunk_of(STAGES[0][0] * x[0, 0].numel())
        pairs = zip(x.split(chunk), y.split(chunk), strict=True)
        return torch.cat(
            [self._distance(self._scaled(a), self._scaled(b)).cpu() for a, b in pairs]
        )

    def _scaled(self, x: Tensor) -> Tensor:
        x = x.to(self.shift).expand(-1, 3, -1, -1)
        return (2 * x - 1 - self.shift) / self.scale

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        total = torch.zeros(len(a), device=a.device)
        for number, (stage, weight) in enumerate(zip(self.stages, self.weights, strict=True)):
            if number:
                a, b = max_pool2d(a, 2), max_pool2d(b, 2)
            a, b = stage(a), stage(b)
            total += (_direction(a) - _direction(b)).square().mean((2, 3)) @ weight
        return total


def open_lpips(folder: Path) -> LPIPS:
    """The network with its weights, from a folder that holds both files.

    Raises:
        DataError: A file is missing, or is not the pinned one.
    """
    again = f"get {NETWORK_URL}, and name the folder that it lies in with --lpips"
    network = pinned_tensors(NAME, folder / NETWORK, NETWORK_SHA256, again)
    path = next((folder / n for n in LINEAR if (folder / n).exists()), folder / LINEAR[-1])
    again = f"put lpips/weights/v0.1/{LINEAR[-1]} of the package lpips beside {NETWORK}"
    linear = pinned_tensors("lpips", path, LINEAR_SHA256, again)
    made, state, place = LPIPS(), {}, 0
    for number, widths in enumerate(STAGES):
        # An activation follows each convolution, and has no weights.
        for layer in range(0, 2 * len(widths), 2):
            for kind in ("weight", "bias"):
                state[f"stages.{number}.{layer}.{kind}"] = network[f"features.{place}.{kind}"]
            place += 2
        place += 1  # the halving of the side
        state[f"weights.{number}"] = linear[f"lin{number}.model.1.weight"].flatten()
    made.load_state_dict(state, assign=True)
    return made.eval().requires_grad_(False)


def _direction(x: Tensor) -> Tensor:
    return x / (x.norm(dim=1, keepdim=True) + 1e-10)
