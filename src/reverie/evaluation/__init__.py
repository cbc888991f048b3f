"""How good a trained model is, on data that it has not seen: records, not numbers."""

from __future__ import annotations

import os

from ..data import DataConfig, open_dataset
from ..data.dataset import Dataset
from ..loading import Loaded
from ..monitor import Listener
from ..records import Record
from ..report import write_report
from ..runs import RunFolder, find_run
from .opening import data_of, fitting_data
from .pages import paint
from .session import cost_line, estimate, judge
from .subject import Protocol, Subject


def evaluate(
    run: str | os.PathLike[str],
    *,
    data: str | DataConfig | None = None,
    samples: int = 10_000,
    draws: int = 5_000,
    images: int = 200,
    chains: int = 0,
    extractor: str | None = None,
    quick: bool = False,
    seed: int = 0,
    listener: Listener | None = None,
) -> list[Record]:
    """Judges a run on held-out data and writes its metrics.json and report.

    An evaluation that was interrupted goes on where it stopped.

    Arguments:
        run: A run folder, or its name under `runs/`.
        data: Other data to judge it on; by default the run's own.
        samples: Samples to draw, and held-out samples to use, at most.
        draws: Draws of the likelihood's bound; it tightens with them, so they are part of its name.
        images: Held-out samples on which so many are drawn; a few are drawn on all.
        chains: Held-out samples on which the likelihood is annealed; 0 leaves that out.
        extractor: Whose features are compared: a name, NAME=WEIGHTS, or a file of one's own.
        quick: Whether only what the end of training computes is computed.
        seed: Of samples, draws and subsets.
        listener: Who watches.

    Raises:
        ReverieError: The run, its model or the data cannot be used, or another process is at work there.
    """
    protocol = Protocol(
        samples=samples,
        draws=draws,
        images=images,
        chains=chains,
        seed=seed,
        extractor=extractor,
        quick=quick,
    )
    folder, listener = find_run(run), listener or Listener()
    loaded = Loaded(folder.path)
    config = data_of(folder, data)
    own = data is None
    dataset = (
        open_dataset(config, listener.worked) if own else fitting_data(loaded, config, listener)
    )
    subject = Subject(loaded, dataset, protocol, listener)
    subject.extractor.check(tuple(loaded.spec.shape))
    if not protocol.quick:
        what = f"{subject.count:,} samples, {protocol.draws:,} draws"
        listener.said(cost_line(estimate(subject), what))
    with folder.locked():
        records = judge(subject, folder)
        paint(subject, folder, records)
        write_report(folder)
    return records


def evaluate_run(
    folder: RunFolder,
    loaded: Loaded,
    dataset: Dataset,
    listener: Listener,
    protocol: Protocol | None = None,
) -> list[Record]:
    """`evaluate`, for what is open already; by default quickly, as at the end of training."""
    return judge(Subject(loaded, dataset, protocol or Protocol(quick=True), listener), folder)


__all__ = ["Protocol", "data_of", "evaluate", "evaluate_run", "fitting_data"]
