"""Whether single latent dimensions hold single factors: MIG, SAP, modularity, IRS, the FactorVAE score.

Codes are `(N, D)`, e.g. posterior means; factors are `(N, K)` whole numbers, drawn independently of one
another. Information is in nats, all in float64. DCI is in `dci`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from ..tensors import mix
from .checks import check_features
from .intervals import Interval, wilson
from .regression import standardised

BINS = 20
"""Part of MIG, SAP and modularity: values of different bins are not comparable."""
QUANTILE = 0.99
"""Part of IRS, likewise."""
VOTES, BATCH = 800, 64
"""Of the FactorVAE score: votes for the classifier and for its accuracy each, and codes in a vote."""


@dataclass(frozen=True)
class Information:
    """Mutual information of codes and factors, `(D, K)`, and entropies of the factors, `(K,)`.

    `bias` is what a code that is independent of the factor would show on average, (B - 1)(L - 1) / 2N
    with B bins and L levels that occur (Miller 1955); where it is not small, N is too small.
    """

    value: Tensor
    bias: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class Gaps:
    """A score, each factor's part in it `(K,)`, and the codes' ratings that it is made of, `(D, K)`."""

    score: float
    gaps: Tensor
    ratings: Tensor


@dataclass(frozen=True)
class Robustness:
    """IRS, each code's part in it `(D,)` with its weight, and the factor that the code is robust to."""

    score: float
    codes: Tensor
    weights: Tensor
    factors: Tensor


@dataclass(frozen=True)
class FactorVote:
    """The FactorVAE score with its 95 % interval, and how many votes each `(code, factor)` had."""

    score: Interval
    votes: Tensor
    active: int


def information(codes: Tensor, factors: Tensor, bins: int = BINS) -> Information:
    """The mutual information of every code, in bins of equal width over its range, and every factor.

    Raises:
        DataError: Codes and factors do not fit together, are fewer than 2 or not finite, or a factor has
            one value only.
    """
    columns = check_factors(codes, factors)
    if bins < 2:
        raise ConfigError(f"codes need at least 2 bins; found {bins}")
    value, bias = torch.zeros(2, codes.shape[1], len(columns), dtype=torch.float64)
    for d, code in enumerate(codes.T):
        for k, factor in enumerate(columns):
            joint = _histogram(code, factor, bins)
            sides = joint.sum(0), joint.sum(1)
            value[d, k] = _entropy(sides[0]) + _entropy(sides[1]) - _entropy(joint)
            freedom = [int((side > 0).sum()) - 1 for side in sides]
            bias[d, k] = freedom[0] * freedom[1] / (2 * len(codes))
    entropy = torch.stack([_entropy(factor.bincount().double()) for factor in columns])
    # A sum of entropies is exact to rounding alone, also below 0.
    return Information(value.clamp_min(0), bias, entropy.cpu())


def mig(codes: Tensor, factors: Tensor, bins: int = BINS) -> Gaps:
    """The mutual information gap, from 0 to 1: of a factor's two most informative codes, over its entropy.

    Chen et al. (2018), "Isolating sources of disentanglement". A factor with more levels than there are
    bins cannot reach 1.

    Raises:
        DataError: As `information`, or there are fewer than 2 codes.
    """
    found = information(codes, factors, bins)
    return _gaps(found.value / found.entropy)


def modularity(codes: Tensor, factors: Tensor, bins: int = BINS) -> float:
    """How nearly each code informs about one factor alone, from 0 to 1. Ridgeway & Mozer (2018).

    Raises:
        DataError: As `information`, or there are fewer than 2 factors.
    """
    return modularity_of(information(codes, factors, bins).value)


def modularity_of(value: Tensor) -> float:
    """Modularity from mutual information `(D, K)`: 1 - sum of squares but the largest / ((K - 1) largest).

    Averaged over codes; one that informs about nothing counts as 0.

    Raises:
        DataError: There are fewer than 2 factors, or information is negative.
    """
    if value.ndim != 2 or value.shape[1] < 2 or not len(value):
        raise DataError(
            f"modularity needs information of shape (D, K), K >= 2; found {tuple(value.shape)}"
        )
    if not bool((value >= 0).all()):
        raise DataError(f"information cannot be negative or NaN; found {float(value.min()):g}")
    squares = value.double().square()
    largest = squares.amax(1)
    rest = (squares.sum(1) - largest) / ((value.shape[1] - 1) * largest)
    return float(torch.where(largest > 0, 1 - rest, 0.0).mean())


def sap(codes: Tensor, factors: Tensor, nominal: Collection[int] = (), bins: int = BINS) -> Gaps:
    """Separated attribute predictability: the gap of a factor's two best codes. Kumar et al. (2018).

    A code is rated by the R^2 of a linear regression of the factor on it. For factors without an order it
    is the balanced accuracy of naming one level in each bin of the code, on the same samples, whose gap
    stays below 1 - 1/L for L levels.

    Arguments:
        codes: `(N, D)`.
        factors: `(N, K)`.
        nominal: The columns of factors whose levels have no order, e.g. a shape.
        bins: Of the codes, for nominal factors.

    Raises:
        DataError: As `information`, or there are fewer than 2 codes.
    """
    columns = check_factors(codes, factors)
    check_nominal(nominal, len(columns))
    x = standardised(codes)[0]
    ratings = torch.zeros(codes.shape[1], len(columns), dtype=torch.float64)
    for k, factor in enumerate(columns):
        if k in nominal:
            joints = [_histogram(code, factor, bins) for code in codes.T]
            shares = [(joint / joint.sum(0)).amax(1).sum() / joint.shape[1] for joint in joints]
            ratings[:, k] = torch.stack(shares).cpu()
        else:
            y = standardised(factors[:, k : k + 1])[0]
            ratings[:, k] = (x * y).mean(0).square().cpu()
    return _gaps(ratings)


def irs(codes: Tensor, factors: Tensor, quantile: float = QUANTILE) -> Robustness:
    """The interventional robustness score: how still a code is while one factor is. Suter et al. (2019).

    A code's deviation is the quantile of |z - E[z|g]| over samples with the factor at g, averaged over g,
    over the same quantile with nothing fixed. One less that, for the factor where it is least, is the
    code's part; parts are weighted by the denominator, so that the unit of each code matters. The
    paper's maximum is quantile 1, and hangs on one sample.

    Raises:
        DataError: As `information`.
    """
    columns = check_factors(codes, factors)
    if not 0 < quantile <= 1:
        raise ConfigError(f"a quantile lies between 0 and 1; found {quantile}")
    z = codes.double()
    free = _deviation(z, quantile)
    fixed = torch.zeros(z.shape[1], len(columns), dtype=torch.float64, device=z.device)
    for k, factor in enumerate(columns):
        for level in range(int(factor.max()) + 1):
            group = z[factor == level]
            fixed[:, k] += len(group) / len(z) * _deviation(group, quantile)
    robust = (1 - fixed / free[:, None]).clamp_min(0)
    best, place = torch.where(free[:, None] > 0, robust, 0.0).max(1)
    total = float(free.sum())
    score = float((best * free).sum()) / total if total else 0.0
    return Robustness(score, best, free, place)


def factor_vae_score(
    codes: Tensor,
    sample: Callable[[int, int, int], Tensor],
    factors: int,
    seed: int,
    votes: int = VOTES,
    batch: int = BATCH,
    least_variance: float = 0.05,
) -> FactorVote:
    """How well the code that varies least tells which factor was fixed. Kim & Mnih (2018), section 4.

    Each vote is a batch of codes with one factor fixed; the code with the smallest variance, in units of
    its variance over all data, votes for the factor. Each code then stands for the factor it was most
    often of, and the score is its accuracy on as many votes again. Chance is near 1 / K.

    Arguments:
        codes: `(N, D)`, of all data.
        sample: From (factor, count, seed) to codes `(count, D)` of fresh data, with that factor at one
            value drawn by the seed and the others free.
        factors: K.
        seed: Of all draws.
        votes: How many, for the classifier and for its accuracy each.
        batch: Codes in a vote.
        least_variance: Codes that vary less over all data have no vote: for codes in units of a standard
            normal prior. Where none is left, the score is 0.

    Raises:
        DataError: Codes are not finite or fewer than 2, or the sampler's are of another shape.
    """
    check_features(2, codes=codes)
    if factors < 2 or votes < 1 or batch < 2:
        raise ConfigError(
            "the FactorVAE score needs at least 2 factors, 1 vote and batches of 2; "
            f"found {factors}, {votes} and {batch}"
        )
    variance = codes.double().var(0)
    active = (variance > max(least_variance, 0)).nonzero().flatten()
    table = torch.zeros(2, codes.shape[1], factors, dtype=torch.long)
    if not len(active):
        return FactorVote(wilson(0, votes), table[0], 0)
    chosen = torch.randint(factors, (2 * votes,), generator=torch.Generator().manual_seed(seed))
    for turn, factor in enumerate(chosen.tolist()):
        drawn = sample(factor, batch, mix(seed, turn))
        if drawn.shape != (batch, codes.shape[1]) or not drawn.isfinite().all():
            raise DataError(
                f"the sampler must give finite codes of shape {(batch, codes.shape[1])}; "
                f"found {tuple(drawn.shape)}, {int((~drawn.isfinite()).sum())} numbers not finite"
            )
        spread = drawn.double().var(0)[active] / variance[active]
        table[turn // votes, active[spread.argmin()], factor] += 1
    right = table[1].gather(1, table[0].argmax(1, keepdim=True)).sum()
    return FactorVote(wilson(int(right), votes), table[0], len(active))


def check_factors(codes: Tensor, factors: Tensor) -> list[Tensor]:
    """The K factors `(N,)`, their levels counted from 0; refuses what no score can be made of."""
    check_features(2, codes=codes)
    if factors.ndim != 2 or len(factors) != len(codes) or factors.is_floating_point():
        raise DataError(
            f"factors must be whole numbers of shape ({len(codes)}, K), one row a code; found "
            f"{factors.dtype} of shape {tuple(factors.shape)}"
        )
    columns = [factor.unique(return_inverse=True)[1] for factor in factors.T]
    constant = [str(k) for k, column in enumerate(columns) if not int(column.max())]
    if constant or not columns:
        found = f"one value only in column {', '.join(constant)}" if constant else "no column"
        raise DataError(f"factors need at least 2 values each; found {found}")
    return columns


def check_nominal(nominal: Collection[int], count: int) -> None:
    """Refuses columns that `count` factors do not have."""
    if not set(nominal) <= set(range(count)):
        raise ConfigError(f"nominal factors are columns 0 to {count - 1}; found {sorted(nominal)}")


def _gaps(ratings: Tensor) -> Gaps:
    if len(ratings) < 2:
        raise DataError(f"a gap needs at least 2 codes; found {len(ratings)}")
    best = ratings.topk(2, dim=0).values
    gaps = best[0] - best[1]
    return Gaps(float(gaps.mean()), gaps, ratings)


def _histogram(code: Tensor, factor: Tensor, bins: int) -> Tensor:
    """How often each bin and level meet, `(bins, levels)`; the range's upper end is in the last bin."""
    low, high = code.double().aminmax()
    place = ((code.double() - low) / (high - low).clamp_min(1e-300) * bins).long()
    levels = int(factor.max()) + 1
    joint = (place.clamp_max(bins - 1) * levels + factor).bincount(minlength=bins * levels)
    return joint.double().unflatten(0, (bins, levels))


def _entropy(counts: Tensor) -> Tensor:
    shares = counts / counts.sum()
    return -torch.special.xlogy(shares, shares).sum()


def _deviation(z: Tensor, quantile: float) -> Tensor:
    away = (z - z.mean(0)).abs()
    rank = max(1, round(quantile * len(z)))
    return away.kthvalue(rank, dim=0).values
