"""Density and coverage: how much of the real data lies near generated samples, and the reverse.

N real and M generated samples, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import DataError


def kth_neighbour(x: Tensor, k: int, chunk: int = 1000) -> Tensor:
    """The distance of each `(N, D)` to its k-th nearest other, `(N,)`; memory grows with N alone."""
    if len(x) <= k:
        raise DataError(f"{k} neighbours need more than {k} samples; found {len(x)}")
    # Each sample is its own nearest, so that the k-th other is number k + 1.
    parts = [torch.cdist(part, x).kthvalue(k + 1, dim=1).values for part in x.split(chunk)]
    return torch.cat(parts)


def density_and_coverage(
    real: Tensor, fake: Tensor, k: int = 5, chunk: int = 1000
) -> tuple[float, float]:
    """Density and coverage of generated features `(M, D)` over real ones `(N, D)`.

    Naeem et al. (2020), eq. 2 and 3; a ball's edge belongs to it, so that equal sets score 1.
    """
    radius = kth_neighbour(real, k, chunk)
    covered, inside = 0, 0
    for part, reach in zip(real.split(chunk), radius.split(chunk), strict=True):
        within = torch.cdist(part, fake) <= reach[:, None]
        covered += int(within.any(1).sum())
        inside += int(within.sum())
    return inside / (k * len(fake)), covered / len(real)


def expected_coverage(real: int, fake: int, k: int = 5) -> float:
    """The coverage that samples of the same distribution have: 1 - prod_i (N - i) / (M + N - i).

    Naeem et al. (2020), lemma 2.
    """
    product = 1.0
    for i in range(1, k + 1):
        product *= (real - i) / (fake + real - i)
    return 1 - product
