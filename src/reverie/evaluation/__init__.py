"""How good a trained model is, on data that it has not seen: records, not numbers."""

from __future__ import annotations

import os
from typing import Unpack

from ..data import DataConfig
from ..data.dataset import Dataset
from ..display import for_a_person
from ..errors import ConfigError, did_you_mean
from ..hardware import Device
from ..loading import Loaded
from ..models.base import Likelihood
from ..monitor import Listener
from ..protocol import Asked, Protocol
from ..records import Record
from ..report import write_report
from ..runs import RunFolder, find_run
from .cost import cost_line, estimate
from .opening import data_of, fitting_data, judged_data
from .pages import paint
from .session import Kept, judge, measures_of
from .subject import Subject


def evaluate(
    run: str | os.PathLike[str],
    *,
    data: str | DataConfig | None = None,
    device: Device = "auto",
    listener: Listener | None = None,
    **asked: Unpack[Asked],
) -> list[Record]:
    """Judges a run on held-out data and writes its metrics.json and report.

    An evaluation that was interrupted goes on where it stopped.

    Arguments:
        run: A run folder, or its name under `runs/`.
        data: Other data to judge it on; by default the run's own. What it does not say (seed, holdout,
            size, ...) is as the run's own was.
        device: Where the model computes: cpu, cuda, mps or auto.
        listener: Who watches; by default progress is shown. `monitor.Listener()` is silent.
        asked: Fields of `Protocol`, e.g. samples=1000 or quick=True.

    Raises:
        ReverieError: The run, its model or the data cannot be used, the run's own data has changed since,
            or another process is at work there.
    """
    for name in asked:
        if name not in Protocol.__dataclass_fields__:
            raise ConfigError(
                f"{name} does not exist; {did_you_mean(name, Asked.__annotations__)}"
            )
    protocol = Protocol(**asked)
    folder, listener = find_run(run), listener or for_a_person()
    try:
        loaded = Loaded(folder.path, device)
        subject = Subject(loaded, judged_data(folder, loaded, data, listener), protocol, listener)
        shape = tuple(loaded.spec.shape)
        subject.extractor.check(shape)
        if not protocol.quick:
            if subject.lpips is not None:
                subject.lpips.check(shape)
            listener.said(cost_line(estimate(subject), size_of(subject, folder)))
        with folder.locked():
            records = judge(subject, folder)
            paint(subject, folder, records)
            write_report(folder)
        return records
    finally:
        listener.ended()


def size_of(subject: Subject, folder: RunFolder) -> str:
    """What a judgement is of, and how much of it an interrupted one has done."""
    words = [f"{subject.count:,} samples"]
    if isinstance(subject.model, Likelihood):
        words.append(f"{subject.protocol.draws:,} draws")
    if done := len(Kept(subject, folder).found):
        words.append(
            f"of {len(measures_of(subject))} parts {done} are kept from before, and count here"
        )
    return ", ".join(words)


def evaluate_run(
    folder: RunFolder,
    loaded: Loaded,
    dataset: Dataset,
    listener: Listener,
    protocol: Protocol | None = None,
) -> list[Record]:
    """`evaluate`, for what is open already; by default quickly, as at the end of training."""
    subject = Subject(loaded, dataset, protocol or Protocol(quick=True), listener)
    records = judge(subject, folder)
    paint(subject, folder, records)
    return records


__all__ = ["Protocol", "data_of", "evaluate", "evaluate_run", "fitting_data"]
