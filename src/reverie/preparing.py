"""What is decided before training begins: the data, the settings, the model, the number of steps."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from . import recipes
from .budget import parse
from .config import as_typed, from_tree, override, to_tree
from .data import DataConfig, open_dataset
from .data.dataset import Dataset
from .data.open import absolute, stated
from .data.stream import Stream
from .distributed import World, launch_id
from .errors import ConfigError, ModelFileError
from .hardware import laid_out, machine, pick_device, pick_precision
from .models.base import Model
from .monitor import Listener
from .runs import RunFolder, now, software
from .settings import Config
from .tensors import mix
from .training import Plan, State, per_step, start, train_step


@dataclass(frozen=True)
class Prepared:
    """Everything that is decided before training begins: what `--dry-run` shows."""

    config: Config
    dataset: Dataset
    model: Model
    device: torch.device
    precision: torch.dtype
    given: tuple[str, ...] = ()
    """What differs from the recipe's own settings, as `dotted.path=value`."""


def assignments(
    budget: str | None, steps: int | None, overrides: Sequence[str] = (), **given: object
) -> list[str]:
    """What has an option of its own, as overrides, and those that were given as such.

    Raises:
        ConfigError: The budget is given twice, or a setting by its option and as an override.
    """
    if budget is not None and steps is not None:
        raise ConfigError("budget and steps are both given; write one of them")
    if steps is not None and not isinstance(steps, int):
        raise ConfigError(f"steps is {steps!r}; write a whole number")
    given = {"budget": f"{steps} steps" if steps is not None else budget, **given}
    settings = {f"train.{name}": value for name, value in given.items() if value is not None}
    for text in overrides:
        name = text.partition("=")[0]
        if twice := [s for s in settings if s == name or s.startswith(f"{name}.")]:
            raise ConfigError(
                f"{twice[0]} is given twice, as an option and as {text}; write one of them"
            )
    return [*(f"{name}={value}" for name, value in settings.items()), *overrides]


def prepare(
    recipe: str, data: str | DataConfig, overrides: Sequence[str], listener: Listener
) -> Prepared:
    """Opens the data, asks the recipe, applies overrides, and builds the model: nothing is written."""
    found = recipes.find(recipe)
    if not isinstance(data, str | os.PathLike | DataConfig):
        raise ConfigError(
            f"data is of type {type(data).__name__}; give a name, a path (of an array that was saved with "
            "np.save, say) or a DataConfig"
        )
    if renamed := [text for text in overrides if text.startswith("recipe=")]:
        raise ConfigError(f"{renamed[0]}: the recipe is named by itself, here {recipe!r}")
    source = data if isinstance(data, DataConfig) else DataConfig(source=stated(str(data)))
    for text in overrides:
        if text.startswith(("data=", "data.source=")) and source.source != "mnist":
            raise ConfigError(
                f"{text}: the data is named by itself, here {source.source!r}; write its settings one by "
                "one, e.g. data.size=32"
            )
    early = [text for text in overrides if text.startswith(("data.", "data="))]
    config = override(Config(recipe=recipe, data=source), early)
    config = config.with_(data=config.data.with_(source=absolute(config.data.source)))
    dataset = open_dataset(config.data, listener.worked)
    model, training = found(dataset.spec)
    late = [text for text in overrides if text not in early]
    config = override(config.with_(model=model, train=training), late)
    own = [f"data.{name}={as_typed(v)}" for name, v in said(source).items() if name != "source"]
    return replace(assemble(config, listener, dataset), given=(*own, *overrides))


def said(source: DataConfig) -> dict[str, Any]:
    """What was said of the data, and is not as it would be anyway."""
    tree = to_tree(source)
    return {name: tree[name] for name in source.model_fields_set if name in tree}


def assemble(config: Config, listener: Listener, dataset: Dataset | None = None) -> Prepared:
    """Builds what a configuration describes."""
    dataset = dataset or open_dataset(config.data, listener.worked)
    for note in dataset.notes:
        listener.said(note)
    device = pick_device(config.train.device)
    model = build(config, dataset, device)
    unknown = set(config.train.players) - {phase.name for phase in model.phases()}
    if unknown:
        known = ", ".join(phase.name for phase in model.phases())
        raise ConfigError(
            f"train.players.{unknown.pop()} is no phase of this model; it has {known}"
        )
    World().rows(config.train.batch, 0, config.train.accumulate)
    precision = pick_precision(config.train.precision, device, model)
    return Prepared(config, dataset, model, device, precision)


def build(config: Config, dataset: Dataset, device: torch.device) -> Model:
    """The model with the first weights of its seed, laid out for speed on its device.

    Raises:
        ConfigError: It lacks something in the data, or is of sizes that no memory has.
    """
    torch.manual_seed(mix(config.train.seed, 0))
    try:
        model = config.model.build(dataset.spec)
    except (TypeError, OverflowError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]  # PyTorch's own go on with its C++ frames
        if isinstance(error, RuntimeError) and "overflow" not in reason:
            raise
        raise ConfigError(
            f"model: no network can be made so large; write smaller sizes ({reason})"
        ) from None
    return laid_out(model.to(device))


def read_config(folder: RunFolder) -> Config:
    """The settings of a run.

    Raises:
        ModelFileError: config.json is missing or no JSON; a model alone cannot be trained on.
        ConfigError: It holds what this version does not know.
    """
    tree = folder.read(folder.config)
    if not tree:
        raise ModelFileError(
            f"{folder.config}: missing or not valid JSON; this run cannot be resumed"
        )
    return from_tree(Config, tree, str(folder.config))


def plan_of(prepared: Prepared, steps: int, world: World) -> Plan:
    """What stays the same while training."""
    config = prepared.config
    stream = Stream(
        prepared.dataset.train,
        config.train.batch,
        config.train.seed,
        prepared.model.value_range,
        prepared.device,
        config.data.flip,
    )
    return Plan(config.train, steps, stream, prepared.precision, world)


def with_steps(prepared: Prepared, world: World) -> Config:
    """The configuration with its budget as a number of steps, measured if it was a wall time."""
    config = prepared.config
    amount = parse(config.train.budget)
    if amount.unit == "seconds":
        # Workers measure together, since each of their steps waits for all of them.
        measured = measured_steps(*throwaway(prepared, world), amount.value)
        steps = world.same(lambda: measured)
    else:
        each = per_step(prepared.model.phases()) * config.train.batch
        steps = amount.steps(len(prepared.dataset.train), each)
    return config.with_(train=config.train.with_(budget=f"{steps} steps"))


def throwaway(prepared: Prepared, world: World) -> tuple[State, Plan]:
    """A copy of the run that may be trained and forgotten."""
    model = build(prepared.config, prepared.dataset, prepared.device)
    return start(model, prepared.config.train), plan_of(prepared, 1_000_000, world)


def measured_steps(state: State, plan: Plan, seconds: float) -> int:
    """How many steps fit into a wall time: a run that may be forgotten is timed for a few seconds."""
    begun = time.perf_counter()
    trial, times = min(3.0, 0.05 * seconds), [0.0]
    values = train_step(state, plan)  # the first step warms up
    while not plan.world.any(5 * sum(times) > trial):
        _wait_for(values)
        first = time.perf_counter()
        for _ in range(5):
            values = train_step(state, plan)
        _wait_for(values)
        times.append((time.perf_counter() - first) / 5)
    # Pictures and checkpoints take their share of the time as well.
    left = max(seconds - (time.perf_counter() - begun), 0.5 * seconds) * 0.95
    # The median, since what else the machine did in these seconds will not go on.
    return max(1, int(left / statistics.median(times[1:])))


def _wait_for(values: Mapping[str, Tensor]) -> None:
    """Returns when a step is done: a GPU is only told what to do, and works behind."""
    next(iter(values.values())).item()


def session(prepared: Prepared, world: World) -> dict[str, Any]:
    """What trains, and on what: a run that goes on elsewhere has another."""
    return {
        **software(),
        "machine": machine(prepared.device),
        "device": str(prepared.device),
        "precision": str(prepared.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "workers": world.size,
    }


def provenance(prepared: Prepared, world: World) -> dict[str, Any]:
    """What a run was made from and on."""
    dataset = prepared.dataset
    return {
        "started": now(),
        **session(prepared, world),
        "seed": prepared.config.train.seed,
        "budget_given": prepared.config.train.budget,
        "given": list(prepared.given),
        "parameters": sum(p.numel() for p in prepared.model.parameters()),
        "launch": launch_id(),
        "data": {
            "name": dataset.name,
            "source": prepared.config.data.source,
            "fingerprint": dataset.fingerprint,
            "train": len(dataset.train),
            "test": len(dataset.test),
            "spec": to_tree(dataset.spec),
            "notes": list(dataset.notes),
        },
    }
