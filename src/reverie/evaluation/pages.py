"""Pictures of a judgement: the nearest training samples, and what is never generated."""

from __future__ import annotations

from pathlib import Path

import torch

from ..data.stream import to_range
from ..metrics.neighbours import nearest
from ..models.base import Sampler
from ..pictures import grid, save_png
from ..records import Record
from ..runs import RunFolder
from .subject import Subject, first

SHOWN = 16


def paint(subject: Subject, folder: RunFolder, records: list[Record]) -> list[Path]:
    """Writes the pictures that a full judgement adds to a run's gallery."""
    if not subject.pictures or not isinstance(subject.model, Sampler) or subject.protocol.quick:
        return []
    made = [neighbours(subject, folder)]
    for record in records:
        rows = record.shown.get("unreached", [])
        if rows:
            path = folder.samples / "unreached.png"
            save_png(grid(subject.held_out[torch.as_tensor(rows)]), path)
            made.append(path)
    return made


def neighbours(subject: Subject, folder: RunFolder) -> Path:
    """The samples nearest to training data, over the nearest in features and the nearest in pixels."""
    features, train = subject.features("samples"), subject.features("all training")
    found = nearest(features, train, 1)
    closest = found.distance[:, 0].argsort()[:SHOWN]
    samples = subject.samples[closest]
    by_features = to_range(subject.dataset.train.rows(found.index[closest, 0]))
    every = first(subject.dataset.train, len(subject.dataset.train))
    index = nearest(samples.flatten(1), every.flatten(1), 1).index[:, 0]
    sheet = torch.cat([samples, by_features, every[index]])
    path = folder.samples / "neighbours.png"
    save_png(grid(sheet, len(samples)), path)
    return path
