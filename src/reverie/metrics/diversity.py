"""Scores of generated samples alone: how sure and varied their classes, how many differ. No reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from .checks import check_features


def classifier_score(probabilities: Tensor) -> float:
    """exp E KL(p(y|x) || p(y)) of class probabilities `(N, K)`: from 1 to K. Salimans et al. (2016).

    p(y) is the mean over all samples, without splits. It is the Inception Score only if the classifier is
    Inception; it sees neither the data nor a collapse within a class.

    Raises:
        DataError: The matrix is empty, or a row is no distribution.
    """
    check_features(classifier=probabilities)
    p = probabilities.double()
    sums = p.sum(1)
    bad = (p < 0).any(1) | ((sums - 1).abs() > 1e-3)
    if bad.any():
        raise DataError(
            f"class probabilities must be at least 0 and sum to 1; {int(bad.sum())} of {len(p)} rows do "
            f"not, the first sums to {float(sums[bad][0]):.4g} (are they logits?)"
        )
    p = p / sums[:, None]
    marginal = p.mean(0)
    divergence = torch.xlogy(p, p).sum(1).mean() - torch.xlogy(marginal, marginal).sum()
    return math.exp(max(0.0, float(divergence)))


def vendi_score(features: Tensor, order: float = 1.0, chunk: int = 10_000) -> float:
    """The effective number of different samples among features `(N, D)`, under the cosine kernel.

    exp of the Renyi entropy of the eigenvalues of K / N with K_ij = cos(x_i, x_j): Friedman & Dieng (2023),
    and for other orders Pasarkar & Dieng (2024). Where N > D, the eigenvalues are those of X^T X / N,
    `(D, D)`. The score grows with N, up to at most D: compare only at equal N.

    Arguments:
        features: `(N, D)`, scaled to unit length here; not centred, so that the kernel's origin is the
            extractor's.
        order: q > 0; 1 is Shannon's entropy, infinity counts the most common alone.
        chunk: Samples multiplied at once.

    Raises:
        DataError: The features cannot be used, or one is zero, which has no direction.
    """
    if not order > 0:
        raise ConfigError(
            f"the order of an entropy must be above 0 (infinity is allowed); found {order}"
        )
    check_features(generated=features)
    length = features.double().norm(dim=1)
    if (length == 0).any():
        raise DataError(
            "a cosine needs features that are not zero; found zero in "
            f"{int((length == 0).sum())} of {len(features)} samples"
        )
    share = _eigenvalues(features, length, chunk)
    if order == 1:
        return math.exp(-float(torch.xlogy(share, share).sum()))
    if order == math.inf:
        return 1 / float(share.max())
    return float(share.pow(order).sum()) ** (1 / (1 - order))


def _eigenvalues(features: Tensor, length: Tensor, chunk: int) -> Tensor:
    """The eigenvalues above 0 of K / N, which sum to 1."""
    n, d = features.shape
    if n <= d:
        x = features.double() / length[:, None]
        gram = x @ x.T
    else:
        gram = torch.zeros(d, d, dtype=torch.float64, device=features.device)
        for part, norm in zip(features.split(chunk), length.split(chunk), strict=True):
            x = part.double() / norm[:, None]
            gram += x.T @ x
    values = torch.linalg.eigvalsh(gram / n)
    # Rounding errors would count as samples of their own at low orders.
    values = values[values > max(n, d) * torch.finfo(torch.float64).eps * values.max()]
    return values / values.sum()
