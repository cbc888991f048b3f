"""Two-sample tests: can real and generated features be told apart? N real, M generated, D features."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError
from .checks import check_features
from .distances import BLOCK
from .intervals import binomial_upper_tail, normal_cdf
from .neighbours import nearest
from .regression import logistic, standardised, with_one

PENALTY = 1.0
"""The weight of half the squared weights in the classifier's loss, unless said otherwise."""


@dataclass(frozen=True)
class NeighbourTest:
    """The leave-one-out accuracy of a 1-nearest-neighbour classifier of real against generated.

    Arguments:
        accuracy: Over all N + M samples. Well below `expected` with the training set as real samples,
            it shows memorised samples: each is nearest to its original.
        real: The accuracy over real samples. Low: real samples lie among generated ones.
        generated: The accuracy over generated samples. High: they keep to themselves, e.g. collapsed.
        expected: The mean accuracy under equality; just below 1/2 for equal sizes.
        deviation: The standard deviation of the accuracy under equality.
        p: The two-sided p-value of equality.
    """

    accuracy: float
    real: float
    generated: float
    expected: float
    deviation: float
    p: float


@dataclass(frozen=True)
class ClassifierTest:
    """The accuracy of a linear classifier on n held-out samples, and the one-sided p-value of equality."""

    accuracy: float
    n: int
    p: float


def nearest_neighbour_test(
    real: Tensor, generated: Tensor, seed: int, block: int = BLOCK
) -> NeighbourTest:
    """The 1-NN two-sample test of Lopez-Paz & Oquab (2017), with the null of Schilling (1986).

    The N + M decisions are not independent: two samples that are each other's nearest are right or wrong
    together. A binomial p-value is too small for that: the accuracy of 300 + 300 samples in two dimensions
    deviates by 0.026, not by the binomial's 0.020. Under equality, though, every way to call N of the
    pooled samples real is equally likely, and none changes who is nearest to whom. So the mean and variance
    of the accuracy over all those ways are exact, from counts of the neighbour graph; the p-value is that
    of a normal of this mean and variance, approximate at small sizes and right in the limit (Henze 1988).

    Arguments:
        real: `(N, D)`.
        generated: `(M, D)`.
        seed: Decides between neighbours at equal distance, e.g. duplicates, and nothing else.
        block: How many distances are held at a time.

    Raises:
        DataError: A set has fewer than 2 samples, or cannot be used.
    """
    check_features(2, real=real, generated=generated)
    n, m = len(real), len(generated)
    pooled = torch.cat([real, generated])
    # The first of equally near samples wins: in the sets' own order, real ones always would.
    order = torch.randperm(n + m, generator=torch.Generator().manual_seed(seed)).to(pooled.device)
    shuffled = pooled[order]
    neighbour = nearest(shuffled, shuffled, exclude_self=True, block=block).index[:, 0]
    is_real = order < n
    right = is_real == is_real[neighbour]
    accuracy = float(right.double().mean())
    expected, deviation = label_moments(neighbour, n, m)
    return NeighbourTest(
        accuracy=accuracy,
        real=float(right[is_real].double().mean()),
        generated=float(right[~is_real].double().mean()),
        expected=expected,
        deviation=deviation,
        # Not 0 / 0: with 2 a side or more, no graph has one accuracy for every labelling.
        p=2 * normal_cdf(-abs(accuracy - expected) / deviation),
    )


def label_moments(neighbour: Tensor, n: int, m: int) -> tuple[float, float]:
    """Mean and deviation of the share of samples labelled as their nearest `neighbour` `(n + m,)`, over all
    ways to label n of them real and m generated.

    The variance is a sum over pairs of arrows i -> neighbour(i), by the samples that two arrows touch in
    all: two (the same pair, which agrees or not together), three (all must be alike), or four.
    """
    total = n + m
    arrows = torch.arange(total, device=neighbour.device)
    mutual = int((neighbour[neighbour] == arrows).sum())
    received = neighbour.bincount(minlength=total)
    # Ordered pairs of arrows with one sample in common: the target of both, or the end of one alone.
    shared = int((received * (received - 1)).sum()) + 2 * (total - mutual)
    apart = total * (total - 1) - mutual - shared

    def alike(count: int) -> float:
        """The chance that `count` samples have one label."""
        return (math.perm(n, count) + math.perm(m, count)) / math.perm(total, count)

    two = alike(2)
    # Two arrows without a common sample: both within one label, or one within each.
    both = alike(4) if total >= 4 else 0.0
    if total >= 4:
        both += 2 * math.perm(n, 2) * math.perm(m, 2) / math.perm(total, 4)
    second = (total + mutual) * two + shared * alike(3) + apart * both
    variance = second / total**2 - two**2
    # Rounding leaves about 1e-16 of a variance of 0.
    return two, math.sqrt(variance) if variance > 1e-14 else 0.0


def classifier_test(
    real: Tensor, generated: Tensor, seed: int, penalty: float = PENALTY
) -> ClassifierTest:
    """The classifier two-sample test of Lopez-Paz & Oquab (2017), with logistic regression.

    The larger set is thinned to the smaller; half of each trains, the rest tests. The p-value is the exact
    P(Binomial(n, 1/2) >= right answers), of accuracies above chance alone: on held-out samples, decisions
    are independent given the classifier. Under equality it calls every sample real with one probability q;
    where q is not 1/2, the right answers vary less than that binomial, and p errs to the safe side
    (Hoeffding 1956).

    Arguments:
        real: `(N, D)`.
        generated: `(M, D)`.
        seed: Draws the halves, and who is left out of the larger set.
        penalty: 1/2 `penalty` |w|^2 beside the summed log loss, for standardised features; keeps the
            weights finite where the sets are separable.

    Raises:
        DataError: A set has fewer than 4 samples, or cannot be used.
    """
    if not penalty > 0:
        raise ConfigError(f"the penalty must be above 0; found {penalty}")
    check_features(4, real=real, generated=generated)
    generator, n = torch.Generator().manual_seed(seed), min(len(real), len(generated))
    sides = [
        x[torch.randperm(len(x), generator=generator)[:n]].double() for x in (real, generated)
    ]
    train, held = (
        torch.cat(parts) for parts in zip(*(x.tensor_split(2) for x in sides), strict=True)
    )
    x, x_held = standardised(train, held)
    weights = logistic(x, _labels(train), penalty)
    called_real = with_one(x_held) @ weights > 0
    right = int((called_real == (_labels(held) > 0)).sum())
    return ClassifierTest(right / len(held), len(held), binomial_upper_tail(right, len(held)))


def _labels(stacked: Tensor) -> Tensor:
    """1 for the first half of the rows, which are real, else 0."""
    return (torch.arange(len(stacked), device=stacked.device) < len(stacked) // 2).double()
