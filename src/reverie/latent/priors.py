"""Priors p(z). K is the number of draws for each sample, B the batch, Z the latent dimensions."""

from __future__ import annotations

import abc
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from typing_extensions import override

from ..config import Section
from ..losses.divergences import kl_to_standard_normal, normal_log_prob
from ..tensors import Noise
from .posteriors import NormalPosterior


class PriorModule(nn.Module, abc.ABC):
    """What a prior must be able to do."""

    @abc.abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats: `(K, B, Z)` to `(K, B)`."""

    @abc.abstractmethod
    def sample(self, count: int, noise: Noise) -> Tensor:
        """Draws `(count, Z)`."""

    @abc.abstractmethod
    def kl(self, posterior: NormalPosterior, z: Tensor) -> Tensor:
        """KL(q(z|x) || p(z)) in nats, `(B, Z)` where it parts into dimensions, else `(B, 1)`.

        `z` are the draws `(K, B, Z)`, for priors without a closed form.
        """


class StandardNormal(Section):
    """p(z) = N(0, I)."""

    kind: Literal["standard_normal"] = "standard_normal"

    def build(self, latent: int) -> PriorModule:
        """The prior over `latent` dimensions."""
        return StandardNormalPrior(latent)


class StandardNormalPrior(PriorModule):
    """N(0, I); its KL has a closed form in each dimension."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent

    @override
    def log_prob(self, z: Tensor) -> Tensor:
        zero = z.new_zeros(())
        return normal_log_prob(z, zero, zero).sum(2)

    @override
    def sample(self, count: int, noise: Noise) -> Tensor:
        return noise.normal(count, self.latent)

    @override
    def kl(self, posterior: NormalPosterior, z: Tensor) -> Tensor:
        return kl_to_standard_normal(posterior.mean, posterior.log_var)


class GaussianMixture(Section):
    """A learned mixture of diagonal Gaussians; its KL is estimated from the draws.

    Dilokthanakul et al. (2016), section 3, without the discrete posterior.
    """

    kind: Literal["gaussian_mixture"] = "gaussian_mixture"
    components: PositiveInt = 10
    """The number of Gaussians."""

    def build(self, latent: int) -> PriorModule:
        """The prior over `latent` dimensions."""
        return GaussianMixturePrior(latent, self.components)


class GaussianMixturePrior(PriorModule):
    """sum_c pi_c N(mean_c, diag exp(log_var_c))."""

    def __init__(self, latent: int, components: int) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.randn(components, latent))
        self.log_vars = nn.Parameter(torch.zeros(components, latent))
        self.logits = nn.Parameter(torch.zeros(components))

    @override
    def log_prob(self, z: Tensor) -> Tensor:
        inside = normal_log_prob(z[..., None, :], self.means, self.log_vars).sum(-1)
        return (inside + self.logits.log_softmax(0)).logsumexp(-1)

    @override
    def sample(self, count: int, noise: Noise) -> Tensor:
        steps = self.logits.softmax(0).cumsum(0)
        place = noise.uniform(count, 1).to(steps)
        component = (place > steps[:-1]).sum(1)
        mean, log_var = self.means[component], self.log_vars[component]
        return mean + (0.5 * log_var).exp() * noise.normal(count, mean.shape[1])

    @override
    def kl(self, posterior: NormalPosterior, z: Tensor) -> Tensor:
        return (posterior.log_prob(z) - self.log_prob(z)).mean(0)[:, None]


Prior = Annotated[StandardNormal | GaussianMixture, Field(discriminator="kind")]
