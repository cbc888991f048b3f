"""The kernel distance of two sets of features: an unbiased estimate of MMD^2, which may be negative.

N real and M generated samples, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_features, check_spread

BLOCK = 2**20
"""How many pairs are held at a time."""


@dataclass(frozen=True)
class KernelDistance:
    """MMD^2 and one standard error of it, from the draw of both sets."""

    value: float
    error: float


def kid(real: Tensor, fake: Tensor, block: int = BLOCK) -> KernelDistance:
    """MMD^2 of features `(N, D)` and `(M, D)` under k(x, y) = (x.y / D + 1)^3: KID, of any features.

    Binkowski et al. (2018), section 4, over all pairs instead of small blocks. The kernel grows with the
    sixth power of the features' size: they should be of order one. What is often printed beside KID, the
    spread over overlapping subsets, is not its standard error.

    That is the delete-one jackknife over both sets of Gretton et al. (2012), eq. 3 (Arvesen 1969). Its
    variance counts what pairs add beyond single samples twice (Efron & Stein 1981): the error is right
    where the sets differ, and up to sqrt 2 too large where they do not.

    Raises:
        DataError: Fewer than 3 samples on a side, all the same on one, or features that do not fit
            together.
    """
    check_features(3, real=real, generated=fake)
    check_spread(real=real, generated=fake)
    x, y = real.double(), fake.double()
    n, m = len(x), len(y)
    own_x, own_y = (_sums(z, z, block, others=True)[0] for z in (x, y))
    across_x, across_y = _sums(x, y, block)
    within_x, within_y = own_x.sum() / (n * (n - 1)), own_y.sum() / (m * (m - 1))
    value = within_x + within_y - 2 * across_x.sum() / (n * m)
    variance = 0.0
    for count, own, across, size, rest in (
        (n, own_x, across_x, m, within_y),
        (m, own_y, across_y, n, within_x),
    ):
        # Without sample i: its pairs leave both sums, twice that within its own set.
        within = (own.sum() - 2 * own) / ((count - 1) * (count - 2))
        between = (across.sum() - across) / ((count - 1) * size)
        without = within + rest - 2 * between
        variance += (count - 1) / count * float((without - without.mean()).square().sum())
    return KernelDistance(float(value), math.sqrt(variance))


def _sums(x: Tensor, y: Tensor, block: int, others: bool = False) -> tuple[Tensor, Tensor]:
    """sum_j k(x_i, y_j), `(N,)`, and sum_i, `(M,)`; with `others`, x is y and i is not j."""
    rows, columns = [], torch.zeros_like(y[:, 0])
    count = max(1, block // len(y))
    for start in range(0, len(x), count):
        values = _cubic(x[start : start + count], y)
        if others:
            values.diagonal(start).zero_()
        rows.append(values.sum(1))
        columns += values.sum(0)
    return torch.cat(rows), columns


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    base = (x @ y.T).div_(x.shape[1]).add_(1)
    return base.square().mul_(base)
