"""Games between a critic and a generator: pure functions of scores.

Scores are `(B, 1)` and higher for what looks real; real[i] and fake[i] make a pair. Every result is a
scalar, the mean over the batch. Logarithmic games are in nats.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import relu, softplus

from ..config import Section


class _Game(Section):
    """What the games share: abstract or final, so only these properties are ever replaced."""

    @property
    def pairs(self) -> bool:
        """Whether the generator's loss looks at real scores too."""
        return False

    @property
    def logarithmic(self) -> bool:
        """Whether scores are logits, and losses nats."""
        return False


class NonSaturating(_Game):
    """The original game in its non-saturating form. Goodfellow et al. (2014), section 3."""

    kind: Literal["non_saturating"] = "non_saturating"

    @property
    def logarithmic(self) -> bool:
        """Its losses are nats."""
        return True

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """-log D(x) - log(1 - D(G(z))); 2 ln 2 where the critic cannot tell."""
        return (softplus(-real) + softplus(fake)).mean()

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        """-log D(G(z))."""
        return softplus(-fake).mean()


class Hinge(_Game):
    """Lim & Ye (2017), eq. 7."""

    kind: Literal["hinge"] = "hinge"

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """max(0, 1 - real) + max(0, 1 + fake); 2 where the critic cannot tell."""
        return (relu(1 - real) + relu(1 + fake)).mean()

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        """-fake."""
        return -fake.mean()


class LeastSquares(_Game):
    """Mao et al. (2017), eq. 9, with a = 0 and b = c = 1."""

    kind: Literal["least_squares"] = "least_squares"

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Half the squared distance of real scores from 1 and of fake scores from 0."""
        return 0.5 * ((real - 1).square() + fake.square()).mean()

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Half the squared distance of fake scores from 1."""
        return 0.5 * (fake - 1).square().mean()


class Wasserstein(_Game):
    """Arjovsky et al. (2017), eq. 2; needs a penalty that keeps the critic's slope near 1."""

    kind: Literal["wasserstein"] = "wasserstein"

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """The negative of the estimated Wasserstein-1 distance."""
        return (fake - real).mean()

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        """-fake."""
        return -fake.mean()


class Relativistic(_Game):
    """Relativistic pairing: each fake against its real. Huang et al. (2024), section 2.1."""

    kind: Literal["relativistic"] = "relativistic"

    @property
    def pairs(self) -> bool:
        """Each fake score is compared with its real one."""
        return True

    @property
    def logarithmic(self) -> bool:
        """Its losses are nats."""
        return True

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """-log sigmoid(real - fake); ln 2 where the critic cannot tell."""
        return softplus(fake - real).mean()

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        """-log sigmoid(fake - real)."""
        return softplus(real - fake).mean()


Game = Annotated[
    NonSaturating | Hinge | LeastSquares | Wasserstein | Relativistic, Field(discriminator="kind")
]
