"""The bound of thousands of draws from the weights of a few hundred of them.

A third of those are the first draws, as they come. What their weights say of all others, a quadratic of
the codes, names the heaviest: the second third, whose weights mend that guess where it matters. The last
third is drawn from the rest, each with a probability p that grows with its guessed weight, and what was
drawn with probability p counts 1 / p times (Horvitz & Thompson 1952). Given all draws, the mean weight is
so estimated without bias and is never negative, whatever the guess is worth; a good one makes its error
small. The bound stays one: its expectation is below log p(x), by Jensen's inequality.

B is the batch, K the draws, P those whose weights are known, Z the latent dimensions.
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
LEVEL = 100.0
"""The constant's freedom beside the coefficients': it is all but not held back."""
DEFENCE = 0.1
"""The part of the mean guess that every draw's guess has at least: none may be ruled out."""
LEAST = 6
"""Weights of a sample: two in each third, for two are the fewest that have a spread."""


def thinned_bound(
    codes: Tensor, log_weights: Callable[[Tensor], Tensor], weighed: int, noise: Noise
) -> ImportanceBound:
    """The importance-weighted bound of K draws, from the weights of `weighed` of them.

    Arguments:
        codes: The draws `(B, K, Z)`, independent, in units in which what matters is of order one.
        log_weights: Of draws given by their places: int64 `(B, n)` to nats `(B, n)`.
        weighed: How many weights of each sample are asked for: `LEAST` to K - 1.
        noise: Of the choice.
    """
    count, draws = codes.shape[:2]
    third = weighed // 3
    places = torch.arange(third, device=codes.device).expand(count, third)
    known = float64(log_weights(places))
    heaviest = _guess_of_others(codes, places, known).topk(third, dim=1).indices
    places = torch.cat([places, heaviest], 1)
    known = torch.cat([known, float64(log_weights(heaviest))], 1)
    guess = float64(_guess_of_others(codes, places, known))
    sizes = (guess - guess.amax(1, keepdim=True)).exp()
    floor = DEFENCE * sizes.sum(1, keepdim=True) / (draws - 2 * third)
    sizes = (sizes + floor).scatter(1, places.to(sizes.device), 0)
    probabilities = inclusion(sizes, weighed - 2 * third)
    chosen = systematic(probabilities, weighed - 2 * third, noise.uniform(count, 1))
    raised = -probabilities.gather(1, chosen).log()
    rest = float64(log_weights(chosen))
    total = torch.logaddexp(known.logsumexp(1), (rest + raised).logsumexp(1))
    squares = torch.logaddexp((2 * known).logsumexp(1), (2 * rest + raised).logsumexp(1))
    # An estimate of a sum of squares may fall short of what K equal weights have.
    ess = (2 * total - squares).exp().clamp_max(draws)
    added = lost((rest - total[:, None]).exp(), (-raised).exp())
    return ImportanceBound(draws, total - math.log(draws), ess, added)


def _guess_of_others(codes: Tensor, places: Tensor, log_weights: Tensor) -> Tensor:
    """The guess of all draws `(B, K)` from those at `(B, P)`, at which it is -inf."""
    known = codes.gather(1, places[..., None].expand(-1, -1, codes.shape[2]))
    return guessed(known, log_weights, codes).scatter_(1, places, -math.inf)


def guessed(known: Tensor, log_weights: Tensor, codes: Tensor) -> Tensor:
    """Log weights of codes `(B, N)` but for a constant, by a quadratic of those that are known.

    Ridge regression with the kernel k(u, v) = (u.v + 1/2)^2 + `LEVEL` (Saunders et al. 1998): a constant,
    all codes and all products of two, without a matrix of Z^2 / 2 features.

    Arguments:
        known: Codes `(B, P, Z)`, in units in which what matters is of order one.
        log_weights: Theirs, `(B, P)` in nats.
        codes: `(B, N, Z)` in the same units.
    """
    # The ridge keeps this well conditioned: the precision of the codes will do.
    # In place, here and below: on a CPU, new memory of this size costs more than what is done with it.
    kernel = (known @ known.mT).add_(0.5).square_().add_(LEVEL)
    kernel.diagonal(dim1=1, dim2=2).add_(RIDGE)
    residual = (log_weights - log_weights.mean(1, keepdim=True)).to(kernel)
    factor, failed = torch.linalg.cholesky_ex(kernel)
    dual = torch.cholesky_solve(residual[..., None], factor)
    # Weights or codes that are not finite leave no guess: all are as likely.
    dual = torch.where((failed == 0)[:, None, None], dual, 0).nan_to_num(0, 0, 0)
    linear, quadratic = dual.mT @ known, known.mT @ (dual * known)
    return (linear @ codes.mT).squeeze(1) + (codes @ quadratic).mul_(codes).sum(2)


def inclusion(sizes: Tensor, count: int) -> Tensor:
    """Probabilities min(1, size / c) `(B, N)` that sum to `count`, of sizes of which more are positive.

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
        probabilities: Of sum `count`, `(B, N)` in [0, 1].
        count: How many.
        starts: Uniform in [0, 1), `(B, 1)`.
    """
    upto = probabilities.cumsum(1)
    # The sum is `count` but for rounding, which must not put the last tick behind it.
    ticks = (starts.to(upto) + torch.arange(count, device=upto.device)) * (upto[:, -1:] / count)
    return torch.searchsorted(upto, ticks, right=True)


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
