"""The verbs that make runs: `train` and `resume`, the same from Python and from the command line."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from . import recipes
from .budget import parse
from .config import from_tree, override, to_json, to_tree
from .data import DataConfig, open_dataset
from .data.dataset import Dataset
from .data.stream import Stream
from .display import for_a_person
from .distributed import World, join, leave
from .errors import ConfigError, ModelFileError
from .fitting import Fitting, measured_steps
from .hardware import Device, Precision, machine, pick_device, pick_precision
from .loading import Loaded
from .models.base import Model
from .monitor import Listener
from .painting import Painter, gallery
from .runs import RunFolder, find_run, list_runs, new_run, now, software
from .settings import Config
from .storage import write_text
from .tensors import mix
from .training import Plan, State, per_step, start


@dataclass
class Run:
    """A run folder with what is in it.

    Arguments:
        folder: Where everything is.
        config: The settings it was made with.
    """

    folder: RunFolder
    config: Config
    _model: Loaded | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """The folder's path."""
        return self.folder.path

    @property
    def model(self) -> Loaded:
        """The trained model, in data units."""
        if self._model is None:
            self._model = Loaded(self.folder.path)
        return self._model

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The records of the held-out evaluation."""
        return self.folder.read(self.folder.metrics).get("records", [])

    def _repr_html_(self) -> str:
        if not self.folder.report.exists():
            return html.escape(repr(self))
        page = html.escape(self.folder.report.read_text())
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 50rem; border: 0"></iframe>'


@dataclass(frozen=True)
class Prepared:
    """Everything that is decided before training begins: what `--dry-run` shows."""

    config: Config
    dataset: Dataset
    model: Model
    device: torch.device
    precision: torch.dtype


def train(
    recipe: str = "vae",
    *,
    data: str | DataConfig = "mnist",
    out: str | os.PathLike[str] | None = None,
    budget: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    device: Device | None = None,
    precision: Precision | None = None,
    overrides: Sequence[str] = (),
    listener: Listener | None = None,
) -> Run:
    """Trains a recipe on data, judges it on held-out data, and writes a run folder.

    Arguments:
        recipe: A name that `reverie recipes` lists.
        data: A name (mnist, ring, grid), a path, or settings.
        out: The folder; else `runs/RECIPE-DATA`, numbered when taken.
        budget: "10 epochs", "5000 steps", "2M samples", or a wall time such as "2m".
        steps: The budget as a number of steps.
        seed: Of initialisation, order and noise.
        device: cpu, cuda, mps or auto.
        precision: fp32, bf16 or auto.
        overrides: Settings as `dotted.path=value`, applied last.
        listener: Who watches; by default progress is shown. `monitor.Listener()` is silent.

    Raises:
        ReverieError: Whatever is wrong, before any training where that can be known.
    """
    if budget is not None and steps is not None:
        raise ConfigError("budget and steps are both given; write one of them")
    listener = listener or for_a_person()
    given = [("budget", f"{steps} steps" if steps is not None else budget), ("seed", seed)]
    given += [("device", device), ("precision", precision)]
    settings = [f"train.{name}={value}" for name, value in given if value is not None]
    prepared = prepare(recipe, data, [*settings, *overrides], listener)
    world = join(prepared.config.train.device)
    try:
        return _train(prepared, os.fspath(out) if out is not None else None, world, listener)
    finally:
        listener.ended()
        leave()


def resume(
    run: str | os.PathLike[str], *, device: Device | None = None, listener: Listener | None = None
) -> Run:
    """Goes on with a run from its last checkpoint; one that has ended is only judged again.

    Raises:
        ConfigError: There is no such run.
        ModelFileError: None of its checkpoints is whole, or its data changed.
    """
    folder = find_run(run)
    listener = listener or for_a_person()
    config = read_config(folder)
    if device is not None:
        config = override(config, [f"train.device={device}"])
    prepared = assemble(config, listener)
    expected = folder.read(folder.provenance).get("data", {}).get("fingerprint")
    if expected not in (None, prepared.dataset.fingerprint):
        raise ModelFileError(
            f"the data of {folder.path} is not what it was trained on (fingerprint "
            f"{prepared.dataset.fingerprint[:12]}, expected {expected[:12]}); bring the data back, or "
            "train a new run"
        )
    world = join(config.train.device)
    try:
        return _fit(folder, prepared, world, listener)
    finally:
        listener.ended()
        leave()


def prepare(
    recipe: str, data: str | DataConfig, overrides: Sequence[str], listener: Listener
) -> Prepared:
    """Opens the data, asks the recipe, applies overrides, and builds the model: nothing is written."""
    found = recipes.find(recipe)
    source = DataConfig(source=str(data)) if not isinstance(data, DataConfig) else data
    early = [text for text in overrides if text.startswith("data.")]
    config = override(Config(recipe=recipe, data=source), early)
    dataset = open_dataset(config.data, listener.worked)
    model, training = found(dataset.spec)
    late = [text for text in overrides if not text.startswith("data.")]
    config = override(config.with_(model=model, train=training), late)
    return assemble(config, listener, dataset)


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
    precision = pick_precision(config.train.precision, device, is_convolutional(model))
    return Prepared(config, dataset, model, device, precision)


def build(config: Config, dataset: Dataset, device: torch.device) -> Model:
    """The model with the first weights of its seed, laid out for speed on its device."""
    torch.manual_seed(mix(config.train.seed, 0))
    model = config.model.build(dataset.spec).to(device)
    if is_convolutional(model):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def is_convolutional(model: Model) -> bool:
    """Whether it has convolutions, which gain from bf16 and from channels that lie together."""
    return any(isinstance(module, torch.nn.Conv2d) for module in model.modules())


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


def _train(prepared: Prepared, out: str | None, world: World, listener: Listener) -> Run:
    folder = world.same(lambda: restarted_run(out))
    if folder is not None:
        again = replace(prepared, config=read_config(RunFolder(folder)))
        return _fit(RunFolder(folder), again, world, listener)
    name = prepared.config.recipe, prepared.dataset.name
    folder = RunFolder(world.same(lambda: new_run(out, *name).path))
    config = with_steps(prepared, world)
    if world.leads:
        write_text(folder.config, to_json(config))
        folder.update_provenance(provenance(prepared, world))
    world.wait()
    return _fit(folder, replace(prepared, config=config), world, listener)


def restarted_run(out: str | None) -> Path | None:
    """The run that torchrun has started these workers again for, after one of them died."""
    if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        return None
    candidates = [Path(out)] if out is not None else list_runs(Path("runs"))
    launch = launch_id()
    for path in candidates:
        folder = RunFolder(path)
        if folder.read(folder.provenance).get("launch") == launch:
            return path
    return None


def launch_id() -> str | None:
    """What the workers of one launch share, also after a restart; None without torchrun.

    Without --standalone or --rdzv-id, torchrun calls every run "none": the launcher's pid tells them apart.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return f"{name}-{os.getppid()}" if name == "none" else name


def with_steps(prepared: Prepared, world: World) -> Config:
    """The configuration with its budget as a number of steps, measured if it was a wall time."""
    config = prepared.config
    amount = parse(config.train.budget)
    if amount.unit == "seconds":
        # Workers measure together, since each of their steps waits for all of them.
        measured = measured_steps(lambda: throwaway(prepared, world), amount.value)
        steps = world.same(lambda: measured)
    else:
        each = per_step(prepared.model.phases()) * config.train.batch
        steps = amount.steps(len(prepared.dataset.train), each)
    return config.with_(train=config.train.with_(budget=f"{steps} steps"))


def throwaway(prepared: Prepared, world: World) -> tuple[State, Plan]:
    """A copy of the run that may be trained and forgotten."""
    model = build(prepared.config, prepared.dataset, prepared.device)
    return start(model, prepared.config.train), plan_of(prepared, 1_000_000, world)


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


def _fit(folder: RunFolder, prepared: Prepared, world: World, listener: Listener) -> Run:
    config = prepared.config
    each = per_step(prepared.model.phases()) * config.train.batch
    steps = parse(config.train.budget).steps(len(prepared.dataset.train), each)
    state, plan = start(prepared.model, config.train), plan_of(prepared, steps, world)
    fitting = Fitting(folder, state, plan, listener, Painter(folder, prepared.dataset))
    if not world.leads:
        world.wait()  # for what the dead left half written to be removed
        fitting.resume()
        fitting.go()
        world.wait()
        return Run(folder, config)
    with folder.locked():
        world.wait()
        fitting.resume()
        fitting.go()
        run = Run(folder, config)
        finish(run, prepared.dataset, listener, fitting.seconds)
    world.wait()
    return run


def finish(run: Run, dataset: Dataset, listener: Listener, seconds: float) -> None:
    """Judges a trained run, paints its gallery and writes its report."""
    from .evaluation import evaluate_run
    from .report import write_report

    folder = run.folder
    folder.update_provenance({"finished": now(), "training_seconds": round(seconds, 2)})
    gallery(folder, run.model, dataset)
    evaluate_run(folder, run.model, dataset, listener)
    write_report(folder)


def provenance(prepared: Prepared, world: World) -> dict[str, Any]:
    """What a run was made from and on."""
    dataset = prepared.dataset
    return {
        "started": now(),
        **software(),
        "machine": machine(),
        "device": str(prepared.device),
        "precision": str(prepared.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "workers": world.size,
        "seed": prepared.config.train.seed,
        "budget_given": prepared.config.train.budget,
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
