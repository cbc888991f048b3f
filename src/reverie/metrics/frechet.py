"""The Frechet distance of Gaussians fitted to features, without its bias, and how uncertain it is.

N real and M generated samples, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError
from .checks import check_features, check_full_rank, check_spread


@dataclass(frozen=True)
class Moments:
    """Mean `(D,)` and covariance `(D, D)` of `count` features, in float64."""

    mean: Tensor
    covariance: Tensor
    count: int


def moments(features: Tensor, chunk: int = 10_000) -> Moments:
    """Fits a Gaussian to features `(N, D)`, with the unbiased covariance that the FID has.

    Raises:
        DataError: No more samples than features, one that is not finite, or all the same.
    """
    check_features(1, **{"a Gaussian's": features})
    count = len(features)
    check_full_rank(count, features.shape[1])
    check_spread(**{"a Gaussian's": features})
    mean = sum(part.double().sum(0) for part in features.split(chunk)) / count
    assert isinstance(mean, Tensor)
    centred = (part.double() - mean for part in features.split(chunk))
    covariance = sum(part.T @ part for part in centred) / (count - 1)
    assert isinstance(covariance, Tensor)
    return Moments(mean, covariance, count)


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)). Dowson & Landau (1982); Heusel et al. (2017), eq. 6.

    The root's trace is the sum of the singular values of A^(1/2) B^(1/2), which cannot turn complex. No
    square is taken, of whose rounding error a direction without variance would keep the root: 1e-8 of the
    largest variance, where it is 1e-16 here.

    Raises:
        DataError: The two are of different D.
    """
    _check_dimensions(a, b)
    return _apart(a, b, torch.linalg.svdvals(_root(a).T @ _root(b)).sum())


def _root(a: Moments) -> Tensor:
    """A matrix R with R R^T = A, `(D, D)`."""
    values, vectors = torch.linalg.eigh(a.covariance)
    return vectors * values.clamp_min(0).sqrt()


def _check_dimensions(a: Moments, b: Moments) -> None:
    if len(a.mean) != len(b.mean):
        found = f"{len(a.mean)} and {len(b.mean)}"
        raise DataError(f"features of one extractor have one dimension; found {found}")


def _distance(a: Moments, b: Moments, root: Tensor) -> float:
    """`frechet_distance` with a's root at hand: less exact, for how far one a's distances to many b differ.

    The trace is that of (A^(1/2) B A^(1/2))^(1/2), for which b needs no root of its own.
    """
    _check_dimensions(a, b)
    inner = torch.linalg.eigvalsh(root.T @ b.covariance @ root).clamp_min(0)
    return _apart(a, b, inner.sqrt().sum())


def _apart(a: Moments, b: Moments, common: Tensor) -> float:
    shift = (a.mean - b.mean).square().sum()
    return float(shift + a.covariance.trace() + b.covariance.trace() - 2 * common)


def gaussian_floor(a: Moments, count: int) -> float:
    """What two samples of `count` from this Gaussian are apart on average, by chance alone.

    A first-order expansion of the distance in the errors of mean and covariance; see
    docs/evaluation.md for where it holds.

    Raises:
        DataError: `count` is not above the number of features.
    """
    check_full_rank(count, len(a.mean))
    values = torch.linalg.eigvalsh(a.covariance).clamp_min(0)
    pairs = values[:, None] + values[None]
    products = values[:, None] * values[None] / pairs.clamp_min(1e-300)
    spread = 0.5 * (products.sum() + products.diagonal().sum()) / (count - 1)
    return float(2 * (values.sum() / count + spread))


@dataclass(frozen=True)
class Extrapolated:
    """A distance at infinitely many samples.

    Arguments:
        value: The intercept at 1/n = 0; it may be negative.
        error: Its standard error, from the residuals of the line.
        points: The sizes n of the subsets and their distances, that the line was drawn through.
    """

    value: float
    error: float
    points: tuple[tuple[int, float], ...]


def frechet_infinity(
    real: Moments | Tensor, fake: Tensor, seed: int = 0, count: int = 15, smallest: float = 0.5
) -> Extrapolated:
    """The distance without the bias of the number of samples. Chong & Forsyth (2020), section 3.

    The bias goes as 1/n: a line in 1/n through the distances of random subsets, each drawn anew without
    replacement, at sizes evenly spaced in 1/n. Subsets overlap, so that the error is an estimate only. It
    holds where the line does, for n well above D.

    Arguments:
        real: Moments stay as they are, and their own bias too, as in the paper. Of features `(N, D)`,
            subsets as large as the generated ones are taken, and both biases go.
        fake: Generated features `(M, D)`.
        seed: Of the subsets.
        count: How many subsets.
        smallest: The smallest subset, as a share of the largest. Terms in 1/n^2 bend the line below.

    Raises:
        DataError: The features do not fit together, are all the same, are fewer than 2 `count`, or no
            more than D in the smallest subset.
    """
    if count < 3:
        raise DataError(f"a line with its error needs at least 3 subsets; found {count}")
    if not 0 < smallest < 1:
        raise DataError(f"the smallest subset must be a share between 0 and 1; found {smallest}")
    sets = {"generated": fake} if isinstance(real, Moments) else {"real": real, "generated": fake}
    check_features(2 * count, **sets)
    check_spread(**sets)
    largest = min(len(features) for features in sets.values())
    sizes = (largest / torch.linspace(1 / smallest, 1, count)).round().long().tolist()
    check_full_rank(sizes[0], fake.shape[1], " in the smallest subset")
    generator = torch.Generator().manual_seed(seed)
    root = _root(real) if isinstance(real, Moments) else None
    points = []
    for size in sizes:
        a = real if isinstance(real, Moments) else moments(_draw(real, size, generator))
        b = moments(_draw(fake, size, generator))
        points.append((size, _distance(a, b, _root(a) if root is None else root)))
    inverse = 1 / torch.tensor(sizes, dtype=torch.float64)
    y = torch.tensor([value for _, value in points], dtype=torch.float64)
    centred = inverse - inverse.mean()
    slope = (centred * y).sum() / centred.square().sum()
    value = y.mean() - slope * inverse.mean()
    residual = (y - value - slope * inverse).square().sum() / (count - 2)
    factor = 1 / count + inverse.mean().square() / centred.square().sum()
    return Extrapolated(float(value), float((residual * factor).sqrt()), tuple(points))


def spread_by_subsampling(real: Moments, fake: Tensor, seed: int = 0, groups: int = 20) -> float:
    """One standard error of the distance from the draw of the generated features `(M, D)`.

    The spread of the distance as each of some random groups is left out in turn, scaled to all M: the
    grouped jackknife (Shao & Wu 1989). It is right where the distance is well above its floor; near it, up
    to sqrt 2 too large (Efron & Stein 1981). A bootstrap would add the bias of its repeated samples.

    Raises:
        DataError: Fewer than two samples a group, no more than D without a group, fewer than 2 groups,
            or features that do not fit.
    """
    if groups < 2:
        raise DataError(f"a spread needs at least 2 groups; found {groups}")
    check_features(2 * groups, generated=fake)
    group = torch.randperm(len(fake), generator=torch.Generator().manual_seed(seed)) % groups
    root = _root(real)
    values = [
        _distance(real, moments(fake[(group != g).to(fake.device)]), root) for g in range(groups)
    ]
    spread = float(torch.tensor(values, dtype=torch.float64).std())
    return spread * (groups - 1) / math.sqrt(groups)


def _draw(x: Tensor, size: int, generator: torch.Generator) -> Tensor:
    return x[torch.randperm(len(x), generator=generator)[:size].to(x.device)]
