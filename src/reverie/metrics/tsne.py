"""A map of points that keeps neighbours together: t-SNE, exact, for up to a few thousand points.

van der Maaten & Hinton (2008), "Visualizing Data using t-SNE"; equations are of that paper. N points.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

EXAGGERATION, EXAGGERATED = 12.0, 100
MOMENTUM = 0.8


def tsne(x: Tensor, perplexity: float = 30.0, steps: int = 400) -> Tensor:
    """Points `(N, D)` to a map `(N, 2)`; the start is the principal plane, so nothing is random."""
    p = affinities(x.double(), min(perplexity, (len(x) - 1) / 3)).float()
    y = _principal_plane(x)
    update, gain = torch.zeros_like(y), torch.ones_like(y)
    rate = max(len(x) / EXAGGERATION, 50.0)
    for step in range(steps):
        gradient = _gradient(p * (EXAGGERATION if step < EXAGGERATED else 1.0), y)
        # Jacobs (1988): a direction that keeps its sign gets faster, one that flips slower.
        gain = torch.where(gradient.sign() == update.sign(), gain * 0.8, gain + 0.2).clamp_min(
            0.01
        )
        update = MOMENTUM * update - rate * gain * gradient
        y = y + update
    return y - y.mean(0)


def affinities(x: Tensor, perplexity: float) -> Tensor:
    """The symmetric neighbour probabilities p_ij (eq. 1 and section 3.1): `(N, D)` to `(N, N)`.

    Each point's Gaussian is as wide as makes its perplexity the one asked for, by bisection.
    """
    count = len(x)
    distance = torch.cdist(x, x).square()
    distance.fill_diagonal_(torch.inf)
    low, high = torch.zeros(count, 1).to(x), torch.full((count, 1), torch.inf).to(x)
    beta = 1 / distance.masked_fill(distance.isinf(), 0).mean(1, keepdim=True).clamp_min(1e-12)
    rows = torch.empty_like(distance)
    for _ in range(50):
        rows = (-beta * distance).softmax(1)
        entropy = -(rows * rows.clamp_min(1e-300).log()).sum(1, keepdim=True)
        wide = entropy > math.log(perplexity)
        low, high = torch.where(wide, beta, low), torch.where(wide, high, beta)
        beta = torch.where(high.isinf(), beta * 2, (low + high) / 2)
    return (rows + rows.T) / (2 * count)


def _gradient(p: Tensor, y: Tensor) -> Tensor:
    """4 sum_j (p_ij - q_ij)(y_i - y_j) / (1 + |y_i - y_j|^2), eq. 5: `(N, 2)`."""
    kernel = 1 / (1 + torch.cdist(y, y).square())
    kernel.fill_diagonal_(0)
    force = (p - kernel / kernel.sum()) * kernel
    return 4 * (force.sum(1, keepdim=True) * y - force @ y)


def _principal_plane(x: Tensor) -> Tensor:
    centred = (x - x.mean(0)).double()
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    plane = torch.zeros(len(x), 2).double()
    plane[:, : min(2, len(directions))] = centred @ directions[:2].T
    return (1e-2 * plane / plane[:, 0].std().clamp_min(1e-12)).float()
