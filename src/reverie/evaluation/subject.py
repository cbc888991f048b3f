"""What is judged: a model, its data and its samples, each made once and shared by all metrics."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ..data.dataset import Dataset, Split
from ..data.drawing import ORDER, drawn, labels_like
from ..data.stream import to_range
from ..errors import DataError
from ..extracting import features_of
from ..features import Extractor, extractor_for, open_extractor
from ..features.lpips import LPIPS, open_lpips
from ..loading import Loaded
from ..metrics.baselines import binarisation_floor, fit_levels, independent_bernoulli, ppca
from ..metrics.frechet import moments, spread_by_subsampling
from ..monitor import Listener
from ..protocol import Protocol
from ..records import Record
from ..runs import RunFolder
from ..spec import Pixels, affine
from ..tensors import mix
from .opening import trained_on

CHUNK = 500
BASELINE = 10_000
"""Training samples that the Gaussian baseline is fitted to, at most."""
FITTED, WIDE = 60_000, 1024
"""Training samples that a mean, or the Gaussian beside a likelihood, is of, and the Gaussian's entries, at
most."""
QUICK_ENTRIES = 2**26
"""Entries of a set of samples at most, in the quick form, and of what a mean is of: 256 MiB."""
GROUPS = 20
"""Groups of samples that are left out in turn for the spread of a distance."""
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
        if protocol.quick:
            # The end of training must fit where training did, however large the pictures.
            self.count = min(self.count, max(2, QUICK_ENTRIES // math.prod(loaded.spec.shape)))
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
    def unknown(self) -> str:
        """Why the training split cannot be called what the model has seen; empty where it is just that."""
        seen, this = trained_on(RunFolder(self.loaded.folder)), self.dataset.fingerprint
        if seen is None:
            return "the run does not say what it was trained on"
        if seen != this:
            return f"it was trained on other data (fingerprint {seen[:12]}, this is {this[:12]})"
        return ""

    @property
    def too_few(self) -> str:
        """Why training data cannot stand in the samples' place; empty where there is enough of it.

        A score of fewer samples is another score: they cover less, and are farther away.
        """
        train = len(self.dataset.train)
        return (
            ""
            if train >= self.count
            else f"it has {train:,} samples, and {self.count:,} are judged"
        )

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
    def training_mean(self) -> Tensor:
        """The mean of the training split in data units, `(*shape)`, float64.

        Of all of it where it is small, and however few samples are judged: no baseline is worse for that.
        """
        most = max(self.count, QUICK_ENTRIES // math.prod(self.loaded.spec.shape))
        x = drawn(self.dataset.train, min(FITTED, most)).x
        total = sum(to_range(part).sum(0, dtype=torch.float64) for part in x.split(CHUNK))
        assert isinstance(total, Tensor)
        return total / len(x)

    @cached_property
    def samples(self) -> Tensor:
        """As many samples of the model; it must be a `Sampler`."""
        if self.asked_labels is None:
            return self.loaded.sample(self.count, seed=self.seed).as_subclass(Tensor)
        return self.loaded.sample_of(self.asked_labels, seed=self.seed).as_subclass(Tensor)

    @property
    def asked_labels(self) -> Tensor | None:
        """The labels of `samples`, `(n,)`: drawn from the training ones, as the model would be used.

        The held-out ones would hand it what others must learn, the shares of the classes among them. None
        of a model without classes; all classes in turn where the data has others.
        """
        like = labels_like(self.dataset.train, self.count, mix(self.seed, 9))
        if like is None or self.loaded.classes != self.dataset.spec.classes:
            return self.loaded.labels(self.count)
        return like if self.loaded.classes else None

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
        """What no model of Bernoulli pixels can be below, and what one without latents reaches, in nats.

        A full-rank Gaussian is left out where its covariance is singular, where there are more than `WIDE`
        entries, and at the end of training: it takes seconds.
        """
        if self.floor is not None:
            trivial = independent_bernoulli(self.training_mean.flatten(), self.held_out.flatten(1))
            return {
                "hard floor": float(self.floor.mean()),
                "independent Bernoulli": float(trivial.mean()),
            }
        if self.protocol.quick or math.prod(self.loaded.spec.shape) > WIDE:
            return {}
        levels = self.loaded.config.likelihood.kind == "discretized_logistic"
        try:
            return {"pPCA, full rank": self._levels() if levels else self._density()}
        except DataError:
            return {}

    def _levels(self) -> float:
        """Of 8-bit levels, dequantised."""
        x, y = (self._stored(part) for part in (self.dataset.train, self.used.test))
        return float(ppca(fit_levels(x), y).mean()) / self.nats_to_bits

    def _density(self) -> float:
        """Of values, in data units as likelihoods have them."""
        x, y = (to_range(self._stored(part)) for part in (self.dataset.train, self.used.test))
        return float(gaussian_nats(x, y).mean())

    def _stored(self, split: Split) -> Tensor:
        return drawn(split, FITTED).x.flatten(1)

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

    @cached_property
    def distance_spread(self) -> float | None:
        """One standard error of FD from the draw of samples; None of too few samples."""
        real, samples = moments(self.features("held out")), self.features("samples")
        try:
            return spread_by_subsampling(real, samples, self.seed, GROUPS)
        except DataError:
            return None

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


def gaussian_nats(train: Tensor, test: Tensor) -> Tensor:
    """-log N(x) of `(M, D)` in nats, `(M,)`, under the Gaussian fitted to `(N, D)` by maximum likelihood.

    Raises:
        DataError: Its covariance is singular.
    """
    train, test = train.double(), test.double()
    centred = train - train.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(train))
    if values[0] <= values[-1] * len(values) * torch.finfo(torch.float64).eps:
        raise DataError(f"the covariance of {len(values)} entries is singular")
    squares = ((test - train.mean(0)) @ vectors).square() @ (1 / values)
    return 0.5 * (squares + len(values) * math.log(2 * math.pi) + values.log().sum())


def dashes(names: Iterable[str], reason: str) -> list[Record]:
    """The records of metrics that have no value."""
    return [Record(metric=name, value=None, reason=reason) for name in names]
