"""A run from its first step or its last checkpoint to its end: reports, checkpoints, pictures, signals.

The mathematics of a step is in `training.py`; here is everything around it.
"""

from __future__ import annotations

import math
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import artifact, checkpoint
from .errors import DivergedError, ModelFileError, StorageError
from .models.base import Model
from .monitor import Listener, Progress
from .runs import RunFolder
from .signals import InterruptedRunError, Signals
from .spec import Vector
from .training import Plan, State, per_step, train_step

SAVE_SECONDS = 60.0
REPORT_SECONDS = 2.0
HUGE = 1e10
"""A logged value beyond this is an explosion, even while it is finite."""

ASKED = 10
"""Several workers ask each other every so many steps whether a signal came, since a preempted job has half
a minute, and whether a report is due."""

UNJUDGED = "trained and saved, and stopped before it was judged"

Painter = Callable[[Model, int], list[Path]]
Watcher = Callable[[Model], dict[str, float]]


class Fitting:
    """Trains a state to the end of its plan.

    Arguments:
        run: The folder to write to.
        state: Where training stands.
        plan: What stays the same.
        listener: Who watches.
        paint: Makes the pictures of a step, and returns where they are.
        watch: Measures a model whenever it is painted; what it gives is logged.
    """

    def __init__(
        self,
        run: RunFolder,
        state: State,
        plan: Plan,
        listener: Listener,
        paint: Painter,
        watch: Watcher = lambda model: {},
    ) -> None:
        self.run, self.state, self.plan, self.listener = run, state, plan, listener
        self.paint, self.watch = paint, watch
        self.units = {
            f"{phase.name}/{name}": unit
            for phase in state.model.phases()
            for name, unit in phase.units.items()
        }
        self.samples_per_step = per_step(state.model.phases()) * plan.config.batch
        self.history: dict[str, list[tuple[int, Tensor]]] = {}
        self.watched: dict[str, float] = {}
        self.seconds = 0.0
        self.saved_step = -1
        self.picture_steps = picture_steps(plan.steps)

    def resume(self) -> None:
        """Goes back to the last whole checkpoint, if there is one."""
        found = checkpoint.load(self.run.checkpoint)
        if found is None:
            if trained := artifact.step_of(self.run.path):
                raise ModelFileError(
                    f"{self.run.checkpoint} is gone, and the model beside it is of step {trained}: it can "
                    "be used, and not be trained on; bring the folder back, or train a new run"
                )
            return
        for reason in found.damaged:
            self.listener.said(f"a damaged checkpoint was passed over: {reason}")
        state = self.state
        try:
            checkpoint.restore(state.model, "model", found.tensors)
            if state.average:
                checkpoint.restore(state.average.average, "average", found.tensors)
            for name, optimizer in state.optimizers.items():
                checkpoint.restore_optimizer(optimizer, f"optimizer.{name}", found.tensors)
        except (RuntimeError, ValueError, KeyError) as error:
            raise ModelFileError(
                f"{self.run.checkpoint}: step {found.step} is not of the model that {self.run.config} "
                f"describes ({' '.join(str(error).split())[:200]}); put the file back as it was"
            ) from None
        state.step, self.seconds = found.step, float(found.facts["seconds"])
        self.saved_step = found.step
        if found.facts.get("config", self.run.config_hash) != self.run.config_hash:
            self.listener.said(
                f"{self.run.config} has changed since step {found.step} was saved; what follows is "
                "trained as it says now"
            )
        # A kill between the checkpoint and the model leaves a model of an earlier step.
        if self.plan.world.leads and not artifact.is_of_step(self.run.path, state.step):
            self.save_model()

    def save(self) -> None:
        """Writes the checkpoint and the model of this step.

        Raises:
            StorageError: The disk is full or read-only; what was there before is intact.
        """
        self.check()
        state = self.state
        tensors = checkpoint.named("model", state.model)
        if state.average:
            tensors |= checkpoint.named("average", state.final)
        for name, optimizer in state.optimizers.items():
            tensors |= checkpoint.optimizer_tensors(optimizer, f"optimizer.{name}")
        # A finite loss may have a gradient that is not, which spoils the weights a step before.
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise DivergedError(self.advice(name, state.step, math.nan))
        facts = {"seconds": self.seconds, "config": self.run.config_hash}
        checkpoint.save(self.run.checkpoint, state.step, tensors, facts)
        self.save_model()

    def save_model(self) -> None:
        """Writes the model alone, as it would be used now."""
        state, averaged = self.state, self.state.average is not None
        config: Any = state.model.config
        artifact.save_model(state.final, config, self.run.path, state.step, averaged)

    def go(self) -> None:
        """Trains to the end.

        Raises:
            DivergedError: A loss stopped being finite.
            InterruptedRunError: A signal came; the run was saved first.
        """
        world, last = self.plan.world, self.plan.steps
        self.listener.began(self.run.path, self.state.step, last)
        with Signals() as signals:
            if self.state.step == 0:
                self.picture()
                self.keep(final=True)
            begun = saved = reported = time.perf_counter()
            before, reported_step = self.seconds, self.state.step
            while self.state.step < last:
                for name, value in train_step(self.state, self.plan).items():
                    self.history.setdefault(name, []).append((self.state.step, value))
                step, now = self.state.step, time.perf_counter()
                self.seconds = before + now - begun
                if step in self.picture_steps:
                    self.picture()
                asked = world.size == 1 or step % ASKED == 0
                due = step % self.plan.config.log_every == 0 or step == last
                due = due or (asked and world.any(now - reported > REPORT_SECONDS))
                if due:
                    self.report(now - reported, step - reported_step)
                    reported, reported_step = now, step
                stop = (asked or due) and world.any(signals.number > 0)
                if self.save_due(step, now - saved) and step < last and not stop:
                    self.keep()
                    saved = time.perf_counter()
                if stop and step < last:
                    self.stop(signals.number)
            self.keep(final=True)
            if world.any(signals.number > 0):  # in the last step, or in saving it
                self.stop(signals.number)

    def save_due(self, step: int, since: float) -> bool:
        """Whether a checkpoint is due: every so many steps, or once a minute."""
        every = self.plan.config.save_every
        return since > SAVE_SECONDS if every is None else step % every == 0

    def keep(self, final: bool = False) -> None:
        """Saves on the leading worker; a full disk ends only a save that nothing comes after."""
        if not self.plan.world.leads or self.state.step == self.saved_step:
            return
        try:
            self.save()
            self.saved_step = self.state.step
        except StorageError as error:
            if final:
                raise
            self.listener.said(f"{error}; training goes on")

    def stop(self, number: int) -> None:
        """Saves and leaves, with the command that goes on."""
        self.keep(final=True)
        size, step, last = self.plan.world.size, self.state.step, self.plan.steps
        came = UNJUDGED if step == last else f"stopped at step {step:,} of {last:,}, saved"
        command = "reverie resume" if size == 1 else f"reverie launch --workers {size} resume"
        raise InterruptedRunError(
            f"{came}. Go on with: {command} {shlex.quote(str(self.run.path))}",
            number or signal.SIGTERM,
        )

    def report(self, seconds: float, steps: int) -> None:
        """Averages what was logged since the last report, over time and over the workers."""
        self.check()
        names = list(self.history)
        means = torch.stack(
            [torch.stack([v.float() for _, v in self.history[n]]).mean() for n in names]
        )
        self.plan.world.average([means])
        # The leading worker alone watches, so that there is nothing to average.
        values = dict(zip(names, means.tolist(), strict=True)) | self.watched
        self.history.clear()
        self.watched = {}
        rate = steps * self.samples_per_step / max(seconds, 1e-9)
        left = (self.plan.steps - self.state.step) * self.samples_per_step
        progress = Progress(
            step=self.state.step,
            steps=self.plan.steps,
            seen=self.state.step * self.samples_per_step,
            seconds=self.seconds,
            rate=rate,
            remaining=left / max(rate, 1e-9),
            values=values,
            units=self.units,
            health=self.state.model.health(values, self.state.step / self.plan.steps),
        )
        if self.plan.world.leads:
            try:
                self.run.append_log(progress.line())
            except OSError as error:
                self.listener.said(f"log.jsonl: a line is missing ({error.strerror})")
            self.listener.progressed(progress)

    def check(self) -> None:
        """Looks at all logged values at once, since looking at each would stall the device.

        Raises:
            DivergedError: One is not finite, or enormous; checkpoints made before it are good.
        """
        for name, pairs in self.history.items():
            values = torch.stack([value for _, value in pairs]).float()
            bad = (~(values.abs() < HUGE)).nonzero()
            if len(bad):
                index = int(bad[0])
                raise DivergedError(self.advice(name, pairs[index][0], float(values[index])))

    def advice(self, name: str, step: int, value: float) -> str:
        """What went wrong, what was kept, and what to try."""
        config = self.plan.config
        player = name.partition("/")[0]
        path = f"train.players.{player}.lr" if player in config.players else "train.optimizer.lr"
        lr = config.players.get(player, config.optimizer).lr
        lower = f"{path}={lr / 3:.2g}" if isinstance(lr, float) else f"a lower {path}"
        clip = "" if config.clip else ", or train.clip=1"
        saved = self.saved_step >= 0
        good = f"step {self.saved_step} is kept" if saved else "nothing was saved yet"
        return (
            f"{name} became {value:.3g} at step {step}; {good} in {self.run.checkpoint}. "
            f"{self.large()}Try a new run with {lower}{clip}"
        )

    def large(self) -> str:
        """What to do about entries far from 1, which no learning rate mends; empty where there are none."""
        if not isinstance(self.state.model.spec, Vector):
            return ""
        split = self.plan.stream.split
        far = float(split.rows(torch.arange(min(1000, len(split)))).abs().max())
        if far < 20:
            return ""
        return (
            f"The data's entries reach {far:.3g}, and networks want them near 1: subtract the mean of "
            "each and divide by its deviation. "
        )

    def picture(self) -> None:
        """Paints on the leading worker; a picture that cannot be written does not stop a run."""
        if not self.plan.world.leads:
            return
        try:
            for path in self.paint(self.state.final, self.state.step):
                self.listener.pictured(path)
        except StorageError as error:
            self.listener.said(f"{error}; training goes on")
        if self.state.step:
            self.watched = self.watch(self.state.final)


def picture_steps(steps: int) -> set[int]:
    """When to look: often at first, then every twentieth of the run."""
    early = {max(1, round(steps * share)) for share in (0.002, 0.005, 0.01, 0.02, 0.035)}
    return early | {max(1, round(steps * k / 20)) for k in range(1, 21)}
