"""Bounds on the log-likelihood. Each gives a surrogate to descend and an honest value to log.

K is the number of draws for each sample, B the batch, Z the latent dimensions; all values are nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor

from ..config import Section
from ..losses.divergences import log_mean_exp


@dataclass(frozen=True)
class Bounded:
    """A bound over a batch, all scalars in nats.

    Arguments:
        loss: The surrogate to descend.
        value: The bound itself.
        distortion: -E_q[log p(x|z)].
        rate: KL(q(z|x) || p(z)).
    """

    loss: Tensor
    value: Tensor
    distortion: Tensor
    rate: Tensor


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
        loss = distortion + (rate if beta == 1 else beta * rate)
        return Bounded(loss, -(distortion + rate), distortion, rate)


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
        value = log_mean_exp(draws.log_likelihood - draws.log_ratio).mean()
        distortion, rate = -draws.log_likelihood.mean(), draws.kl.sum(1).mean()
        return Bounded(-value, value, distortion, rate)


Bound = Annotated[ELBO | IWAE, Field(discriminator="kind")]
