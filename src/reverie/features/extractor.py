"""What an extractor is: a frozen network from samples to features, and what a score must say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CapabilityError, DataError

CHUNK, CHUNK_ENTRIES = 1000, 4_000_000


def chunk_of(entries: int) -> int:
    """How many samples of so many entries are done at once."""
    return max(1, min(CHUNK, CHUNK_ENTRIES // entries))


class Network(nn.Module):
    """A network that gives features; where it is a classifier, its forward pass gives logits."""

    def features(self, x: Tensor) -> Tensor:
        """`(N, *shape)`, pictures in [0, 1], to `(N, D)`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Takes:
    """The samples that an extractor takes.

    Arguments:
        shape: Exactly this shape; None where the fields below say more.
        axes: How many axes a sample has: 3 for pictures `(C, H, W)`.
        channels: The numbers of channels allowed; empty for any.
        least: The least side in pixels.
    """

    shape: tuple[int, ...] | None = None
    axes: int = 3
    channels: tuple[int, ...] = ()
    least: int = 1

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether samples of this shape are taken."""
        if self.shape is not None:
            return tuple(shape) == self.shape
        return (
            len(shape) == self.axes
            and min(shape[-2:]) >= self.least
            and (not self.channels or shape[0] in self.channels)
        )

    def __str__(self) -> str:
        if self.shape is not None:
            return " x ".join(str(side) for side in self.shape)
        if self.axes == 1:
            return "vectors"
        channels = " or ".join(str(count) for count in self.channels) or "C"
        return f"{channels} x H x W" + (f", H, W >= {self.least}" if self.least > 1 else "")


@dataclass(frozen=True)
class Card:
    """What is known of an extractor before its weights are read.

    Arguments:
        name: Its name.
        version: Of the extractor under this name.
        takes: The samples that it takes.
        dimension: D, the number of features; None where it is the number of entries of a sample.
        resize: What is done to a picture's size, in words; "none" where nothing is.
        side: The side to which pictures are resized, 0 where they are not.
        quantised: Whether samples are pictures in [0, 1], rounded to 8 bits first; else any numbers.
        classes: K, where it is a classifier; else 0.
        facts: What else its record says, e.g. the data that it was trained on.
    """

    name: str
    version: str
    takes: Takes
    dimension: int | None
    resize: str = "none"
    side: int = 0
    quantised: bool = True
    classes: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self, sha256: str) -> dict[str, Any]:
        """What a record must say of it, with the hash of its weights."""
        return {
            "name": self.name,
            "version": self.version,
            "sha256": sha256,
            "input": str(self.takes),
            "resize": self.resize,
            "range": [0, 1] if self.quantised else None,
            "quantised_uint8": self.quantised,
            "dimension": self.dimension,
            **self.facts,
        }


@dataclass(frozen=True)
class Extractor:
    """A frozen network from samples to features.

    Arguments:
        card: What it is.
        sha256: Of its weights; empty where it has none.
        network: The network, in evaluation mode.
    """

    card: Card
    sha256: str
    network: Network

    @property
    def name(self) -> str:
        """Its name."""
        return self.card.name

    @property
    def dimension(self) -> int | None:
        """D, the number of features; None where it is the number of entries of a sample."""
        return self.card.dimension

    @property
    def tag(self) -> str:
        """Name and hash as they stand in a score's name; the name alone where there are no weights."""
        return f"{self.name}@{self.sha256[:8]}" if self.sha256 else self.name

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        parameter = next(self.network.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    def record(self) -> dict[str, Any]:
        """What a record must say of it."""
        return self.card.record(self.sha256)

    def to(self, device: torch.device | str) -> Extractor:
        """The same extractor with its network moved there, for everyone who holds it."""
        self.network.to(device)
        return self

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuses samples of a shape that it does not take.

        Raises:
            DataError: It does not take them.
        """
        if not self.card.takes.fits(shape):
            found = " x ".join(str(side) for side in shape)
            other = "coordinates" if len(shape) == 1 else "random-conv-v1 takes any picture"
            raise DataError(
                f"extractor {self.name} takes {self.card.takes}; found {found}; "
                f"choose another extractor ({other})"
            )

    def __call__(self, x: Tensor, chunk: int | None = None) -> Tensor:
        """Features `(N, D)` of samples `(N, *shape)`, on the CPU.

        Pictures lie in [0, 1], or are uint8 in steps of 1/255. Generated ones are rounded to 8 bits
        first, as real ones are.

        Arguments:
            x: The samples, at least one.
            chunk: How many to do at once; by default as many as memory bears.

        Raises:
            DataError: Samples of another shape, none, or pictures outside [0, 1].
        """
        return self._each(self.network.features, x, chunk)

    def probabilities(self, x: Tensor, chunk: int | None = None) -> Tensor:
        """The classes' probabilities `(N, K)`; arguments and errors as for features.

        Raises:
            CapabilityError: The extractor is no classifier.
        """
        if not self.card.classes:
            raise CapabilityError(
                f"extractor {self.name} is no classifier and gives no probabilities; "
                "`reverie extractor list` shows those with classes"
            )
        return self._each(lambda part: self.network(part).softmax(1), x, chunk)

    @torch.no_grad()
    def _each(self, function: Callable[[Tensor], Tensor], x: Tensor, chunk: int | None) -> Tensor:
        self.check(tuple(x.shape[1:]))
        if not len(x):
            raise DataError(f"extractor {self.name} needs at least 1 sample; found 0")
        chunk = chunk or chunk_of(max(x[0].numel(), 3 * self.card.side**2))
        parts = [function(self._levels(part.to(self.device))).cpu() for part in x.split(chunk)]
        return torch.cat(parts)

    def _levels(self, part: Tensor) -> Tensor:
        if not self.card.quantised:
            return part
        if part.dtype == torch.uint8:
            return part.float() / 255
        levels = (part * 255).round()
        low, high = (float(level) / 255 for level in levels.aminmax())
        if not (low >= 0 and high <= 1):  # NaN fails both
            raise DataError(
                f"extractor {self.name} takes pictures in [0, 1]; found values from {low:.3g} to "
                f"{high:.3g}; scale or clamp them first"
            )
        return levels / 255
