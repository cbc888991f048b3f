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
from torch.nn.functional import one_hot
from typing_extensions import override

from ..config import Section
from ..errors import ConfigError
from ..losses.adversarial import Game, NonSaturating
from ..losses.augmentation import Augmentation, NoAugmentation
from ..losses.penalties import Critic, NoPenalty, Penalty
from ..networks import MLP, Conv, Network
from ..networks.conditioning import Conditioning, Unconditional
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
    conditioning: Conditioning = Unconditional()
    """How a class enters the critic; the generator sees it beside its noise."""
    augmentation: Augmentation = NoAugmentation()
    """What the critic sees instead of samples, real and generated alike."""
    critic_turns: PositiveInt = 1
    """Critic updates for each update of the generator."""
    shared_fakes: bool = False
    """The generator learns from the samples that the critic has just judged, not from fresh ones.

    They are held until then: `train.accumulate` then saves no memory of the generator's."""

    @model_validator(mode="after")
    def _one_turn_shares(self) -> GANConfig:
        if self.shared_fakes and self.critic_turns > 1:
            raise ValueError(
                f"model.shared_fakes is on and model.critic_turns is {self.critic_turns}: the generator "
                "would learn from the last turn's samples alone; write model.shared_fakes=false"
            )
        return self

    @model_validator(mode="after")
    def _slopes_are_of_one_sample(self) -> GANConfig:
        if self.batch_norm and not isinstance(self.penalty, NoPenalty):
            raise ValueError(
                f"model.penalty is {self.penalty.kind!r} and model.critic.norm is 'batch', which makes a "
                "sample's slope depend on its neighbours; write model.critic.norm=none"
            )
        return self

    def build(self, spec: Pixels | Vector) -> GAN:
        """The model for this data.

        Raises:
            ConfigError: The data lacks what a choice needs: classes, or pixels.
        """
        if self.conditional and not spec.classes:
            raise ConfigError(
                f"model.conditioning is {self.conditioning.kind!r}, and this data has no classes; put "
                "samples into one folder a class, or write model.conditioning=none"
            )
        if isinstance(spec, Vector) and not isinstance(self.augmentation, NoAugmentation):
            raise ConfigError(
                f"model.augmentation is {self.augmentation.kind!r}, which transforms pictures, and this "
                "data is a vector; write model.augmentation=none"
            )
        return GAN(self, spec)

    @property
    def conditional(self) -> bool:
        """Whether classes enter."""
        return not isinstance(self.conditioning, Unconditional)

    @property
    def batch_norm(self) -> bool:
        """Whether the critic's score of a sample depends on the batch it comes in."""
        return isinstance(self.critic, Conv) and self.critic.norm == "batch"


class GAN(Model):
    """Scores are higher for what looks real; pixels lie in [-1, 1] inside."""

    family = "a GAN"
    unaveraged = frozenset({"critic"})

    def __init__(self, config: GANConfig, spec: Pixels | Vector) -> None:
        super().__init__(spec, "signed")
        self.config = config
        self.classes = len(spec.classes) if config.conditional else 0
        self.latent = config.latent + self.classes
        generator = config.generator.decoder(self.latent, spec.shape)
        bounded = nn.Tanh() if isinstance(spec, Pixels) else nn.Identity()
        self.generator = nn.Sequential(generator, nn.Flatten(1, 2), bounded)
        self.critic = config.conditioning.critic(config.critic, spec.shape, self.classes)

    @override
    def phases(self) -> list[Phase]:
        unit, score = ("nats", "logits") if self.config.game.logarithmic else ("", "")
        critic = {"game": unit, "penalty": "", "gap": score}
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
        with torch.set_grad_enabled(self.config.shared_fakes and torch.is_grad_enabled()):
            made = self.sample(len(batch.x), batch.noise, batch.y)
        if self.config.shared_fakes:
            batch.made["fakes"] = made
        fake = at_least_float32(made.detach())
        real, fake = self.shown(batch.x, batch.noise), self.shown(fake, batch.noise)
        judge, penalty = self.judge_of(batch.y), self.config.penalty
        if self.config.batch_norm:
            # Real and generated samples have other statistics: a batch norm must see them apart.
            judge = batch_by_batch(judge, len(real))
        scores = penalty.judge(judge, real, fake, batch.noise)
        real, fake, slope = at_least_float32(scores[0]), at_least_float32(scores[1]), scores[2]
        game = self.config.game.critic(real, fake)
        parts = {"game": game, "gap": real.mean() - fake.mean()}
        if slope is None or isinstance(penalty, NoPenalty):
            return game, parts
        parts["penalty"] = slope
        return game + value_at(penalty.weight, batch.seen, batch.total) * slope, parts

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's side of the game."""
        judge = self.judge_of(batch.y)
        made = batch.made.pop("fakes", None)
        if made is None:
            made = self.sample(len(batch.x), batch.noise, batch.y)
        fake = at_least_float32(judge(self.shown(made, batch.noise)))
        real = fake
        if self.config.game.pairs:
            with torch.no_grad():
                real = at_least_float32(judge(self.shown(batch.x, batch.noise)))
        game = self.config.game.generator(real, fake)
        return game, {"game": game}

    def judge_of(self, y: Tensor | None) -> Critic:
        """The critic of samples, which knows their labels `(B,)` if it is conditional.

        Samples are `(B, *shape)`, or several such batches one after the other, as penalties have them.
        """
        if not self.classes or y is None:
            return self.critic
        return lambda x: self.critic(x, y.repeat(len(x) // len(y)))

    def shown(self, x: Tensor, noise: Noise) -> Tensor:
        """What the critic sees of samples `(B, *shape)`."""
        return self.config.augmentation(x, noise)

    def codes(self, count: int, noise: Noise, y: Tensor | None = None) -> Tensor:
        """What the generator makes samples of: `(count, Z)`, fresh noise, then the class as one-hot.

        Without labels `(count,)`, each class is as likely as another.
        """
        z = noise.normal(count, self.config.latent)
        if not self.classes:
            return z
        if y is None:
            y = (noise.uniform(count) * self.classes).long()
        return torch.cat([z, one_hot(y, self.classes).to(z.dtype)], 1)

    def sample(self, count: int, noise: Noise, y: Tensor | None = None) -> Tensor:
        """The generator's samples of fresh noise, of given labels `(count,)` or of any."""
        return self.decode(self.codes(count, noise, y))

    def decode(self, z: Tensor) -> Tensor:
        """The generator's samples of given codes, `(B, Z)` to `(B, *shape)`."""
        return self.generator(z)

    @override
    def health(self, parts: Mapping[str, float], done: float) -> str:
        gap, logits = parts["critic/gap"], self.config.game.logarithmic
        if gap < -0.01:
            by = f"{-gap:.2f} logits" if logits else f"{-gap:.2f}"
            return f"fooled: the critic scores generated samples {by} above real ones"
        if not logits:
            return f"the critic puts real and generated {gap:.2f} apart"
        if gap > 8:
            return f"the critic wins by {gap:.1f} logits: the generator learns little from it"
        if gap < 0.01:
            return "the critic cannot tell real from generated: equilibrium, or it has stopped"
        return f"balanced: the critic is ahead by {gap:.2f} logits"


def batch_by_batch(critic: Critic, size: int) -> Critic:
    """A critic that judges only `size` samples at a time."""
    return lambda x: torch.cat([critic(one) for one in x.split(size)])
