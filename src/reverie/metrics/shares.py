"""Whether two shares differ, from their intervals alone."""

from __future__ import annotations

import math
from statistics import NormalDist

from ..errors import DataError
from .intervals import Difference, Interval, normal_cdf, score_ends


def newcombe(a: Interval, b: Interval) -> Difference:
    """The difference a - b of two shares, from their 95 % Wilson intervals. Newcombe (1998), method 10.

    The p-value is that of the level at which the interval ends at 0. Shares of the same samples are taken
    for independent ones, which is on the safe side where they rise and fall together.

    Raises:
        DataError: An end is not between 0 and 1, or they do not hold the share between them.
    """
    value, draws = a.value - b.value, (_draws(a), _draws(b))

    def ends(z: float) -> tuple[float, float]:
        (a_low, a_high), (b_low, b_high) = (
            score_ends(x.value, n, z) for x, n in zip((a, b), draws, strict=True)
        )
        return (
            value - math.hypot(a.value - a_low, b_high - b.value),
            value + math.hypot(a_high - a.value, b.value - b_low),
        )

    # Beyond 40, the p-value is 0 in float64.
    without, within = 0.0, 40.0
    while (z := (without + within) / 2) not in (without, within):
        low, high = ends(z)
        without, within = (z, within) if low > 0 or high < 0 else (without, z)
    return Difference(value, *ends(NormalDist().inv_cdf(0.975)), 2 * normal_cdf(-within))


def _draws(share: Interval) -> float:
    """The n of a 95 % Wilson interval.

    Of half width h it has h^2 (1 + q)^2 = q p (1 - p) + q^2 / 4, with q = z^2 / n.
    """
    p, square = share.value, ((share.high - share.low) / 2) ** 2
    if not 0 <= share.low <= p <= share.high <= 1 or not 0 < square < 0.25:
        raise DataError(
            f"a share's interval lies around it and between 0 and 1; found {p} in "
            f"[{share.low}, {share.high}]"
        )
    a, b = square - 0.25, 2 * square - p * (1 - p)
    pull = (-b - math.sqrt(b * b - 4 * a * square)) / (2 * a)
    return NormalDist().inv_cdf(0.975) ** 2 / pull
