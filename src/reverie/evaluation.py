"""How good a trained model is, on data that it has not seen: records, not numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .config import from_tree
from .data import DataConfig, open_dataset
from .data.dataset import Dataset, Split
from .data.stream import to_range
from .errors import ConfigError
from .features import Extractor, extractor_for, open_extractor
from .hardware import machine
from .loading import Loaded
from .metrics.coverage import density_and_coverage, expected_coverage
from .metrics.frechet import frechet_distance, gaussian_floor, moments
from .models.base import Batch, Inspectable, Likelihood, Reconstructor, Sampler
from .monitor import Listener
from .records import Record, mean_record
from .report import write_report
from .runs import RunFolder, find_run, now, software
from .settings import Config
from .spec import Pixels, affine
from .storage import write_text
from .tensors import noise_of
from .training import looking

DRAWS = 50
SAMPLES = 10_000
NEIGHBOURS = 5
CHUNK = 500


def evaluate(
    run: str | os.PathLike[str],
    *,
    data: str | DataConfig | None = None,
    samples: int = SAMPLES,
    draws: int = DRAWS,
    seed: int = 0,
    listener: Listener | None = None,
) -> list[Record]:
    """Judges a run on held-out data and writes its metrics.json and report.

    Arguments:
        run: A run folder, or its name under `runs/`.
        data: Other data to judge it on; by default the run's own.
        samples: Samples to draw, and held-out samples to use, at most.
        draws: Draws of the likelihood's bound; it tightens with them, so they are part of its name.
        seed: Of the samples and draws.
        listener: Who watches.

    Raises:
        ReverieError: The run, its model or the data cannot be used.
    """
    if samples < 2:
        raise ConfigError(f"samples is {samples}; write at least 2")
    folder, listener = find_run(run), listener or Listener()
    loaded = Loaded(folder.path)
    config = data_of(folder, data)
    own = data is None
    dataset = (
        open_dataset(config, listener.worked) if own else fitting_data(loaded, config, listener)
    )
    records = evaluate_run(folder, loaded, dataset, listener, samples, draws, seed)
    write_report(folder)
    return records


def evaluate_run(
    folder: RunFolder,
    loaded: Loaded,
    dataset: Dataset,
    listener: Listener,
    samples: int = SAMPLES,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Record]:
    """`evaluate`, for what is open already."""
    held_out = first(dataset.test, samples)
    parts = [
        ("held-out loss", lambda: losses(loaded, held_out, seed)),
        ("likelihood", lambda: likelihood(loaded, held_out, draws, seed)),
        ("reconstruction", lambda: reconstruction(loaded, held_out)),
        ("samples", lambda: sample_quality(loaded, dataset, samples, seed)),
    ]
    records: list[Record] = []
    for done, (what, judge) in enumerate(parts):
        listener.worked(f"judging {what}", done, len(parts))
        records += judge()
    listener.worked("judging", len(parts), len(parts))
    write_metrics(folder, loaded, dataset, records, seed)
    return records


def first(split: Split, count: int) -> Tensor:
    """The first stored samples, in [0, 1] or data units: `(N, *shape)`."""
    return to_range(split.rows(torch.arange(min(count, len(split)))))


def losses(loaded: Loaded, x: Tensor, seed: int) -> list[Record]:
    """Each part of the model's own loss on held-out samples."""
    model, noise = loaded.model, noise_of(seed, loaded.device)
    if not isinstance(model, Inspectable):
        reason = f"{model.family}'s losses depend on both players and do not measure quality"
        return [Record(metric="held-out loss", value=None, reason=reason)]
    gathered: dict[str, list[Tensor]] = {}
    units: dict[str, str] = {}
    with looking(model):
        for part in in_range(loaded, x):
            for name, (values, unit) in model.losses(Batch(x=part, noise=noise)).items():
                gathered.setdefault(name, []).append(values.cpu())
                units[name] = unit
    law = loaded.config.likelihood.kind
    return [
        mean_record(f"held-out {name}", torch.cat(values), units[name], "lower", likelihood=law)
        for name, values in gathered.items()
    ]


def likelihood(loaded: Loaded, x: Tensor, draws: int, seed: int) -> list[Record]:
    """The importance-weighted bound on held-out samples."""
    name = f"-log p(x) bound, k={draws}"
    if not isinstance(loaded.model, Likelihood):
        return [Record(metric=name, value=None, reason=f"{loaded.model.family} has no likelihood")]
    values = -loaded.log_likelihood(x, draws=draws, seed=seed)
    law = loaded.config.likelihood.kind
    return [mean_record(name, values, "nats", "lower", likelihood=law, draws=draws)]


def reconstruction(loaded: Loaded, x: Tensor) -> list[Record]:
    """The squared error of held-out samples through their latents, averaged over entries."""
    if not isinstance(loaded.model, Reconstructor):
        reason = f"{loaded.model.family} has no encoder"
        return [Record(metric="reconstruction MSE", value=None, reason=reason)]
    errors = (loaded.reconstruct(x).as_subclass(Tensor) - x).square().flatten(1).mean(1)
    return [mean_record("reconstruction MSE", errors, "", "lower")]


def sample_quality(loaded: Loaded, dataset: Dataset, samples: int, seed: int) -> list[Record]:
    """Frechet distance, density and coverage of samples against held-out data."""
    if not isinstance(loaded.model, Sampler):
        reason = f"{loaded.model.family} has no prior to sample from"
        return [
            Record(metric=name, value=None, reason=reason)
            for name in ("FD", "density", "coverage")
        ]
    extractor = open_extractor(name) if (name := extractor_for(loaded.spec.shape)) else None
    if extractor is None and isinstance(loaded.spec, Pixels):
        reason = f"no extractor is shipped for pictures of {tuple(loaded.spec.shape)}"
        return [
            Record(metric=name, value=None, reason=reason)
            for name in ("FD", "density", "coverage")
        ]
    count = min(samples, len(dataset.test))
    fake = loaded.sample(count, seed=seed).as_subclass(Tensor)
    sets = {
        "fake": fake,
        "held out": first(dataset.test, count),
        "training": first(dataset.train, count),
    }
    features = {n: extractor(x) if extractor else x.flatten(1) for n, x in sets.items()}
    return compare_features(features, extractor, count, seed)


def compare_features(
    features: dict[str, Tensor], extractor: Extractor | None, count: int, seed: int
) -> list[Record]:
    """The records of samples' features, beside those of training data in the samples' place."""
    tag = extractor.tag if extractor else "coordinates"
    fitted = {name: moments(x) for name, x in features.items()}
    real, fake, training = (features[n] for n in ("held out", "fake", "training"))
    density, coverage = density_and_coverage(real, fake, NEIGHBOURS)
    reached = density_and_coverage(real, training, NEIGHBOURS)
    settings: dict[str, Any] = {"extractor": extractor.record() if extractor else tag}
    settings |= {"reference": "held-out split", "sampling_seed": seed}
    nearest = {**settings, "k": NEIGHBOURS}
    reference = {
        "training data": frechet_distance(fitted["training"], fitted["held out"]),
        "Gaussian floor": gaussian_floor(fitted["held out"], count),
    }
    distance = frechet_distance(fitted["fake"], fitted["held out"])
    return [
        Record(
            metric=f"FD[{tag}]",
            value=distance,
            direction="lower",
            n=count,
            reference=reference,
            settings=settings,
        ),
        Record(
            metric=f"density[{tag}]",
            value=density,
            direction="higher",
            n=count,
            reference={"training data": reached[0], "equal distributions": 1.0},
            settings=nearest,
        ),
        Record(
            metric=f"coverage[{tag}]",
            value=coverage,
            direction="higher",
            n=count,
            reference={
                "training data": reached[1],
                "equal distributions": expected_coverage(len(real), count, NEIGHBOURS),
            },
            settings=nearest,
        ),
    ]


def in_range(loaded: Loaded, x: Tensor) -> Iterator[Tensor]:
    """Samples in the range of the model's networks, in chunks on its device."""
    scale, shift = affine(loaded.model.value_range)
    for part in x.split(CHUNK):
        yield (part * scale + shift).to(loaded.device)


def write_metrics(
    folder: RunFolder, loaded: Loaded, dataset: Dataset, records: list[Record], seed: int
) -> None:
    """Writes metrics.json: the records, and what all of them share."""
    tree = {
        "records": [record.to_dict() for record in records],
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint, "split": "test"},
        "weights": "average" if loaded.card.averaged else "raw",
        "step": loaded.card.step,
        "model_sha256": loaded.card.weights,
        "seed": seed,
        "machine": machine(),
        "time": now(),
        **software(),
    }
    write_text(folder.metrics, json.dumps(tree, indent=2) + "\n")


def data_of(folder: RunFolder, data: str | DataConfig | None) -> DataConfig:
    """The data named, or else the run's own.

    Raises:
        ConfigError: None is named, and the run does not say.
    """
    if isinstance(data, DataConfig):
        return data
    if data is not None:
        return DataConfig(source=str(data))
    tree = folder.read(folder.config)
    if "data" not in tree:
        raise ConfigError(
            f"{folder.path} does not say what it was trained on; name it with --data"
        )
    return from_tree(Config, tree, str(folder.config)).data


def fitting_data(loaded: Loaded, config: DataConfig, listener: Listener) -> Dataset:
    """Opens data in the shape that the model takes: pictures are resized and recoloured to it.

    Raises:
        ConfigError: It cannot take that shape.
    """
    if isinstance(loaded.spec, Pixels) and config.size is None:
        channels, height, width = loaded.spec.shape
        color = {1: "grey", 3: "rgb"}.get(channels, "keep")
        config = config.with_(size=(height, width), color=color)
    dataset = open_dataset(config, listener.worked)
    if tuple(dataset.spec.shape) != tuple(loaded.spec.shape):
        raise ConfigError(
            f"the model takes samples of {tuple(loaded.spec.shape)}, and this data has "
            f"{tuple(dataset.spec.shape)}"
        )
    return dataset


def relative_to_cwd(path: Path) -> str:
    """A path as a person would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
