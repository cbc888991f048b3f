"""Precision and recall of a distribution, as a curve. Sajjadi et al. (2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from ..tensors import mix
from .checks import check_features
from .kmeans import kmeans


@dataclass(frozen=True)
class PRD:
    """Precision `(A,)` against recall `(A,)` at A angles, and the largest F-scores along the curve.

    `f_8` weighs recall 8 times as much as precision, `f_1_8` the reverse.
    """

    precision: Tensor
    recall: Tensor
    f_8: float
    f_1_8: float


def prd_curve(real: Tensor, fake: Tensor, angles: int = 1001) -> tuple[Tensor, Tensor]:
    """Precision and recall of the histogram `fake` against `real`, `(K,)`: `(angles,)` each, in float64.

    Precision is sum_w min(s real(w), fake(w)) and recall is that over s, at slopes
    s = tan(i / (angles + 1) pi / 2) with i = 1 ... angles. Sajjadi et al. (2018), section 3.

    Raises:
        DataError: A histogram is empty or negative, or they differ in length.
    """
    if angles < 1:
        raise ConfigError(f"a curve needs at least 1 angle; found {angles}")
    if real.shape != fake.shape or real.ndim != 1:
        raise DataError(
            "histograms need one row over the same cells; found shapes "
            f"{tuple(real.shape)} and {tuple(fake.shape)}"
        )
    p, q = (_distribution(x, name) for x, name in ((real, "real"), (fake, "generated")))
    i = torch.arange(1, angles + 1, dtype=torch.float64, device=p.device)
    slope = (i / (angles + 1) * math.pi / 2).tan()
    precision = torch.minimum(slope[:, None] * p, q).sum(1).clamp(0, 1)
    return precision, (precision / slope).clamp(0, 1)


def f_score(precision: Tensor, recall: Tensor, beta: float) -> float:
    """The largest (1 + beta^2) p r / (beta^2 p + r) along a curve."""
    precision, recall = precision.double(), recall.double()
    weighed = beta**2 * precision + recall
    # Where both are 0 so is the product, and the score.
    return float(((1 + beta**2) * precision * recall / weighed.clamp_min(1e-300)).max())


def prd(
    real: Tensor,
    fake: Tensor,
    seed: int,
    clusters: int = 20,
    runs: int = 10,
    angles: int = 1001,
) -> PRD:
    """The curve of generated features `(M, D)` against real ones `(N, D)`.

    Both sets are clustered together; their histograms over the clusters give a curve, and the curves of all
    runs are averaged (Sajjadi et al. 2018, section 4). The F-scores are those of the averaged curve. The
    larger set is thinned to the size of the smaller, anew in each run: k-means follows the larger one.

    Arguments:
        real: `(N, D)`.
        fake: `(M, D)`.
        seed: Draws the start of each k-means, and who is left out of the larger set.
        clusters: The paper's 20.
        runs: The paper's 10.
        angles: Points of the curve.

    Raises:
        DataError: A set cannot be used, or both together are fewer than the clusters.
    """
    if runs < 1:
        raise ConfigError(f"an average needs at least 1 run; found {runs}")
    check_features(math.ceil(clusters / 2), real=real, generated=fake)
    n = min(len(real), len(fake))
    curves = []
    for run in range(runs):
        generator = torch.Generator().manual_seed(mix(seed, 2 * run))
        sides = [
            x[torch.randperm(len(x), generator=generator)[:n].sort().values] for x in (real, fake)
        ]
        found = kmeans(torch.cat(sides), clusters, mix(seed, 2 * run + 1))
        parts = found.labels.split(n)
        counts = [part.bincount(minlength=len(found.centres)) for part in parts]
        curves.append(torch.stack(prd_curve(counts[0], counts[1], angles)))
    precision, recall = torch.stack(curves).mean(0)
    return PRD(precision, recall, f_score(precision, recall, 8), f_score(precision, recall, 1 / 8))


def _distribution(histogram: Tensor, name: str) -> Tensor:
    total = float(histogram.sum())
    if not (histogram >= 0).all() or not 0 < total < math.inf:
        raise DataError(
            f"the {name} histogram must be of counts or shares above 0; its sum is {total}"
        )
    return histogram.double() / total
