"""What is judged: a model, its data and its samples, each made once and shared by all metrics."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ..data.dataset import Dataset, Split
from ..data.stream import to_range
from ..extracting import features_of
from ..features import Extractor, extractor_for, open_extractor
from ..features.lpips import LPIPS, open_lpips
from ..loading import Loaded
from ..metrics.baselines import binarisation_floor, independent_bernoulli
from ..monitor import Listener
from ..protocol import Protocol
from ..spec import Pixels, affine
from ..tensors import mix

CHUNK = 500
ORDER = 0
"""The seed of the order in which stored samples are taken: one for all, so that they may be paired."""
BASELINE = 10_000
"""Training samples that the Gaussian baseline is fitted to, at most."""
FEW = 50
"""Draws of the bound on every held-out sample."""


class Subject:
    """A trained model with everything that its judges share.

    Arguments:
        loaded: The model.
        dataset: What it is judged on: the test split, with the training split for reference.
        protocol: How.
        listener: Who watches.
    """

    def __init__(
        self, loaded: Loaded, dataset: Dataset, protocol: Protocol, listener: Listener
    ) -> None:
        self.loaded, self.dataset, self.protocol = loaded, dataset, protocol
        self.model, self.listener = loaded.model, listener
        self.count = min(protocol.samples, len(dataset.test))
        self._features: dict[str, Tensor] = {}

    @property
    def family(self) -> str:
        """What the model is called in messages, with its article."""
        return self.model.family

    @property
    def pictures(self) -> bool:
        """Whether samples are pictures."""
        return isinstance(self.loaded.spec, Pixels)

    @property
    def seed(self) -> int:
        """The seed of samples, draws and subsets."""
        return self.protocol.seed

    @cached_property
    def used(self) -> Dataset:
        """The samples of both splits that are used, `n` of each at most, in a random order."""
        train, test = (drawn(part, self.count) for part in (self.dataset.train, self.dataset.test))
        key = f"{self.dataset.fingerprint}: {self.count} in the order of {ORDER}"
        fingerprint = hashlib.sha256(key.encode()).hexdigest()
        return replace(self.dataset, train=train, test=test, fingerprint=fingerprint)

    @cached_property
    def held_out(self) -> Tensor:
        """Held-out samples in data units, `(n, *shape)`."""
        return to_range(self.used.test.x)

    @property
    def labels(self) -> Tensor | None:
        """Their labels, `(n,)`."""
        return self.used.test.y

    @cached_property
    def training(self) -> Tensor:
        """As many training samples."""
        return to_range(self.used.train.x)

    @cached_property
    def samples(self) -> Tensor:
        """As many samples of the model; it must be a `Sampler`."""
        return self.loaded.sample(self.count, seed=self.seed).as_subclass(Tensor)

    @cached_property
    def few_bound(self) -> Tensor:
        """-log p(x) of the held-out samples by `FEW` draws, `(n,)`; it must have a `Likelihood`."""
        return -self.loaded.log_likelihood(self.held_out, draws=FEW, seed=self.seed)

    @cached_property
    def floor(self) -> Tensor | None:
        """The entropy of each held-out sample's pixels in nats, `(n,)`; None but for Bernoulli pixels."""
        law = self.loaded.config.likelihood.kind
        if law != "bernoulli" or not self.pictures:
            return None
        return binarisation_floor(self.held_out.flatten(1))

    @cached_property
    def anchors(self) -> dict[str, float]:
        """What no model of Bernoulli pixels can be below, and what one without latents reaches, in nats."""
        if self.floor is None:
            return {}
        trivial = independent_bernoulli(self.training.flatten(1), self.held_out.flatten(1))
        return {
            "hard floor": float(self.floor.mean()),
            "independent Bernoulli": float(trivial.mean()),
        }

    @cached_property
    def reconstructions(self) -> Tensor:
        """The held-out samples through the latents and back; it must be a `Reconstructor`."""
        return self.loaded.reconstruct(self.held_out).as_subclass(Tensor)

    @cached_property
    def gaussian(self) -> Tensor:
        """Samples of a Gaussian with the training data's mean and covariance: a baseline, `(n, *shape)`."""
        x = to_range(drawn(self.dataset.train, BASELINE).x).flatten(1)
        mean = x.mean(0)
        # Normal weights of centred samples have their covariance, which of pictures may not fit in memory.
        spread = (x - mean) / math.sqrt(max(len(x) - 1, 1))
        generator = torch.Generator().manual_seed(mix(self.seed, 1))
        made = [
            mean + torch.randn(len(rows), len(x), generator=generator) @ spread
            for rows in torch.arange(self.count).split(CHUNK)
        ]
        made = torch.cat(made).view(self.count, *self.dataset.spec.shape)
        return made.clamp(0, 1) if self.pictures else made

    @cached_property
    def extractor(self) -> Extractor:
        """Whose features are compared."""
        named = self.protocol.extractor
        return open_extractor(named or extractor_for(self.loaded.spec.shape, self.dataset.name))

    @cached_property
    def lpips(self) -> LPIPS | None:
        """The network of LPIPS, on the model's device, where it was asked for."""
        folder = self.protocol.lpips
        return None if folder is None else open_lpips(Path(folder)).to(self.loaded.device)

    def features(self, of: str) -> Tensor:
        """Features `(n, D)` of "held out", "training", "samples", "reconstructions" or "gaussian".

        Those of "all training" are `(N, D)`.
        """
        if of not in self._features:
            if of == "held out":
                made = features_of(self.used, "test", self.extractor)
            elif of == "training":
                made = features_of(self.used, "train", self.extractor)
            elif of == "all training":
                made = features_of(self.dataset, "train", self.extractor)
            else:
                made = self.extractor(getattr(self, of))
            self._features[of] = made
        return self._features[of]

    def in_range(self, x: Tensor, chunk: int = CHUNK) -> Iterator[Tensor]:
        """Samples in the range of the model's networks, in chunks on its device."""
        scale, shift = affine(self.model.value_range)
        for part in x.split(chunk):
            yield (part * scale + shift).to(self.loaded.device)

    def subset(self, count: int) -> Tensor:
        """Which held-out samples stand for all: sorted rows, drawn by the seed."""
        generator = torch.Generator().manual_seed(mix(self.seed, 2))
        return torch.randperm(self.count, generator=generator)[:count].sort().values

    @property
    def nats_to_bits(self) -> float:
        """Bits per dimension of a nat."""
        return 1 / (math.log(2) * math.prod(self.loaded.spec.shape))


def drawn(split: Split, count: int) -> Split:
    """So many samples of a split, or all, in a random order.

    The first stored ones would not do: folders lie by class, and the first half of MNIST's test split is
    the easier.
    """
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(ORDER))[:count]
    return Split(split.rows(order), None if split.y is None else split.y[order])


def first(split: Split, count: int) -> Tensor:
    """The first stored samples, in [0, 1] or data units: `(N, *shape)`."""
    return to_range(split.rows(torch.arange(min(count, len(split)))))
