"""Features that are the samples' own entries."""

from __future__ import annotations

from torch import Tensor

from .extractor import Network


class Entries(Network):
    """The entries of a sample, in their order; nothing is learnt and nothing drawn."""

    def features(self, x: Tensor) -> Tensor:
        """`(N, *shape)` to `(N, D)`, D the product of the shape."""
        return x.flatten(1)
