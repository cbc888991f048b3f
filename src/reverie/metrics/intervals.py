"""Intervals and tests: what a difference, a rate or a mean is worth given how few values it is from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from ..errors import ConfigError, DataError


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """A difference, its confidence interval, and the two-sided p-value of a difference of 0.

    `p` is None where nothing spreads: there is nothing to judge by then, and no certainty.
    """

    p: float | None


# ---- Distributions


def normal_cdf(z: float) -> float:
    """P(Z <= z) of N(0, 1), to full relative precision in the lower tail."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def student_t_tails(t: float, df: float) -> float:
    """P(|T| >= |t|) = I_x(df/2, 1/2) with x = df / (df + t^2). Abramowitz & Stegun (1964), 26.7.1.

    With `df` infinite it is the normal distribution's, and above 1e8, where it differs by less than 1e-7 of
    itself for any t that matters, and the fraction below would lose its digits.
    """
    if not df > 0:
        raise ConfigError(f"Student's t needs degrees of freedom above 0; found {df}")
    if df > 1e8:
        return 2 * normal_cdf(-abs(t))
    # Formed this way, x and 1 - x both keep their digits, and a huge t does not overflow.
    ratio = t / df * t
    if ratio == 0 or ratio == math.inf:
        return float(ratio == 0)
    x, y = 1 / (1 + ratio), ratio / (1 + ratio)
    a, b = df / 2, 0.5
    front = math.exp(b * math.log(y) - a * math.log1p(ratio) - _log_beta_half(a))
    if x < (a + 1) / (a + b + 2):
        return front / (a * _beta_fraction(x, a, b))
    return 1 - front / (b * _beta_fraction(y, b, a))


def student_t_quantile(p: float, df: float) -> float:
    """The t with P(T <= t) = p, by bisection."""
    if not 0 < p < 1:
        raise ConfigError(f"a quantile needs a probability between 0 and 1; found {p}")
    tails, low, high = 2 * min(p, 1 - p), 0.0, 1.0
    while student_t_tails(high, df) > tails:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if student_t_tails(middle, df) > tails else (low, middle)
    return math.copysign(high, p - 0.5) if p != 0.5 else 0.0


def binomial_upper_tail(successes: int, n: int, p: float = 0.5) -> float:
    """P(X >= successes) of n draws that each succeed with probability p: an exact one-sided p-value."""
    _check_share(successes, n)
    if not 0 < p < 1:
        raise ConfigError(f"a binomial test needs a probability between 0 and 1; found {p}")
    k = torch.arange(successes, n + 1, dtype=torch.float64)
    ways = math.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    return min(1.0, float((ways + k * math.log(p) + (n - k) * math.log1p(-p)).exp().sum()))


def _log_beta_half(a: float) -> float:
    """ln B(a, 1/2). Where a is large, lgamma(a + 1/2) - lgamma(a) would cancel: DLMF 5.11.13, expanded."""
    if a < 100:
        gap = math.lgamma(a + 0.5) - math.lgamma(a)
    else:
        gap = math.log(a) / 2 - 1 / (8 * a) + 1 / (192 * a**3)
    return math.log(math.pi) / 2 - gap


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction 1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22, by Lentz' method."""
    value, c, d = 1.0, 1.0, 0.0
    for term in _beta_terms(x, a, b):
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value *= c * d
        if abs(c * d - 1) < 4e-16:
            break
    return value


def _beta_terms(x: float, a: float, b: float) -> Iterator[float]:
    """The terms d1, d2, ... of DLMF 8.17.23; they are needed up to O(sqrt(max(a, b)))."""
    for m in range(1_000_000):
        yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        n = m + 1
        yield n * (b - n) * x / ((a + 2 * n - 1) * (a + 2 * n))


# ---- Intervals


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """The score interval of a share of n independent draws. Wilson (1927).

    Raises:
        DataError: There are no draws, or successes are not between 0 and n.
    """
    _check_share(successes, n)
    share = successes / n
    return Interval(share, *score_ends(share, n, NormalDist().inv_cdf(0.5 + _checked(level) / 2)))


def score_ends(share: float, n: float, z: float) -> tuple[float, float]:
    """The ends of Wilson's interval, `z` deviations wide."""
    pull = z**2 / n
    centre = (share + pull / 2) / (1 + pull)
    reach = z * math.sqrt(share * (1 - share) / n + pull / (4 * n)) / (1 + pull)
    # The ends of 0 of n and n of n are 0 and 1, but for rounding.
    return max(0.0, min(share, centre - reach)), min(1.0, max(share, centre + reach))


def paired_difference(
    a: Tensor, b: Tensor, level: float = 0.95, df: float = math.inf
) -> Difference:
    """The mean of a - b over pairs `(N,)`, with Student's interval and p-value.

    Pairs are what shares the noise: one example under two models, or one seed of two recipes. Differences
    that are all equal, but for rounding, have an interval of no width and no p-value.

    Arguments:
        a: One side.
        b: The other.
        level: Of the interval.
        df: The degrees of freedom at most, where values rest on fewer than there are pairs.

    Raises:
        DataError: Lengths differ, fewer than 2 pairs, or a value that is not finite.
    """
    apart = _differences(a, b)
    errors = [(_error(apart, a, b), min(df, len(apart) - 1))]
    return from_errors(float(apart.mean()), errors, level)


def welch(a: Tensor, b: Tensor, level: float = 0.95) -> Difference:
    """The difference of the means of independent values `(N,)` and `(M,)`. Welch (1947).

    Raises:
        DataError: Fewer than 2 values on a side, or one that is not finite.
    """
    sides = [_check_values(x, "values") for x in (a, b)]
    errors = [(_error(x, x), len(x) - 1) for x in sides]
    return from_errors(float(sides[0].mean() - sides[1].mean()), errors, level)


def from_errors(
    value: float, errors: Sequence[tuple[float, float]], level: float = 0.95
) -> Difference:
    """A difference of independent estimates, by their standard errors and what these rest on.

    Student's t with the degrees of freedom of Satterthwaite (1946).

    Arguments:
        value: The difference.
        errors: A standard error and its degrees of freedom for each estimate; inf where it is as good as
            known.
        level: Of the interval.
    """
    total = sum(error**2 for error, _ in errors)
    if total == 0:
        return Difference(value, value, value, None)
    slack = sum((error**2 / total) ** 2 / df for error, df in errors)
    df, error = 1 / slack if slack else math.inf, math.sqrt(total)
    reach = error * student_t_quantile(0.5 + _checked(level) / 2, df)
    return Difference(value, value - reach, value + reach, student_t_tails(value / error, df))


def _error(values: Tensor, *sources: Tensor) -> float:
    """The standard error of a mean; 0 where values differ by the rounding of their sources at most."""
    error = float(values.double().std()) / math.sqrt(len(values))
    return error if error > 1e-12 * max(float(x.abs().max()) for x in sources) else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, in their order, adjusted for there being several of them. Holm (1979).

    To call those below 0.05 significant errs anywhere among them with a chance of at most 0.05, if they are
    all that were looked at: tests that were chosen by the data count with those they were chosen from.

    Raises:
        DataError: A value is not between 0 and 1.
    """
    bad = [p for p in p_values if not 0 <= p <= 1]
    if bad:
        raise DataError(f"p-values are between 0 and 1; found {', '.join(map(str, bad))}")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def mann_whitney_z(a: Tensor, b: Tensor) -> float:
    """(U - mn/2) / sqrt(mn (m + n + 1) / 12): N(0, 1) where a `(M,)` and b `(N,)` are alike, negative where
    a is smaller.

    Mann & Whitney (1947), as C_T has it (Meehan et al. 2020). Equal values count one half, and make |Z| too
    small.

    Arguments:
        a: Independent values.
        b: Independent values.

    Raises:
        DataError: A side is empty, or holds NaN.
    """
    for name, x in (("a", a), ("b", b)):
        if x.ndim != 1 or not len(x) or x.isnan().any():
            raise DataError(
                f"a rank test needs one row of numbers on each side; found {name} of shape "
                f"{tuple(x.shape)} with {int(x.isnan().sum())} NaN"
            )
    m, n = len(a), len(b)
    _, places, ties = torch.cat([a.double(), b.double()]).unique(
        return_inverse=True, return_counts=True
    )
    ranks = (ties.cumsum(0).double() - (ties - 1) / 2)[places]
    u = float(ranks[:m].sum()) - m * (m + 1) / 2
    return (u - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)


# ---- Refusals


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ConfigError(f"a level lies between 0 and 1, e.g. 0.95; found {level}")
    return level


def _check_share(successes: int, n: int) -> None:
    if n < 1 or not 0 <= successes <= n:
        raise DataError(
            f"a share needs 0 to n successes of n >= 1 draws; found {successes} of {n}"
        )


def _check_values(values: Tensor, name: str) -> Tensor:
    if values.ndim != 1 or len(values) < 2 or not values.isfinite().all():
        raise DataError(
            f"an interval needs at least 2 finite {name} in one row; found shape "
            f"{tuple(values.shape)}, {int((~values.isfinite()).sum())} of them not finite"
        )
    return values.double().cpu()


def _differences(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape:
        raise DataError(
            f"pairs need sides of one length; found {tuple(a.shape)}, {tuple(b.shape)}"
        )
    return _check_values(a.double() - b.double(), "pairs")
