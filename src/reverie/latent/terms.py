"""Terms that a recipe adds to its bound, each a scalar that duplicating the batch does not change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat
from torch import Tensor

from ..config import Section
from ..losses.divergences import mmd
from ..schedules import Hyper


class FreeBits(Section):
    """Frees the first nats of every latent dimension. Kingma et al. (2016), eq. 15.

    Added to a KL of weight 1 it makes the dimension's cost max(nats, KL).
    """

    kind: Literal["free_bits"] = "free_bits"
    weight: Hyper = 1.0
    """Its weight; 1 cancels the KL exactly."""
    nats: PositiveFloat = 0.1
    """What each dimension may use for nothing."""

    def __call__(self, kl: Tensor, z: Tensor, prior: Tensor) -> Tensor:
        """sum_j max(0, nats - E_x KL_j), from the KLs `(B, Z)`."""
        return (self.nats - kl.mean(0)).clamp_min(0).sum()


class MMD(Section):
    """Draws the aggregate posterior to the prior. Zhao et al. (2019), section 3.2 (InfoVAE)."""

    kind: Literal["mmd"] = "mmd"
    weight: Hyper = 10.0
    """Its weight."""
    scale: PositiveFloat = 2.0
    """The kernels' length, as a multiple of Z: the spread that N(0, I) has."""

    def __call__(self, kl: Tensor, z: Tensor, prior: Tensor) -> Tensor:
        """MMD^2 of codes and prior draws, `(B, Z)` each."""
        return mmd(z, prior, self.scale * z.shape[1])


Term = Annotated[FreeBits | MMD, Field(discriminator="kind")]
