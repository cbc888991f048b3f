"""Gradient penalties: a critic judges both halves of a batch, and its slope is measured on the way.

`judge` returns the scores of real and fake, `(B, 1)` each, and the penalty without its weight; both
halves go to the critic at once where nothing else is asked, since it then reads its weights once. Slopes
are taken in float32 whatever the precision of training; a batch norm inside the critic would make a
sample's slope depend on its neighbours, so such a critic is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..config import Section
from ..schedules import Hyper
from ..tensors import Noise, at_least_float32

Critic = Callable[[Tensor], Tensor]
"""Samples `(B, *shape)` to scores `(B, 1)`."""


class NoPenalty(Section):
    """The critic's slope is left free."""

    kind: Literal["none"] = "none"

    def judge(
        self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores alone."""
        return *of_both(critic, real, fake), None


class R1(Section):
    """Half the squared slope at real samples. Mescheder et al. (2018), eq. 9."""

    kind: Literal["r1"] = "r1"
    weight: Hyper = 1.0
    """Gamma: slopes are summed over a sample's entries, so it grows with the square of their range."""

    def judge(
        self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores, and the slope at the real samples."""
        scores, slope = score_and_slope(critic, real)
        return scores, critic(fake), 0.5 * slope.square().mean()


class R1R2(Section):
    """Half the squared slope at real and at generated samples. Huang et al. (2024), section 2.2."""

    kind: Literal["r1_r2"] = "r1_r2"
    weight: Hyper = 1.0
    """Gamma, the same for both halves."""

    def judge(
        self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores, and the slopes at both."""
        scores, slope = score_and_slope(critic, torch.cat([real, fake]))
        real_scores, fake_scores = scores.chunk(2)
        r1, r2 = slope.square().chunk(2)
        return real_scores, fake_scores, 0.5 * (r1 + r2).mean()


class WGANGP(Section):
    """The slope's squared distance from 1 between real and fake. Gulrajani et al. (2017), eq. 3."""

    kind: Literal["wgan_gp"] = "wgan_gp"
    weight: Hyper = 10.0
    """Lambda."""

    def judge(
        self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores, and the slope at one random point between each pair."""
        place = noise.uniform(len(real), *[1] * (real.dim() - 1))
        _, slope = score_and_slope(critic, torch.lerp(real, fake, place))
        return *of_both(critic, real, fake), (slope - 1).square().mean()


Penalty = Annotated[NoPenalty | R1 | R1R2 | WGANGP, Field(discriminator="kind")]


def of_both(critic: Critic, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of two batches of equal size, `(B, 1)` each."""
    real_scores, fake_scores = critic(torch.cat([real, fake])).chunk(2)
    return real_scores, fake_scores


def score_and_slope(critic: Critic, x: Tensor) -> tuple[Tensor, Tensor]:
    """Scores `(B, 1)` and the norm of each score's gradient in its own sample, `(B,)`."""
    with torch.autocast(x.device.type, enabled=False):
        x = at_least_float32(x.detach()).requires_grad_()
        scores = critic(x)
        (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
        return scores, torch.linalg.vector_norm(gradient.flatten(1), dim=1)
