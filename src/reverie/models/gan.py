"""Generative adversarial networks: a generator and a critic play a game.

References:
    | Generative Adversarial Nets (Goodfellow et al., 2014), algorithm 1
    | https://arxiv.org/abs/1406.2661
    | The papers of each game and penalty stand beside its formula in `losses/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn
from typing_extensions import override

from ..config import Section
from ..losses.adversarial import Game, NonSaturating, Wasserstein
from ..losses.penalties import NoPenalty, Penalty
from ..networks import MLP, Conv, Network
from ..schedules import value_at
from ..spec import Pixels, Vector
from ..tensors import Noise, at_least_float32
from .base import Batch, Model, Phase


class GANConfig(Section):
    """Two networks, what they play for, and what keeps the critic smooth."""

    kind: Literal["gan"] = "gan"
    latent: PositiveInt = 100
    """The number of noise dimensions Z."""
    generator: Network = MLP(widths=(1024, 512, 256))
    """The generator, written from the data towards the noise."""
    critic: Network = MLP(widths=(512, 256), activation="leaky_relu")
    """The critic."""
    game: Game = NonSaturating()
    """What the two players minimise."""
    penalty: Penalty = NoPenalty()
    """What is asked of the critic's slope."""
    critic_turns: PositiveInt = 1
    """Critic updates for each update of the generator."""

    @model_validator(mode="after")
    def _slopes_are_of_one_sample(self) -> GANConfig:
        batch_norm = isinstance(self.critic, Conv) and self.critic.norm == "batch"
        if batch_norm and not isinstance(self.penalty, NoPenalty):
            raise ValueError(
                f"model.penalty is {self.penalty.kind!r} and model.critic.norm is 'batch', which makes a "
                "sample's slope depend on its neighbours; write model.critic.norm=none"
            )
        return self

    def build(self, spec: Pixels | Vector) -> GAN:
        """The model for this data."""
        return GAN(self, spec)


class GAN(Model):
    """Scores are higher for what looks real; pixels lie in [-1, 1] inside."""

    family = "a GAN"
    unaveraged = frozenset({"critic"})

    def __init__(self, config: GANConfig, spec: Pixels | Vector) -> None:
        super().__init__(spec, "signed")
        self.config, self.latent = config, config.latent
        generator = config.generator.decoder(config.latent, spec.shape)
        bounded = nn.Tanh() if isinstance(spec, Pixels) else nn.Identity()
        self.generator = nn.Sequential(generator, nn.Flatten(1, 2), bounded)
        self.critic = config.critic.encoder(spec.shape, 1)

    @override
    def phases(self) -> list[Phase]:
        unit = "" if isinstance(self.config.game, Wasserstein) else "nats"
        critic = {"game": unit, "penalty": "", "gap": "logits"}
        return [
            Phase(
                name="critic",
                network=self.critic,
                loss=self.critic_loss,
                units=critic,
                repeats=self.config.critic_turns,
            ),
            Phase(
                name="generator",
                network=self.generator,
                loss=self.generator_loss,
                units={"game": unit},
            ),
        ]

    def critic_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's side of the game and its penalty."""
        with torch.no_grad():
            fake = at_least_float32(self.sample(len(batch.x), batch.noise))
        penalty = self.config.penalty
        scores = penalty.judge(self.critic, batch.x, fake, batch.noise)
        real, fake, slope = at_least_float32(scores[0]), at_least_float32(scores[1]), scores[2]
        game = self.config.game.critic(real, fake)
        parts = {"game": game, "gap": real.mean() - fake.mean()}
        if slope is None or isinstance(penalty, NoPenalty):
            return game, parts
        parts["penalty"] = slope
        return game + value_at(penalty.weight, batch.seen, batch.total) * slope, parts

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's side of the game."""
        fake = at_least_float32(self.critic(self.sample(len(batch.x), batch.noise)))
        with torch.no_grad():
            real = at_least_float32(self.critic(batch.x)) if self.config.game.pairs else fake
        game = self.config.game.generator(real, fake)
        return game, {"game": game}

    def sample(self, count: int, noise: Noise) -> Tensor:
        """The generator's samples of fresh noise."""
        return self.decode(noise.normal(count, self.latent))

    def decode(self, z: Tensor) -> Tensor:
        """The generator's samples of given noise, `(B, Z)` to `(B, *shape)`."""
        return self.generator(z)

    @override
    def health(self, parts: Mapping[str, float], done: float) -> str:
        gap = parts["critic/gap"]
        if isinstance(self.config.game, Wasserstein):
            return f"the critic puts real and generated {gap:.2f} apart"
        if gap > 8:
            return f"the critic wins by {gap:.1f} logits: the generator learns little from it"
        if abs(gap) < 0.01:
            return "the critic cannot tell real from generated: equilibrium, or it has stopped"
        return f"balanced: the critic is ahead by {gap:.2f} logits"
