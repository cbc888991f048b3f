"""The bound of thousands of draws from the weights of a few: a pilot, a guess of the others, a choice.

A first part of the draws is weighed: the pilot. What their weights say of the others decides how probable
each of those is to be weighed too, and a weight that was found with probability p counts 1 / p times
(Horvitz & Thompson 1952). Given the draws, the mean weight is so estimated without bias and is never
negative, whatever the guess is worth; a good one makes its error small. The bound stays one: its
expectation is below log p(x), by Jensen's inequality.

B is the batch, K the draws, P the pilot's, N the others, Z the latent dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..tensors import Noise, float64
from .bounds import ImportanceBound

RIDGE = 10.0
"""Nats squared of a residual over a coefficient's: of a quadratic's fit to 50 to 1000 draws."""
DEFENCE = 0.01
"""The part of the mean guess that every draw's guess has at least: none may be ruled out."""
LEAST = 4
"""Weights of a sample: two teach what the others may be, and two of those tell of their spread."""


def thinned_bound(
    codes: Tensor, log_weights: Callable[[Tensor], Tensor], weighed: int, noise: Noise
) -> ImportanceBound:
    """The importance-weighted bound of K draws, from the weights of `weighed` of them.

    Arguments:
        codes: The draws `(B, K, Z)`, independent, in units in which what matters is of order one.
        log_weights: Of draws given by their places: int64 `(B, n)` to nats `(B, n)`.
        weighed: How many weights of each sample are asked for, `LEAST` to K - 1; half are the pilot's.
        noise: Of the choice.
    """
    codes = float64(codes)
    count, draws = codes.shape[:2]
    known = weighed // 2
    first = torch.arange(known, device=codes.device).expand(count, known)
    pilot = float64(log_weights(first))
    guess = guessed(codes[:, :known], pilot, codes[:, known:])
    sizes = (guess - guess.amax(1, keepdim=True)).exp()
    probabilities = inclusion(sizes + DEFENCE * sizes.mean(1, keepdim=True), weighed - known)
    chosen = systematic(probabilities, weighed - known, noise.uniform(count, 1))
    raised = -probabilities.gather(1, chosen).log()
    rest = float64(log_weights(known + chosen))
    total = torch.logaddexp(pilot.logsumexp(1), (rest + raised).logsumexp(1))
    squares = torch.logaddexp((2 * pilot).logsumexp(1), (2 * rest + raised).logsumexp(1))
    # An estimate of a sum of squares may fall short of what K equal weights have.
    ess = (2 * total - squares).exp().clamp_max(draws)
    added = lost((rest - total[:, None]).exp(), (-raised).exp())
    return ImportanceBound(draws, total - math.log(draws), ess, added)


def guessed(pilot: Tensor, log_weights: Tensor, others: Tensor) -> Tensor:
    """Log weights of the others `(B, N)` but for a constant, by a quadratic of the pilot's.

    Ridge regression with the kernel k(u, v) = u.v + (u.v)^2, centred (Saunders et al. 1998): all
    quadratics, without a matrix of Z^2 / 2 features.

    Arguments:
        pilot: Codes `(B, P, Z)`, in units in which what matters is of order one.
        log_weights: Of the pilot, `(B, P)` in nats.
        others: Codes `(B, N, Z)` in the same units.
    """
    products = pilot @ pilot.mT
    kernel = products + products.square()
    by_row, by_column = kernel.mean(2, keepdim=True), kernel.mean(1, keepdim=True)
    kernel = kernel - by_row - by_column + by_row.mean(1, keepdim=True)
    kernel.diagonal(dim1=1, dim2=2).add_(RIDGE)
    residual = (log_weights - log_weights.mean(1, keepdim=True))[..., None]
    factor, failed = torch.linalg.cholesky_ex(kernel)
    dual = torch.cholesky_solve(residual, factor)
    # Weights or codes that are not finite leave no guess: all others are as likely.
    dual = torch.where((failed == 0)[:, None, None], dual, 0).nan_to_num(0, 0, 0)
    quadratic = pilot.mT @ (dual * pilot)
    return ((others @ quadratic + (dual * pilot).sum(1, keepdim=True)) * others).sum(2)


def inclusion(sizes: Tensor, count: int) -> Tensor:
    """Probabilities min(1, size / c) `(B, N)` that sum to `count` < N, of positive sizes.

    Fearnhead & Clifford (2003), "On-line inference for hidden Markov models via particle filters",
    section 3.3: of all choices of `count` with the sum unbiased, the least squared error.
    """
    largest = sizes.topk(count, dim=1).values
    rest = sizes.sum(1, keepdim=True) - largest.cumsum(1) + largest
    left = torch.arange(count, 0, -1, device=sizes.device)
    certain = (largest * left >= rest).sum(1, keepdim=True).clamp_max(count - 1)
    threshold = rest.gather(1, certain) / (count - certain)
    return (sizes / threshold).clamp(max=1)


def systematic(probabilities: Tensor, count: int, starts: Tensor) -> Tensor:
    """`count` of N, each with its probability: places `(B, count)`. Madow (1949).

    Arguments:
        probabilities: Of sum `count`, `(B, N)` in (0, 1].
        count: How many.
        starts: Uniform in [0, 1), `(B, 1)`.
    """
    upto = probabilities.cumsum(1)
    ticks = starts.to(upto) + torch.arange(count, device=upto.device)
    return torch.searchsorted(upto, ticks, right=True).clamp_max(upto.shape[1] - 1)


def lost(weights: Tensor, probabilities: Tensor) -> Tensor:
    """The variance `(B,)` of sum w / p over the choice of these draws; NaN where one alone had p < 1.

    Hajek (1964), "Asymptotic theory of rejective sampling with varying probabilities", section 8.

    Arguments:
        weights: Of the chosen, `(B, n)`.
        probabilities: Of their choice, `(B, n)`.
    """
    unsure = 1 - probabilities
    counted = (unsure > 0).sum(1)
    raised = weights / probabilities
    mean = (unsure * raised).sum(1) / unsure.sum(1)
    spread = (unsure * (raised - mean[:, None]).square()).sum(1)
    return spread * counted / (counted - 1)
