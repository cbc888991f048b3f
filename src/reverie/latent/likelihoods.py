"""Likelihoods p(x|z): what a decoder's outputs mean.

A decoder gives `(B, P, *shape)`: P numbers for each entry of a sample. Log-likelihoods are nats, summed
over a sample's entries, with all their constants: they can be compared across models and added up.
"""

from __future__ import annotations

import abc
import math
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus
from typing_extensions import override

from ..config import Section
from ..losses.divergences import normal_log_prob
from ..spec import ValueRange
from ..tensors import Noise, at_least_float32, sum_per_sample


class LikelihoodModule(nn.Module, abc.ABC):
    """What a likelihood must be able to do; `outputs` is P."""

    outputs: int = 1

    @abc.abstractmethod
    def log_prob(self, decoded: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) in nats: `(B, P, *shape)` and `(B, *shape)` to `(B,)`."""

    @abc.abstractmethod
    def mean(self, decoded: Tensor) -> Tensor:
        """E[x|z], `(B, *shape)`."""

    @abc.abstractmethod
    def sample(self, decoded: Tensor, noise: Noise) -> Tensor:
        """A draw from p(x|z), `(B, *shape)`."""


class Bernoulli(Section):
    """Each entry is a coin; entries of [0, 1] that are not 0 or 1 count as probabilities.

    For grey values this is the cross-entropy of the tutorials, whose optimum is right but which is not
    the likelihood of a density; `log_prob` is comparable only within it.
    """

    kind: Literal["bernoulli"] = "bernoulli"

    @property
    def value_range(self) -> ValueRange:
        """The range of the values it can explain."""
        return "unit"

    def build(self) -> LikelihoodModule:
        """The likelihood's module; it has no parameters."""
        return BernoulliLikelihood()


class BernoulliLikelihood(LikelihoodModule):
    """Outputs are logits. Kingma & Welling (2014), appendix C.1."""

    @override
    def log_prob(self, decoded: Tensor, x: Tensor) -> Tensor:
        logits = at_least_float32(decoded.squeeze(1))
        return -sum_per_sample(binary_cross_entropy_with_logits(logits, x, reduction="none"))

    @override
    def mean(self, decoded: Tensor) -> Tensor:
        return at_least_float32(decoded.squeeze(1)).sigmoid()

    @override
    def sample(self, decoded: Tensor, noise: Noise) -> Tensor:
        mean = self.mean(decoded)
        return (noise.uniform(*mean.shape) < mean).to(mean.dtype)


class Gaussian(Section):
    """Each entry is normal around the decoder's output, with one standard deviation for all.

    A learned one settles at the residual's root mean square (Rybkin et al. 2021, eq. 4), which weighs
    reconstruction against the KL without a hand-set beta.
    """

    kind: Literal["gaussian"] = "gaussian"
    scale: PositiveFloat = 0.1
    """The standard deviation, or where learning it starts; in units of the data."""
    learn: bool = False
    """Whether the standard deviation is a parameter."""

    @property
    def value_range(self) -> ValueRange:
        """The range of the values it can explain."""
        return "unit"

    def build(self) -> LikelihoodModule:
        """The likelihood's module; its one parameter is the log variance, if learned."""
        return GaussianLikelihood(self.scale, self.learn)


class GaussianLikelihood(LikelihoodModule):
    """Outputs are means."""

    def __init__(self, scale: float, learn: bool) -> None:
        super().__init__()
        self.log_var = nn.Parameter(torch.tensor(2 * math.log(scale)), requires_grad=learn)

    @override
    def log_prob(self, decoded: Tensor, x: Tensor) -> Tensor:
        return sum_per_sample(normal_log_prob(x, self.mean(decoded), self.log_var))

    @override
    def mean(self, decoded: Tensor) -> Tensor:
        # Half precision would round away the residual that the scale is made of.
        return at_least_float32(decoded.squeeze(1))

    @override
    def sample(self, decoded: Tensor, noise: Noise) -> Tensor:
        mean = self.mean(decoded)
        return mean + (0.5 * self.log_var).exp() * noise.normal(*mean.shape)


class DiscretizedLogistic(Section):
    """Each entry is one of 256 levels, with a logistic law over them: bits/dim of 8-bit images.

    Salimans et al. (2017), section 2.1, with one component.
    """

    kind: Literal["discretized_logistic"] = "discretized_logistic"

    @property
    def value_range(self) -> ValueRange:
        """The range of the values it can explain."""
        return "unit"

    def build(self) -> LikelihoodModule:
        """The likelihood's module; it has no parameters of its own."""
        return DiscretizedLogisticLikelihood()


class DiscretizedLogisticLikelihood(LikelihoodModule):
    """Outputs are a mean in [0, 1] and a log scale for each entry."""

    outputs = 2

    @override
    def log_prob(self, decoded: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._parts(decoded)
        half, scale = 0.5 / 255, log_scale.exp()
        upper, lower = (x + half - mean) / scale, (x - half - mean) / scale
        # The outermost levels take the rest of the line, so that 256 probabilities sum to 1.
        log_cdf = -softplus(-upper)
        log_above = -softplus(lower)
        # s(u) - s(l) = s(u) s(-l) (1 - e^(l - u)): no difference of two numbers near 1, so a level far
        # from the mean keeps its probability and its slope.
        inside = log_cdf + log_above + (-torch.expm1(-2 * half / scale)).log()
        log_p = torch.where(x < half, log_cdf, torch.where(x > 1 - half, log_above, inside))
        return sum_per_sample(log_p)

    @override
    def mean(self, decoded: Tensor) -> Tensor:
        # The sum of P(X >= k / 255) over the levels, as the integral of s((mean - t) / scale) over [0, 1]:
        # within half a level of it, and 1e-4 where the law is wider than a level.
        mean, log_scale = self._parts(decoded)
        scale = log_scale.exp()
        return (scale * (softplus(mean / scale) - softplus((mean - 1) / scale))).clamp(0, 1)

    @override
    def sample(self, decoded: Tensor, noise: Noise) -> Tensor:
        mean, log_scale = self._parts(decoded)
        place = noise.uniform(*mean.shape).clamp(1e-6, 1 - 1e-6)
        x = mean + log_scale.exp() * (place.log() - (1 - place).log())
        return (x.clamp(0, 1) * 255).round() / 255

    def _parts(self, decoded: Tensor) -> tuple[Tensor, Tensor]:
        decoded = at_least_float32(decoded)
        return 0.5 + decoded[:, 0], decoded[:, 1].clamp(-7, 4)


Likelihood = Annotated[Bernoulli | Gaussian | DiscretizedLogistic, Field(discriminator="kind")]
