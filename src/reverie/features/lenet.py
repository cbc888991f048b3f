"""A small convolutional classifier of 28 x 28 pictures, whose last hidden layer gives features."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from .extractor import Network


class LeNet(Network):
    """Two convolutions, one hidden layer, ten classes, after LeCun et al. (1998)."""

    def __init__(self, width: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 5, padding=2)
        self.second = nn.Conv2d(16, 32, 5, padding=2)
        self.hidden = nn.Linear(32 * 7 * 7, width)
        self.head = nn.Linear(width, classes)

    def features(self, x: Tensor) -> Tensor:
        """`(N, 1, 28, 28)` in [0, 1] to `(N, D)`."""
        x = max_pool2d(relu(self.first(x - 0.5)), 2)
        x = max_pool2d(relu(self.second(x)), 2)
        return relu(self.hidden(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 1, 28, 28)` in [0, 1] to logits `(N, 10)`."""
        return self.head(self.features(x))
