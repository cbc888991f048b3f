"""What a model is: networks, the phases that train them, and what it can do once trained.

This file and `training.py` are the whole training contract. A VAE has one phase; a GAN has two.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor, nn
from typing_extensions import TypeIs

from ..errors import CapabilityError
from ..spec import Pixels, ValueRange, Vector
from ..tensors import Noise


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of real data.

    Arguments:
        x: Samples in the model's range, `(B, *shape)`, float32.
        y: Class labels `(B,)`, int64, or None when the data has none.
        noise: All the randomness that a loss may use.
        seen: Samples seen before this batch, for schedules.
        total: Samples that the whole run will see.
        made: What earlier turns of this step made beside the same rows, for later turns to use again.
    """

    x: Tensor
    noise: Noise
    y: Tensor | None = None
    seen: int = 0
    total: int = 1
    made: dict[str, Tensor] = field(default_factory=dict)


Loss = Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One player's turn in a training step.

    Arguments:
        name: The name its losses are logged under.
        network: The parameters this turn updates; no others move.
        loss: Maps a fresh batch to the scalar to minimise and to named scalars to log.
        units: The unit of each named scalar, e.g. "nats"; it may be empty for a pure number.
        repeats: Turns in a row before the next phase, e.g. a WGAN critic's 5.
    """

    name: str
    network: nn.Module
    loss: Loss
    units: Mapping[str, str] = field(default_factory=dict)
    repeats: int = 1


class Model(nn.Module, abc.ABC):
    """A generative model. Subclasses are final: they are used, not subclassed again.

    Arguments:
        spec: The data it is built for.
        value_range: The range of the values that its networks see and give.
    """

    family: str
    """What it is called in messages, with its article."""
    unaveraged: frozenset[str] = frozenset()
    """Phases whose networks an average of the weights leaves out: those that sampling does not use."""

    def __init__(self, spec: Pixels | Vector, value_range: ValueRange) -> None:
        super().__init__()
        self.spec = spec
        self.value_range: ValueRange = value_range if isinstance(spec, Pixels) else "raw"

    @abc.abstractmethod
    def phases(self) -> list[Phase]:
        """The turns of one training step, in order. Phases that share a network share its optimizer."""

    @abc.abstractmethod
    def health(self, parts: Mapping[str, float], done: float) -> str:
        """One sentence on how training goes, from the latest `phase/name` values, `done` of 1."""


@runtime_checkable
class Sampler(Protocol):
    """A model that draws new samples."""

    def sample(self, count: int, noise: Noise) -> Tensor:
        """Draws `(count, *shape)` in the model's range."""
        ...


@runtime_checkable
class Conditional(Protocol):
    """A model that may draw samples of a class; `classes` is 0 where it was not trained to."""

    classes: int

    def codes(self, count: int, noise: Noise, y: Tensor | None = None) -> Tensor:
        """What samples of given labels `(count,)`, or of any, are decoded from: `(count, Z)`.

        The class comes last, as a one-hot vector of `classes` entries.
        """
        ...

    def sample(self, count: int, noise: Noise, y: Tensor | None = None) -> Tensor:
        """Draws `(count, *shape)` in the model's range, of given labels `(count,)` or of any."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """A model that maps data to latents."""

    def encode(self, x: Tensor) -> Tensor:
        """Maps `(B, *shape)` to latents `(B, Z)`, without noise."""
        ...


@runtime_checkable
class Decoder(Protocol):
    """A model that maps latents to data."""

    latent: int

    def decode(self, z: Tensor) -> Tensor:
        """Maps latents `(B, Z)` to `(B, *shape)`, without noise."""
        ...


@runtime_checkable
class Reconstructor(Protocol):
    """A model that gives data back through its latents."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """Maps `(B, *shape)` to its reconstruction, without noise."""
        ...


@runtime_checkable
class Likelihood(Protocol):
    """A model that bounds the likelihood of data."""

    def log_likelihood(
        self, x: Tensor, noise: Noise, draws: int, decoded: int | None = None
    ) -> Tensor:
        """A lower bound of log p(x) in nats: the IWAE bound of so many draws, `(B, *shape)` to `(B,)`.

        `decoded` is how many of the draws are decoded where that is not all of them.
        """
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A model whose loss on held-out data can be taken apart."""

    def losses(self, batch: Batch) -> Mapping[str, tuple[Tensor, str]]:
        """Each part of the loss for every sample, `(B,)`, with its unit."""
        ...


CAPABILITIES: dict[str, type] = {
    "sample": Sampler,
    "encode": Encoder,
    "decode": Decoder,
    "reconstruct": Reconstructor,
    "bound the likelihood": Likelihood,
}


def capabilities(model: nn.Module) -> tuple[str, ...]:
    """The verbs that the model can do."""
    return tuple(verb for verb, protocol in CAPABILITIES.items() if isinstance(model, protocol))


def draws_classes(model: object) -> TypeIs[Conditional]:
    """Whether samples of a class can be asked of the model."""
    return isinstance(model, Conditional) and model.classes > 0


def require(model: Model, verb: str) -> None:
    """Refuses a verb that the model cannot do.

    Raises:
        CapabilityError: With the verbs that it can do, and the families that can do this one.
    """
    if not isinstance(model, CAPABILITIES[verb]):
        raise CapabilityError(
            f"{model.family} cannot {verb}; it can {', '.join(capabilities(model))}. "
            f"{_WHO.get(verb, '')}"
        )


_WHO = {
    "sample": "Models with a prior draw samples: train the recipe `vae` or `gan`",
    "encode": "Models with an encoder do: train the recipe `ae` or `vae`",
    "reconstruct": "Models with an encoder do: train the recipe `ae` or `vae`",
    "bound the likelihood": "Variational autoencoders do: train the recipe `vae`",
}
