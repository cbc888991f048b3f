"""A trained model to use: samples, codes and reconstructions in the units of the data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from .artifact import load_model
from .errors import CapabilityError, ConfigError, did_you_mean
from .hardware import Device, laid_out, pick_device
from .latent.paths import spherical, straight
from .latent.thinning import LEAST
from .models.base import (
    Conditional,
    Decoder,
    Encoder,
    Likelihood,
    Reconstructor,
    Sampler,
    capabilities,
    draws_classes,
    require,
)
from .pictures import grid, save_png, to_png
from .runs import find_run
from .spec import Pixels, affine
from .tensors import Noise, mix, noise_of
from .training import looking

CHUNK = 500
SAMPLED = 64
"""Samples are drawn in chunks of this size, each with a seed of its own."""


class Samples(Tensor):
    """A tensor `(N, *shape)` in data units that shows itself in a notebook and saves itself as a PNG."""

    # Whatever is computed from it is a plain tensor again.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def _repr_png_(self) -> bytes | None:
        pictures = self.as_subclass(Tensor)
        return to_png(grid(pictures)) if pictures.dim() == 4 and len(pictures) else None

    def save(self, path: str | os.PathLike[str], columns: int | None = None) -> Path:
        """Writes the pictures as one PNG grid and returns its path."""
        save_png(grid(self.as_subclass(Tensor), columns), Path(path))
        return Path(path)


class Loaded:
    """A model with its weights. All that goes in and comes out is in data units: pixels in [0, 1].

    Every method that the model cannot do raises `CapabilityError` and says what it can; values that do
    not fit the model raise `ConfigError`.

    Arguments:
        folder: Where `model.json` and `model.safetensors` are.
        device: Where to compute.

    Attributes:
        card: Everything `model.json` says.
    """

    def __init__(self, folder: Path, device: Device = "auto") -> None:
        self.folder = folder
        model, self.card = load_model(folder)
        self.device = pick_device(device)
        self.model = laid_out(model.to(self.device))
        self._scale, self._shift = affine(self.model.value_range)

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.model.parameters())
        verbs = ", ".join(self.can)
        return f"{self.card.model.kind} of {self.spec.shape}, {count:,} parameters; can {verbs}"

    @property
    def spec(self) -> Any:
        """What it was built for: a `Pixels` or a `Vector`."""
        return self.card.spec

    @property
    def config(self) -> Any:
        """The model's settings."""
        return self.card.model

    @property
    def can(self) -> tuple[str, ...]:
        """The verbs it can do."""
        return capabilities(self.model)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that samples can be asked of; empty for a model that was not trained on them."""
        return self.spec.classes if draws_classes(self.model) else ()

    def sample(self, count: int = 64, *, seed: int = 0, label: str | int | None = None) -> Samples:
        """Draws `(count, *shape)`. Sample i of a seed is the same whatever the count.

        Arguments:
            count: How many.
            seed: Of the noise.
            label: The class, by its name or number; None gives all classes in turn.

        Raises:
            CapabilityError: The model cannot sample, or not by class.
            ConfigError: There is no such class, or nothing is asked for.
        """
        require(self.model, "sample")
        at_least(1, "count", count)
        labels = self.labels(count, label)
        if labels is not None:
            return self.sample_of(labels, seed=seed)
        model = cast(Sampler, self.model)
        with looking(self.model):
            pieces = [model.sample(SAMPLED, noise) for noise in self._noises(count, seed)]
        return self._out(pieces)[:count].as_subclass(Samples)

    def sample_of(self, labels: Tensor, *, seed: int = 0) -> Samples:
        """Draws one sample of each label: `(N,)` to `(N, *shape)`; the noise is that of `sample`."""
        count, model = len(labels), cast(Conditional, self.model)
        # Whole chunks, so that sample i has the same noise whatever the count.
        whole = torch.cat([labels, labels.new_zeros(-count % SAMPLED)]).to(self.device)
        with looking(self.model):
            pieces = [
                model.sample(SAMPLED, noise, y)
                for noise, y in zip(self._noises(count, seed), whole.split(SAMPLED), strict=True)
            ]
        return self._out(pieces)[:count].as_subclass(Samples)

    def _noises(self, count: int, seed: int) -> Iterator[Noise]:
        """The noise of each chunk of so many samples."""
        for chunk in range(-(-count // SAMPLED)):
            yield noise_of(mix(seed, chunk), self.device)

    def labels(self, count: int, label: str | int | None = None) -> Tensor | None:
        """The labels `(count,)` of the samples that `sample` draws; None where it draws no classes.

        Raises:
            CapabilityError: A class is asked of a model that was not trained on classes.
            ConfigError: There is no such class.
        """
        if label is not None:
            return torch.full((count,), self._class(label))
        return torch.arange(count) % len(self.classes) if self.classes else None

    def _class(self, label: str | int) -> int:
        """The number of a class; a name goes before a number."""
        names = self.classes
        if not names:
            raise CapabilityError(
                f"{self.model.family} cannot sample by class unless it was trained to; train the recipe "
                "`cgan`, or a GAN with model.conditioning=projection, on data with classes"
            )
        if str(label) in names:
            return names.index(str(label))
        if str(label).isdecimal() and int(label) < len(names):
            return int(label)
        raise ConfigError(f"there is no class {label!r}; {did_you_mean(str(label), names)}")

    def encode(self, x: Any) -> Tensor:
        """Latents `(N, Z)` of samples `(N, *shape)`, without noise."""
        require(self.model, "encode")
        model = cast(Encoder, self.model)
        with looking(self.model):
            return torch.cat([model.encode(part).cpu() for part in self._in(x)])

    def decode(self, z: Any) -> Samples:
        """Samples of latents `(N, Z)`, without noise."""
        require(self.model, "decode")
        model, parts = cast(Decoder, self.model), self._latents(z).split(CHUNK)
        with looking(self.model):
            pieces = [model.decode(part.to(self.device)) for part in parts]
        return self._out(pieces).as_subclass(Samples)

    def reconstruct(self, x: Any) -> Samples:
        """Samples through their latents and back, without noise."""
        require(self.model, "reconstruct")
        model = cast(Reconstructor, self.model)
        with looking(self.model):
            pieces = [model.reconstruct(part) for part in self._in(x)]
        return self._out(pieces).as_subclass(Samples)

    def log_likelihood(
        self, x: Any, *, draws: int = 50, decoded: int | None = None, seed: int = 0
    ) -> Tensor:
        """A lower bound of log p(x) in nats, `(N,)`: the IWAE bound of so many draws.

        The density is of the values that the networks see, pixels in [0, 1].

        Arguments:
            x: Samples `(N, *shape)`.
            draws: Latents that are drawn for each sample; published bounds are of 5,000.
            decoded: How many of them are decoded; None is all. Of 5,000 draws, 600 take about a sixth of
                the time; the mean weight is estimated without bias, so that the bound stays one, and its
                noise grows by little where the posterior fits (docs/evaluation.md has the numbers).
            seed: Of the draws.
        """
        require(self.model, "bound the likelihood")
        at_least(1, "draws", draws)
        if decoded is not None:
            at_least(LEAST, "decoded", decoded)
        model, noise = cast(Likelihood, self.model), noise_of(seed, self.device)
        with looking(self.model):
            thins = decoded is not None and decoded < draws
            parts = self._in(x, CHUNK if thins else max(1, 5000 // draws))
            return torch.cat([model.log_likelihood(p, noise, draws, decoded).cpu() for p in parts])

    def interpolate(self, start: Any, end: Any, steps: int = 12) -> Samples:
        """The way from each start to each end through the latents: `(N * steps, *shape)`, row by row.

        Arguments:
            start: Samples `(N, *shape)` for a model that encodes, latents `(N, Z)` for one that does not.
            end: As many of the same.
            steps: Samples on each way, with both of its ends.

        Raises:
            ConfigError: Starts and ends do not fit the model or each other, or `steps` is less than 2.
        """
        require(self.model, "decode")
        at_least(2, "steps", steps)
        encodes = isinstance(self.model, Encoder)
        first, last = (self.encode(x) if encodes else self._latents(x) for x in (start, end))
        if len(first) != len(last):
            raise ConfigError(f"{len(first)} starts and {len(last)} ends; give as many of both")
        way = torch.linspace(0, 1, steps)[None, :, None]
        if encodes:
            return self.decode(straight(first, last, way).flatten(0, 1))
        # Noise lies on a sphere; a class, which stands behind it, does not.
        parts = [first.shape[1] - len(self.classes), len(self.classes)]
        (one, one_class), (two, two_class) = first.split(parts, 1), last.split(parts, 1)
        z = torch.cat([spherical(one, two, way), straight(one_class, two_class, way)], -1)
        return self.decode(z.flatten(0, 1))

    def noise(self, count: int, *, seed: int = 0) -> Tensor:
        """Latents `(count, Z)` from N(0, I); those of a conditional model end in its classes in turn."""
        require(self.model, "decode")
        if self.classes:
            model = cast(Conditional, self.model)
            return model.codes(count, noise_of(seed), self.labels(count))
        return noise_of(seed).normal(count, cast(Decoder, self.model).latent)

    def _in(self, x: Any, chunk: int = CHUNK) -> Iterable[Tensor]:
        """Checks samples, and brings them to the networks' range and device in chunks."""
        pixels, shape = isinstance(self.spec, Pixels), tuple(self.spec.shape)
        x = numbers(x, "samples", shape, white=255 if pixels else 1, single=True)
        if pixels and (x.min() < 0 or x.max() > 1):
            raise ConfigError(
                f"pixels span [{x.min():.3g}, {x.max():.3g}]; expected values in [0, 1], or uint8"
            )
        return (part.to(self.device) * self._scale + self._shift for part in x.split(chunk))

    def _latents(self, z: Any) -> Tensor:
        """Checks latents `(N, Z)`, and brings them to float32 here."""
        return numbers(z, "latents", (cast(Decoder, self.model).latent,)).cpu()

    def _out(self, pieces: list[Tensor]) -> Tensor:
        x = (torch.cat([piece.float().cpu() for piece in pieces]) - self._shift) / self._scale
        return x.clamp(0, 1) if isinstance(self.spec, Pixels) else x


def load(run: str | os.PathLike[str], *, device: Device = "auto") -> Loaded:
    """Loads the model of a run folder; neither the data nor the run's settings are needed.

    Raises:
        ConfigError: There is no such run.
        ModelFileError: Its files are missing, altered or truncated.
    """
    return Loaded(find_run(run).path, device)


def at_least(least: int, name: str, value: Any) -> None:
    """Refuses what is no whole number, or too small a one."""
    if not isinstance(value, int | np.integer) or value < least:
        raise ConfigError(f"{name} is {value!r}; write at least {least}")


def numbers(
    x: Any, what: str, shape: tuple[int, ...], *, white: int = 1, single: bool = False
) -> Tensor:
    """Finite numbers `(N, *shape)` in float32; bytes in units of `white`, and a single one if it may be."""
    expected = f"expected (N, {', '.join(map(str, shape))})"
    try:
        # A copy: arrays that are flipped or read-only make no tensor as they are.
        x = x if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x).copy())
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(f"{what} are no numbers but {type(x).__name__}; {expected}") from None
    x = x.as_subclass(Tensor).float() / (white if x.dtype == torch.uint8 else 1)
    x = x[None] if single and tuple(x.shape) == shape else x
    if tuple(x.shape[1:]) != shape or not len(x):
        raise ConfigError(f"{what} are {tuple(x.shape)}; {expected}")
    if not x.isfinite().all():
        raise ConfigError(f"{what} hold values that are not finite; leave them out or fill them")
    return x
