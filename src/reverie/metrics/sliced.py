"""Wasserstein distances along random directions, where they are known exactly. D features."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError
from .checks import check_features, check_spread

DIRECTIONS = 512
"""Along which distances are averaged, unless said otherwise."""


@dataclass(frozen=True)
class Sliced:
    """Distances averaged over directions, each with its standard error over them alone.

    Arguments:
        w1: The mean W1.
        w1_error: Of `w1`.
        w2_squared: The mean W2^2.
        w2_squared_error: Of `w2_squared`.
    """

    w1: float
    w1_error: float
    w2_squared: float
    w2_squared_error: float


def sliced_wasserstein(
    a: Tensor, b: Tensor, seed: int, directions: int = DIRECTIONS, chunk: int = 32
) -> Sliced:
    """Sliced W1 and W2^2 of features `(N, D)` and `(M, D)`. Bonneel et al. (2015).

    Along each direction, uniform on the sphere, the optimal plan pairs quantile with quantile, for sets
    of unequal sizes too. Two sets of one distribution are apart as well, the less the larger they are:
    the error over directions does not tell of that.

    Arguments:
        a: One set.
        b: The other.
        seed: Of the directions.
        directions: How many.
        chunk: How many at a time.

    Raises:
        DataError: Fewer than 2 samples in a set, all the same in one, features that do not fit together,
            or fewer than 2 directions.
    """
    check_features(2, first=a, second=b)
    check_spread(first=a, second=b)
    if directions < 2:
        raise DataError(f"an error over directions needs at least 2 of them; found {directions}")
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(directions, a.shape[1], generator=generator, dtype=torch.float64)
    lines = (normal / normal.norm(dim=1, keepdim=True)).to(a.device)
    a, b = a.double(), b.double()
    places_a, places_b, widths = (t.to(a.device) for t in _pieces(len(a), len(b)))
    first, second = [], []
    for part in lines.split(chunk):
        x, y = ((part @ z.T).sort(1).values for z in (a, b))
        apart = x[:, places_a] - y[:, places_b]
        first.append(apart.abs() @ widths)
        second.append(apart.square() @ widths)
    w1, w2 = torch.cat(first), torch.cat(second)
    root = math.sqrt(directions)
    return Sliced(
        w1=float(w1.mean()),
        w1_error=float(w1.std()) / root,
        w2_squared=float(w2.mean()),
        w2_squared_error=float(w2.std()) / root,
    )


def _pieces(n: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where the quantile functions of n and m samples are both constant: their ranks, and how long."""
    # In units of 1 / (n m): whole numbers, so that equal ends are equal.
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    return starts // m, starts // n, (ends - starts).double() / (n * m)
