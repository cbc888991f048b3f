"""What any likelihood of images is held against: a floor that none can pass, and models without latents.

N training samples, M test samples, D entries of each. Negative log-likelihoods; nats or bits as said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError
from .checks import check_features

LEVELS = 256
CLIP = 1e-4
"""A pixel that was always 0 in training may still be 1: its probability is not less than this."""


def bits_per_dimension(nats: Tensor, dimensions: int, unit_range: bool = False) -> Tensor:
    """Negative log-likelihoods in bits for each of `dimensions` entries of 8-bit data, any shape.

    Arguments:
        nats: Of a mass function over levels, or of a density of levels dequantised to [0, 256).
        dimensions: D.
        unit_range: The density is of values scaled to [0, 1]: each entry is log2(256) = 8 bits more.
            Theis et al. (2016), section 3.1.

    Raises:
        DataError: `dimensions` is less than 1.
    """
    if dimensions < 1:
        raise DataError(f"bits/dim need at least 1 dimension; found {dimensions}")
    return nats / (dimensions * math.log(2)) + (math.log2(LEVELS) if unit_range else 0.0)


# ---- pixels as probabilities


def binarisation_floor(x: Tensor, chunk: int = 2**20) -> Tensor:
    """sum_i H(x_i) of grey values `(M, D)` in [0, 1], in nats, `(M,)`.

    Bits drawn anew from x_i have this entropy given the image: the mean over a test set is a floor under
    the negative log-likelihood of any model of dynamically binarised images, and, by Gibbs' inequality,
    under the cross-entropy that stands in for it with grey values.

    Arguments:
        x: `(M, D)`.
        chunk: Entries in float64 at once.

    Raises:
        DataError: Values lie outside [0, 1], or are none.
    """
    _check_unit(test=x)
    parts = (part.double() for part in x.split(max(1, chunk // x.shape[1])))
    return torch.cat([_cross_entropy(part, part) for part in parts])


def independent_bernoulli(
    mean: Tensor, test: Tensor, clip: float = CLIP, chunk: int = 1000
) -> Tensor:
    """-sum_i x_i log p_i + (1 - x_i) log(1 - p_i) in nats, `(M,)`, p the training mean of each entry.

    Arguments:
        mean: The mean of training values in [0, 1], `(D,)`.
        test: Values in [0, 1], `(M, D)`: bits, or grey values whose expected bits are meant.
        clip: p stays within [clip, 1 - clip]; 0 gives infinity where test shows what training never did.
        chunk: Samples at a time.

    Raises:
        DataError: Values lie outside [0, 1], are none, or differ in D.
    """
    _check_unit(mean=mean[None], test=test)
    p = mean.double().clamp(clip, 1 - clip)
    return torch.cat([_cross_entropy(part.double(), p) for part in test.split(chunk)])


def check_above_floor(nll: float, floor: float, error: float = 0.0) -> None:
    """Refuses a negative log-likelihood that no model of dynamically binarised images can have.

    Arguments:
        nll: What is reported, in nats a sample.
        floor: The mean of `binarisation_floor` over the same test set.
        error: The standard error of how far `nll` is above the floor; 0 where both are exact.

    Raises:
        DataError: `nll` is not finite, or lies below the floor by more than four standard errors.
    """
    if not math.isfinite(nll):
        raise DataError(f"a negative log-likelihood must be finite; found {nll}")
    if nll < floor - 4 * error:
        raise DataError(
            f"a negative log-likelihood of {nll:.2f} nats is below {floor:.2f}, the entropy of the "
            "binarisation itself: no model reaches it; look for losses that are averaged over pixels, "
            "a KL that is left out or weighted, or images binarised by a threshold"
        )


def _cross_entropy(x: Tensor, p: Tensor) -> Tensor:
    """Of coins x and p, summed over entries; 0 log 0 is 0."""
    return -(torch.xlogy(x, p) + torch.xlogy(1 - x, 1 - p)).sum(1)


def _check_unit(**sets: Tensor) -> None:
    check_features(1, **sets)
    for name, x in sets.items():
        low, high = float(x.min()), float(x.max())
        if low < 0 or high > 1:
            raise DataError(
                f"{name} pixels must lie in [0, 1]; found values from {low:g} to {high:g}"
            )


# ---- pixels as levels


@dataclass(frozen=True)
class FittedGaussian:
    """A Gaussian fitted by maximum likelihood, in float64.

    Arguments:
        mean: `(D,)`.
        values: The covariance's eigenvalues, with divisor N, falling, `(D,)`.
        vectors: Their eigenvectors in columns, `(D, D)`.
    """

    mean: Tensor
    values: Tensor
    vectors: Tensor


def fit_levels(train: Tensor, seed: int = 0, chunk: int = 10_000) -> FittedGaussian:
    """Fits 8-bit levels `(N, D)`, uint8, dequantised with noise from U[0, 1). Theis et al. (2016), 3.1.

    Raises:
        DataError: Fewer than two samples, or no levels.
    """
    _check_levels(2, train=train)
    mean, second = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for part in _dequantised(train, seed, chunk):
        # About the middle of the range, so that little cancels.
        part = part - LEVELS / 2
        mean, second = mean + part.sum(0), second + part.T @ part
    mean, second = mean / len(train), second / len(train)
    values, vectors = torch.linalg.eigh(second - mean.outer(mean))
    return FittedGaussian(mean + LEVELS / 2, values.flip(0).clamp_min(0), vectors.flip(1))


def ppca(
    fitted: FittedGaussian,
    test: Tensor,
    rank: int | None = None,
    seed: int = 1,
    chunk: int = 10_000,
) -> Tensor:
    """Negative log-likelihoods under probabilistic PCA of 8-bit levels, in bits/dim, `(M,)`.

    The test levels are dequantised like the training's, with noise of their own; by Jensen's inequality
    the density's code length is an upper bound on that of the levels. Tipping & Bishop (1999), eq. 4,
    7 and 8: sigma^2 is the mean of the D - `rank` least eigenvalues.

    Arguments:
        fitted: `fit_levels` of the training set.
        test: Levels 0 to 255, uint8, `(M, D)`.
        rank: Latent dimensions, 0 to D - 1; None for the full covariance.
        seed: Of the dequantisation noise.
        chunk: Samples at a time.

    Raises:
        DataError: Test holds no levels or differs in D; the rank is out of range; the variance left out,
            or for full rank an eigenvalue, is 0.
    """
    _check_levels(1, test=test)
    size = len(fitted.mean)
    if test.shape[1] != size:
        raise DataError(
            f"features of one fit have one dimension; found {size}, test {test.shape[1]}"
        )
    if rank is not None and not 0 <= rank < size:
        raise DataError(
            f"rank must lie in [0, {size - 1}], or be None for all {size}; found {rank}"
        )
    values = fitted.values.clone()
    if rank is not None:
        values[rank:] = values[rank:].mean()
    if values[-1] <= values[0] * size * torch.finfo(torch.float64).eps:
        raise DataError(
            f"the covariance of {size} entries is singular at rank {rank}; fit it to more samples than "
            "entries, or ask for a lower rank"
        )
    constant = size * math.log(2 * math.pi) + values.log().sum()
    parts = [
        0.5 * (constant + ((part - fitted.mean) @ fitted.vectors).square() @ (1 / values))
        for part in _dequantised(test, seed, chunk)
    ]
    return bits_per_dimension(torch.cat(parts), size)


def _check_levels(least: int, **sets: Tensor) -> None:
    check_features(least, **sets)
    for name, x in sets.items():
        if x.dtype != torch.uint8:
            raise DataError(f"{name} levels must be uint8, from 0 to 255; found {x.dtype}")


def _dequantised(x: Tensor, seed: int, chunk: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for part in x.split(chunk):
        noise = torch.rand(part.shape, generator=generator, dtype=torch.float64)
        yield part.double() + noise.to(x.device)
