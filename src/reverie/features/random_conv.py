"""A fixed random network for pictures of any size and any number of channels.

Random features need no labels and know no classes of another data set (Naeem et al. 2020, section 5,
take a random VGG-16 for pictures unlike ImageNet's); what they see is local structure at several scales.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, conv2d, max_pool2d, relu

from .extractor import Network

WIDTHS, GRID = (8, 16, 16, 24), 2
DIMENSION = sum(WIDTHS) * GRID**2


class RandomConv(Network):
    """Four 3 x 3 convolutions at halved sides; of each, the means over 2 x 2 fields."""

    def __init__(self) -> None:
        super().__init__()
        channels = (3, *WIDTHS)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(channels, WIDTHS, strict=False)
        )

    @torch.no_grad()
    def draw(self, seed: int) -> RandomConv:
        """Orthogonal kernels (Saxe et al. 2014) with the gain of ReLU, and small normal biases."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.convolutions:
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.orthogonal_(layer.weight, gain=2**0.5, generator=generator)
            nn.init.normal_(layer.bias, std=0.1, generator=generator)
        return self

    def features(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` in [0, 1], sides of 4 pixels and more, to `(N, 256)`."""
        found, x = [], x - 0.5
        for number, layer in enumerate(self.convolutions):
            assert isinstance(layer, nn.Conv2d)
            # ceil_mode keeps a last pixel of odd sides, so that 4 pixels last through all stages.
            x = max_pool2d(x, 2, ceil_mode=True) if number else x
            weight = layer.weight if number else self._first(x.shape[1])
            x = relu(conv2d(x, weight, layer.bias, padding=1))
            found.append(adaptive_avg_pool2d(x, GRID).flatten(1))
        return torch.cat(found, 1)

    def _first(self, channels: int) -> Tensor:
        """The first kernels for this many channels.

        Grey is the same grey in three channels. Channels beyond the third take the kernels again,
        turned by a quarter each time so that they are told apart, at the same power in all.
        """
        first = self.convolutions[0]
        assert isinstance(first, nn.Conv2d)
        if channels == 1:
            return first.weight.sum(1, keepdim=True)
        turned = [first.weight[:, c % 3].rot90(c // 3, (-2, -1)) for c in range(channels)]
        return torch.stack(turned, 1) * (3 / channels) ** 0.5
