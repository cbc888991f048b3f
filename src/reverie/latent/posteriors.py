"""Approximate posteriors q(z|x): what an encoder's outputs mean.

K is the number of draws for each sample, B the batch, Z the latent dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from ..config import Section
from ..losses.divergences import normal_log_prob
from ..tensors import Noise, at_least_float32


@dataclass(frozen=True)
class NormalPosterior:
    """q(z|x) = N(mean, diag exp(log_var)), both `(B, Z)`."""

    mean: Tensor
    log_var: Tensor

    def sample(self, draws: int, noise: Noise) -> Tensor:
        """Reparametrised draws, `(K, B, Z)`. Kingma & Welling (2014), section 2.4."""
        # The batch comes first in the noise, so that every worker keeps the rows of its samples.
        standard = noise.normal(len(self.mean), draws, self.mean.shape[1]).transpose(0, 1)
        # With an axis of their own for K: of one draw, the gradient then has nothing to sum.
        return self.mean[None] + (0.5 * self.log_var).exp()[None] * standard

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x) in nats: `(K, B, Z)` to `(K, B)`."""
        return normal_log_prob(z, self.mean, self.log_var).sum(2)

    def telling(self, z: Tensor) -> Tensor:
        """Codes `(K, B, Z)` standardised, times sqrt(1 - variance) where N(0, 1) is wider: `(K, B, Z)`.

        A latent as wide as a standard normal prior says nothing of its sample, and tells no draw from
        another.
        """
        narrower = (1 - self.log_var.exp()).clamp_min(0).sqrt()
        scale = narrower * (-0.5 * self.log_var).exp()
        return (z - self.mean) * scale


class DiagonalGaussian(Section):
    """A mean and a variance for each latent dimension. Kingma & Welling (2014), eq. 9."""

    kind: Literal["diagonal_gaussian"] = "diagonal_gaussian"

    @property
    def least_kl(self) -> float:
        """KL(q(z_j|x) || N(0, 1)) in nats of a latent that carries nothing."""
        return 0.0

    def outputs(self, latent: int) -> int:
        """How many numbers the encoder gives for each sample."""
        return 2 * latent

    def __call__(self, encoded: Tensor) -> NormalPosterior:
        """Reads the encoder's outputs `(B, 2 Z)`."""
        mean, log_var = at_least_float32(encoded).chunk(2, dim=1)
        return NormalPosterior(mean, log_var)


class FixedGaussian(Section):
    """A mean for each latent dimension and one fixed variance. Ghosh et al. (2020), section 3 (CV-VAE)."""

    kind: Literal["fixed_gaussian"] = "fixed_gaussian"
    scale: PositiveFloat = 0.1
    """The standard deviation of q(z|x)."""

    @property
    def least_kl(self) -> float:
        """KL(q(z_j|x) || N(0, 1)) in nats of a latent that carries nothing: of mean 0, whatever x is."""
        return 0.5 * (self.scale**2 - 1) - math.log(self.scale)

    def outputs(self, latent: int) -> int:
        """How many numbers the encoder gives for each sample."""
        return latent

    def __call__(self, encoded: Tensor) -> NormalPosterior:
        """Reads the encoder's outputs `(B, Z)`."""
        mean = at_least_float32(encoded)
        return NormalPosterior(mean, torch.full_like(mean, self.scale).log() * 2)


Posterior = Annotated[DiagonalGaussian | FixedGaussian, Field(discriminator="kind")]
