"""The verbs that make runs: `train` and `resume`, the same from Python and from the command line."""

from __future__ import annotations

import html
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from .budget import parse
from .config import override, to_json
from .data import DataConfig
from .data.dataset import Dataset
from .display import for_a_person
from .distributed import World, join, launch_id, leave
from .errors import ConfigError, DivergedError, StorageError
from .fitting import UNJUDGED, Fitting
from .hardware import Device, Precision, forget_peak_memory, peak_memory
from .loading import Loaded
from .monitor import Listener
from .painting import Painter, gallery
from .preparing import (
    Prepared,
    assemble,
    assignments,
    plan_of,
    prepare,
    provenance,
    read_config,
    session,
    with_steps,
)
from .runs import RunFolder, find_run, is_run, list_runs, new_run, now
from .sessions import note_session
from .settings import Config
from .signals import InterruptedRunError, stoppable
from .storage import write_text
from .training import per_step, start
from .watching import Watch


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
            self._model = Loaded(self.folder.path, self.config.train.device)
        return self._model

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The records of the held-out evaluation."""
        return self.folder.read(self.folder.metrics).get("records", [])

    def _repr_html_(self) -> str:
        if not self.folder.report.exists():
            return html.escape(repr(self))
        page = html.escape(self.folder.report.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 50rem; border: 0"></iframe>'


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
        data: A name (mnist, ring, grid, sprites), a path, or settings.
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
    listener = listener or for_a_person()
    settings = assignments(budget, steps, overrides, seed=seed, device=device, precision=precision)
    prepared = prepare(recipe, data, settings, listener)
    world = join(prepared.config.train.device)
    try:
        return _train(prepared, os.fspath(out) if out is not None else None, world, listener)
    finally:
        listener.ended()
        leave()


def resume(
    run: str | os.PathLike[str], *, device: Device | None = None, listener: Listener | None = None
) -> Run:
    """Goes on with a run from its last checkpoint; one that has ended is judged, if it was not yet.

    Raises:
        ConfigError: There is no such run.
        ModelFileError: None of its checkpoints is whole, or its data changed.
    """
    from .evaluation.opening import check_unchanged

    folder = find_run(run)
    listener = listener or for_a_person()
    config = read_config(folder)
    if device is not None:
        config = override(config, [f"train.device={device}"])
    if parse(config.train.budget).unit == "seconds":
        raise ConfigError(
            f"{folder.config}: train.budget is {config.train.budget!r}; a run that goes on has a number "
            'of steps, write e.g. "5000 steps"'
        )
    prepared = assemble(config, listener)
    check_unchanged(folder, prepared.dataset)
    world = join(config.train.device)
    try:
        with held(folder, world):
            return _fit(folder, prepared, world, listener)
    finally:
        listener.ended()
        leave()


def _train(prepared: Prepared, out: str | None, world: World, listener: Listener) -> Run:
    found = world.same(lambda: restarted_run(out))
    if found is not None:
        folder = RunFolder(Path(found))
        again = replace(prepared, config=read_config(folder))
        with held(folder, world):
            return _fit(folder, again, world, listener)
    world.rows(prepared.config.train.batch, 0, prepared.config.train.accumulate)
    name = prepared.config.recipe, prepared.dataset.name
    folder = RunFolder(Path(world.same(lambda: str(new_run(out, *name).path))))
    with held(folder, world):
        try:
            return _fit(folder, _begun(folder, prepared, world), world, listener)
        finally:
            if world.leads and out is None:
                folder.remove_if_empty()


def _begun(folder: RunFolder, prepared: Prepared, world: World) -> Prepared:
    """What was decided, with the number of steps; it stands in the folder from here on."""
    world.same(lambda: check_free(folder))
    config = with_steps(prepared, world)
    if world.leads:
        # The settings come last: they make the folder a run, which must know its data, seed and launch.
        folder.update_provenance(provenance(prepared, world))
        write_text(folder.config, to_json(config))
    world.wait()
    return replace(prepared, config=config)


def check_free(folder: RunFolder) -> None:
    """Refuses a folder that another process was quicker to lock, and has left a run in since.

    Raises:
        ConfigError: It has.
    """
    if is_run(folder.path):
        raise ConfigError(f"{folder.path} holds a run by now; choose another --out")


@contextmanager
def held(folder: RunFolder, world: World) -> Iterator[None]:
    """Keeps a second process out of the folder; the leading worker's lock is for all of them."""
    with folder.locked() if world.leads else nullcontext():
        world.wait()  # for what the dead left half written to be removed
        yield


def restarted_run(out: str | None) -> str | None:
    """The run that torchrun has started these workers again for, after one of them died."""
    if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        return None
    candidates = [Path(out)] if out is not None else list_runs(Path("runs"))
    launch = launch_id()
    for path in candidates:
        folder = RunFolder(path)
        if is_run(path) and folder.read(folder.provenance).get("launch") == launch:
            return str(path)
    return None


def _fit(folder: RunFolder, prepared: Prepared, world: World, listener: Listener) -> Run:
    config = prepared.config
    each = per_step(prepared.model.phases()) * config.train.batch
    steps = parse(config.train.budget).steps(len(prepared.dataset.train), each)
    state, plan = start(prepared.model, config.train), plan_of(prepared, steps, world)
    fitting = Fitting(
        folder, state, plan, listener, Painter(folder, prepared.dataset), Watch(prepared.dataset)
    )
    run = Run(folder, config)
    fitting.resume()
    before = state.step
    if world.leads and before >= steps:
        listener.said(f"step {steps:,} of {steps:,} was taken before: nothing is left to train")
    if world.leads and 0 < before < steps:
        other = note_session(folder, before, session(prepared, world))
        if other:
            listener.said(f"the run goes on elsewhere than before: {other}")
    forget_peak_memory(prepared.device)
    try:
        fitting.go()
    except (DivergedError, InterruptedRunError) as error:
        if world.leads:
            show_unfinished(folder, str(error))
        raise
    # Judging may take longer than workers wait for each other: only the leading one stays.
    world.wait()
    leave()
    if world.leads:
        if state.step > before or "finished" not in folder.read(folder.provenance):
            note_cost(folder, fitting.seconds, prepared.device)
        with stoppable(f"{UNJUDGED}. Go on with: reverie resume {shlex.quote(str(run.path))}"):
            finish(run, prepared.dataset, listener)
    return run


def show_unfinished(folder: RunFolder, advice: str) -> None:
    """Writes the page of a run that stopped early; where it cannot be written, why it stopped matters more.

    Raises:
        InterruptedRunError: A signal came; it carries the advice that training stopped with.
    """
    from .report import write_report

    with suppress(StorageError), stoppable(advice):
        write_report(folder)


def note_cost(folder: RunFolder, seconds: float, device: torch.device) -> None:
    """Writes down what training took, over all sessions."""
    earlier = folder.read(folder.provenance).get("peak_memory_mib")
    peaks = [peak for peak in (earlier, peak_memory(device)) if isinstance(peak, int)]
    spent = {"training_seconds": round(seconds, 2), "peak_memory_mib": max(peaks, default=None)}
    folder.update_provenance({"finished": now(), **spent})


def finish(run: Run, dataset: Dataset, listener: Listener) -> None:
    """Judges a trained run, paints its gallery and writes its report; what is judged already stands."""
    from .evaluation import evaluate_run
    from .report import write_report

    folder = run.folder
    judged = folder.read(folder.metrics).get("model_sha256") == run.model.card.weights
    if not judged:
        gallery(folder, run.model, dataset)
        evaluate_run(folder, run.model, dataset, listener)
    if not judged or not folder.report.exists():
        write_report(folder)
