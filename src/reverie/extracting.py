"""Extractors and data together: features of a data set, kept on disk, and a classifier trained on one.

Features of data are the dear half of a score, and the same for every model: they are kept by (data
fingerprint, split, count, the extractor's hash), written beside and swapped in, and checked when read.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.functional import cross_entropy

from .data import DataConfig, open_dataset
from .data.cache import cache_root
from .data.dataset import Dataset, Split
from .data.stream import Stream, to_range
from .errors import ConfigError, DataError, DivergedError
from .features import Extractor
from .features.classifier import (
    Classifier,
    Training,
    classifier_files,
    open_classifier,
    write_classifier,
)
from .features.extractor import chunk_of
from .hardware import Device, pick_device
from .monitor import Listener
from .spec import Pixels
from .storage import remove, write_bytes
from .tensors import mix, noise_of

CACHE_BYTES = 2_000_000_000
BATCH, PASSES, STEPS = 128, 4, (300, 4000)
RATE, DECAY = 2e-3, 1e-4


def features_of(
    dataset: Dataset,
    split: Literal["train", "test"],
    extractor: Extractor,
    count: int | None = None,
    listener: Listener | None = None,
) -> Tensor:
    """Features of the first stored samples of a split, from the cache or into it.

    Arguments:
        dataset: The data.
        split: Which split.
        extractor: Whose features.
        count: How many samples, at most; by default all.
        listener: Hears how far it is, and that the cache could not be written.

    Returns:
        `(N, D)`, on the CPU. Extractors without weights are quicker than a file, and are not kept.

    Raises:
        DataError: The extractor does not take such samples.
    """
    listener = listener or Listener()
    stored: Split = getattr(dataset, split)
    count = len(stored) if count is None else min(count, len(stored))
    if not extractor.sha256:
        return _extracted(stored, extractor, count, listener)
    path, key = _place(dataset, split, extractor, count)
    found = _read(path, key)
    if found is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            found = _read(path, key)
            if found is None:
                found = _extracted(stored, extractor, count, listener)
                _write(path, key, found)
            return found
    except OSError as error:
        listener.said(f"features of data are not kept ({error})")
        return _extracted(stored, extractor, count, listener) if found is None else found


def are_kept(dataset: Dataset, split: Literal["train", "test"], extractor: Extractor) -> bool:
    """Whether the features of a whole split lie in the cache."""
    count = len(getattr(dataset, split))
    return bool(extractor.sha256) and _place(dataset, split, extractor, count)[0].exists()


def train_extractor(
    data: str | DataConfig,
    out: str | os.PathLike[str] | None = None,
    *,
    steps: int | None = None,
    seed: int = 0,
    device: Device = "auto",
    listener: Listener | None = None,
) -> tuple[Extractor, Training]:
    """Trains a classifier on the training split, tests it on the other, and writes it.

    Arguments:
        data: Labelled pictures: a name, a path, or settings.
        out: Where the weights go; what is known of them goes beside, as `.json`. By default
            `DATA-classifier` in the current folder, numbered when taken.
        steps: Of 128 samples each; by default four passes, within 300 to 4000.
        seed: Of the weights at the start and of the order.
        device: Where it trains.
        listener: Who watches.

    Returns:
        The extractor as it reads from its file, and where it comes from.

    Raises:
        ConfigError: `out` is there already or names no file, `data` is empty, or `steps` is no
            positive number.
        DataError: The data cannot be used, is not of pictures, or has no labels.
        DivergedError: The loss stopped being finite.
        StorageError: The files cannot be written.
    """
    listener = listener or Listener()
    if steps is not None and steps < 1:
        raise ConfigError(f"steps is {steps}; write at least 1")
    config = data if isinstance(data, DataConfig) else DataConfig(source=str(data))
    files = classifier_files(free_name(config.source) if out is None else Path(out))
    for file in files:
        if file.exists():
            raise ConfigError(f"{file} is there already; name another file, or remove it first")
    dataset = open_dataset(config, listener.worked)
    shape, classes = _labelled(dataset)
    batch = min(BATCH, len(dataset.train))
    if steps is None:
        steps = min(max(PASSES * len(dataset.train) // batch, STEPS[0]), STEPS[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, 0))
        network = Classifier(shape, len(classes)).to(pick_device(device))
    _fit(network, dataset.train, steps, batch, seed, config.flip, listener)
    training = Training(
        data=dataset.name,
        fingerprint=dataset.fingerprint,
        classes=classes,
        accuracy=_accuracy(network, dataset.test),
        held_out=len(dataset.test),
        steps=steps,
        batch=batch,
        seed=seed,
    )
    write_classifier(files[0], network, shape, training)
    return open_classifier(files[0]), training


def free_name(source: str) -> Path:
    """`DATA-classifier` for data of that name or path, numbered where there is one."""
    base = f"{Path(source).resolve().name.partition('.')[0]}-classifier"
    names = (Path(base if number == 1 else f"{base}-{number}") for number in itertools.count(1))
    return next(name for name in names if not any(f.exists() for f in classifier_files(name)))


def _labelled(dataset: Dataset) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    spec = dataset.spec
    if not isinstance(spec, Pixels):
        raise DataError(
            f"{dataset.name}: an extractor is trained on pictures, and these samples are vectors of "
            f"{spec.size}; they are compared in their own coordinates"
        )
    if dataset.train.y is None or dataset.test.y is None or not spec.classes:
        raise DataError(
            f"{dataset.name}: has no labels, and a classifier learns from them; give pictures in a "
            "folder for each class, or an .npz with labels, or use random-conv-v1"
        )
    if len(spec.classes) < 2:
        raise DataError(
            f"{dataset.name}: has one class ({', '.join(spec.classes)}), and a classifier needs at "
            "least 2; use random-conv-v1"
        )
    return spec.shape, spec.classes


def _fit(
    network: Classifier,
    split: Split,
    steps: int,
    batch: int,
    seed: int,
    flip: bool,
    listener: Listener,
) -> None:
    """Adam with decoupled decay under one cycle of the rate (Smith & Topin 2018)."""
    device = next(network.parameters()).device
    stream = Stream(split, batch, seed, "unit", device, flip)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * RATE, total_steps=steps + 1)
    noise = noise_of(mix(seed, 0), device)
    for step in range(steps):
        x, y = stream.samples(step, (0, batch), noise)
        assert y is not None
        loss = cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            listener.worked("training an extractor", step, steps)
            if not loss.isfinite():
                raise DivergedError(
                    f"the loss was {float(loss)} at step {step}; nothing was written"
                )
    listener.worked("training an extractor", steps, steps)
    network.to("cpu").eval()


@torch.no_grad()
def _accuracy(network: Classifier, split: Split) -> float:
    assert split.y is not None
    right = 0
    for index in torch.arange(len(split)).split(chunk_of(split.x[0].numel())):
        right += int((network(to_range(split.rows(index))).argmax(1) == split.y[index]).sum())
    return right / len(split)


def _place(
    dataset: Dataset, split: str, extractor: Extractor, count: int
) -> tuple[Path, dict[str, str]]:
    """Where features are kept, and what they are of."""
    key = {
        "data": dataset.fingerprint,
        "split": split,
        "count": str(count),
        "extractor": extractor.sha256,
        "resize": extractor.card.resize,
        "device": extractor.device.type,  # another one rounds otherwise
    }
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    return cache_root() / "features" / f"{name}.safetensors", key


def _extracted(split: Split, extractor: Extractor, count: int, listener: Listener) -> Tensor:
    extractor.check(tuple(split.x.shape[1:]))
    parts = []
    for index in torch.arange(count).split(chunk_of(split.x[0].numel())):
        listener.worked("features of data", int(index[0]), count)
        parts.append(extractor(split.rows(index)))
    listener.worked("features of data", count, count)
    return torch.cat(parts)


def _digest(features: Tensor) -> str:
    return hashlib.sha256(features.contiguous().numpy().data).hexdigest()


def _write(path: Path, key: dict[str, str], features: Tensor) -> None:
    metadata = {**key, "sha256": _digest(features)}
    write_bytes(path, safetensors.torch.save({"features": features}, metadata))
    _forget_oldest(path)


def _read(path: Path, key: dict[str, str]) -> Tensor | None:
    """The features in a file; None where it is absent, damaged or of something else."""
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            features = file.get_tensor("features").clone()
    except (OSError, SafetensorError):
        return None
    if metadata != {**key, "sha256": _digest(features)} or len(features) != int(key["count"]):
        return None
    with suppress(OSError):
        os.utime(path)  # the oldest by use goes first
    return features


def _forget_oldest(kept: Path) -> None:
    """Removes the features that were not used for longest, down to 2 GB."""
    total, files = 0, []
    for file in kept.parent.glob("*.safetensors"):
        with suppress(OSError):
            files.append((file.stat().st_mtime, file.stat().st_size, file))
    for _, size, file in sorted(files, reverse=True):
        total += size
        if total > CACHE_BYTES and file != kept:
            remove(file)
