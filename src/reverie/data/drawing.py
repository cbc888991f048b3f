"""Which stored samples stand for a split where not all are used."""

from __future__ import annotations

import torch

from .dataset import Split

ORDER = 0
"""The seed of the order in which stored samples are taken: one for all, so that they may be paired."""


def drawn(split: Split, count: int, seed: int = ORDER) -> Split:
    """So many samples of a split, or all, in a random order.

    The first stored ones would not do: folders lie by class, and the first half of MNIST's test split is
    the easier.
    """
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    return Split(split.rows(order), None if split.y is None else split.y[order])
