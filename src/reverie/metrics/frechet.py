"""The Frechet distance of Gaussians fitted to features. N samples, D features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError


@dataclass(frozen=True)
class Moments:
    """Mean `(D,)` and covariance `(D, D)` of `count` features, in float64."""

    mean: Tensor
    covariance: Tensor
    count: int


def moments(features: Tensor, chunk: int = 10_000) -> Moments:
    """Fits a Gaussian to features `(N, D)`, with the unbiased covariance that the FID has.

    Raises:
        DataError: Fewer than two features, or one that is not finite.
    """
    count = len(features)
    if count < 2:
        raise DataError(f"a Frechet distance needs at least 2 samples on each side; found {count}")
    mean = sum(part.double().sum(0) for part in features.split(chunk)) / count
    assert isinstance(mean, Tensor)
    if not mean.isfinite().all():
        raise DataError(
            "features hold NaN or infinite values; a Frechet distance needs finite ones"
        )
    centred = (part.double() - mean for part in features.split(chunk))
    covariance = sum(part.T @ part for part in centred) / (count - 1)
    assert isinstance(covariance, Tensor)
    return Moments(mean, covariance, count)


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)). Dowson & Landau (1982); Heusel et al. (2017), eq. 6.

    The root's trace is that of the symmetric (A^(1/2) B A^(1/2))^(1/2), which cannot turn complex.
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    root = vectors * values.clamp_min(0).sqrt()
    inner = torch.linalg.eigvalsh(root.T @ b.covariance @ root).clamp_min(0)
    shift = (a.mean - b.mean).square().sum()
    return float(shift + a.covariance.trace() + b.covariance.trace() - 2 * inner.sqrt().sum())


def gaussian_floor(a: Moments, count: int) -> float:
    """What two samples of `count` from this Gaussian are apart on average, by chance alone.

    A first-order expansion of the distance in the errors of mean and covariance; see
    docs/evaluation.md for where it holds.
    """
    values = torch.linalg.eigvalsh(a.covariance).clamp_min(0)
    pairs = values[:, None] + values[None]
    products = values[:, None] * values[None] / pairs.clamp_min(1e-300)
    spread = 0.5 * (products.sum() + products.diagonal().sum()) / (count - 1)
    return float(2 * (values.sum() / count + spread))
