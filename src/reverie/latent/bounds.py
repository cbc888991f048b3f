"""Bounds on the log-likelihood. Each gives a surrogate to descend and an honest value to log.

K is the number of draws for each sample, B the batch, Z the latent dimensions; all values are nats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn.functional import softplus

from ..config import Section
from ..losses.divergences import log_mean_exp
from ..tensors import at_least_float32, float64
from .likelihoods import BernoulliLikelihood, LikelihoodModule


@dataclass(frozen=True)
class Bounded:
    """A bound over a batch, all scalars in nats.

    Arguments:
        loss: The surrogate to descend.
        negative: The bound itself, negated.
        distortion: -E_q[log p(x|z)].
        rate: KL(q(z|x) || p(z)).
    """

    loss: Tensor
    negative: Tensor
    distortion: Tensor
    rate: Tensor

    @property
    def value(self) -> Tensor:
        """The bound itself."""
        return -self.negative


@dataclass(frozen=True)
class Draws:
    """What a bound is made of.

    Arguments:
        log_likelihood: log p(x|z), `(K, B)`.
        log_ratio: log q(z|x) - log p(z), `(K, B)`; None where a bound asks for the KL alone.
        kl: KL(q(z|x) || p(z)), `(B, Z)` or `(B, 1)`.
    """

    log_likelihood: Tensor
    log_ratio: Tensor | None
    kl: Tensor


class ELBO(Section):
    """E_q[log p(x|z)] - KL(q(z|x) || p(z)). Kingma & Welling (2014), eq. 3."""

    kind: Literal["elbo"] = "elbo"
    draws: PositiveInt = 1
    """Draws of z for each sample; more make the gradient less noisy, not the bound tighter."""

    @property
    def needs_ratio(self) -> bool:
        """Whether it is made of single draws' weights."""
        return False

    def __call__(self, draws: Draws, beta: float) -> Bounded:
        """The loss has the KL weighted by `beta`."""
        distortion, rate = -draws.log_likelihood.mean(), draws.kl.sum(1).mean()
        negative = distortion + rate
        loss = negative if beta == 1 else distortion + beta * rate
        return Bounded(loss, negative, distortion, rate)


class IWAE(Section):
    """log mean_k p(x, z_k) / q(z_k|x). Burda et al. (2016), eq. 8."""

    kind: Literal["iwae"] = "iwae"
    draws: PositiveInt = 5
    """Draws of z for each sample: the bound tightens with them."""

    @property
    def needs_ratio(self) -> bool:
        """Whether it is made of single draws' weights."""
        return True

    def __call__(self, draws: Draws, beta: float) -> Bounded:
        """The loss is the negative bound; `beta` is 1, checked at construction."""
        if draws.log_ratio is None:
            raise AssertionError("the IWAE bound was given no log ratio")
        negative = -log_mean_exp(draws.log_likelihood - draws.log_ratio).mean()
        distortion, rate = -draws.log_likelihood.mean(), draws.kl.sum(1).mean()
        return Bounded(negative, negative, distortion, rate)


Bound = Annotated[ELBO | IWAE, Field(discriminator="kind")]


# ---- at evaluation: thousands of draws, in pieces


@dataclass(frozen=True)
class ImportanceBound:
    """What K weights w_k = p(x, z_k) / q(z_k|x) say of each of B samples; float64.

    Arguments:
        draws: K.
        value: log mean_k w_k, the bound in nats, `(B,)`. Burda et al. (2016), eq. 8.
        ess: The effective sample size (sum w)^2 / sum w^2, of 1 to K, `(B,)`. Kong (1992).
        thinned: The squared relative error of mean_k w_k from weights that were left out, `(B,)` or 0.
    """

    draws: int
    value: Tensor
    ess: Tensor
    thinned: Tensor = field(default_factory=lambda: torch.zeros(()))

    @property
    def error(self) -> Tensor:
        """The standard error of `value`, `(B,)`: std(w) / (mean(w) sqrt(K)), with that of thinning.

        The delta method; NaN for one draw, and too small where `ess` is a few draws.
        """
        return self._squared_error.sqrt()

    @property
    def bias(self) -> Tensor:
        """How far E[value] lies below log p(x), `(B,)`, to order 1/K. Nowozin (2018), proposition 1."""
        return 0.5 * self._squared_error

    @property
    def _squared_error(self) -> Tensor:
        # sum w^2 / mean(w)^2 is K^2 / ess; rounding must not turn equal weights into less than none.
        spread = (self.draws / self.ess - 1).clamp_min(0)
        alone = spread / (self.draws - 1) if self.draws > 1 else torch.full_like(spread, math.nan)
        return alone + self.thinned

    def clone(self) -> ImportanceBound:
        """The same in memory of its own."""
        return ImportanceBound(
            self.draws, self.value.clone(), self.ess.clone(), self.thinned.clone()
        )

    @staticmethod
    def joined(bounds: Sequence[ImportanceBound]) -> ImportanceBound:
        """One of all samples, of thinned bounds of as many draws each."""
        columns = ([b.value for b in bounds], [b.ess for b in bounds], [b.thinned for b in bounds])
        return ImportanceBound(bounds[0].draws, *map(torch.cat, columns))


def importance_bound(pieces: Iterable[Tensor]) -> ImportanceBound:
    """The bound from log weights that come in pieces `(k, B)`, none of which is kept."""
    draws, first, second = 0, torch.tensor(-math.inf), torch.tensor(-math.inf)
    for log_weights in pieces:
        # Thousands of weights over tens of nats: float32 would lose the small ones' sum.
        log_weights = float64(log_weights)
        draws += len(log_weights)
        first = torch.logaddexp(first.to(log_weights), log_weights.logsumexp(0))
        second = torch.logaddexp(second.to(log_weights), (2 * log_weights).logsumexp(0))
    return ImportanceBound(draws, first - math.log(draws), (2 * first - second).exp())


def log_prob_of_draws(likelihood: LikelihoodModule, decoded: Tensor, x: Tensor) -> Tensor:
    """log p(x|z) in nats of K draws for each sample: `(B, K, P, *shape)` and `(B, *shape)` to `(B, K)`."""
    if isinstance(likelihood, BernoulliLikelihood):
        # x log s(l) + (1 - x) log s(-l) = x l - softplus(l): a product of matrices and one pass, where
        # the cross-entropy makes several. The pixels stand left: from the right it is ten times slower.
        logits = at_least_float32(decoded).flatten(2)
        agreement = x.to(logits).flatten(1)[:, None] @ logits.mT
        return agreement[:, 0] - softplus(logits).sum(2)
    repeated = x[:, None].expand(*decoded.shape[:2], *x.shape[1:])
    return likelihood.log_prob(decoded.flatten(0, 1), repeated.flatten(0, 1)).view(
        decoded.shape[:2]
    )
