"""Pictures of a judgement: the nearest training samples, and what is never generated."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ..data.dataset import Split
from ..data.stream import to_range
from ..features.extractor import chunk_of
from ..metrics.neighbours import nearest
from ..models.base import Sampler
from ..pictures import for_a_sheet, grid, save_png
from ..records import Record
from ..runs import RunFolder
from .subject import Subject

SHOWN = 16
ACROSS = 8
"""Pictures in a row of what is never generated: one alone is not blown up to the width of a page."""


def paint(subject: Subject, folder: RunFolder, records: list[Record]) -> list[Path]:
    """Writes the pictures that a full judgement adds to a run's gallery, and removes an earlier one's."""
    near, path = folder.samples / "neighbours.png", folder.samples / "unreached.png"
    for earlier in (near, path):
        earlier.unlink(missing_ok=True)  # of another step, or of other data
    if not subject.pictures or not isinstance(subject.model, Sampler) or subject.protocol.quick:
        return []
    made = [] if subject.unknown else [neighbours(subject, near)]
    if rows := [row for record in records for row in record.shown.get("unreached", [])]:
        save_png(grid(for_a_sheet(subject.held_out[torch.as_tensor(rows)]), ACROSS), path)
        made.append(path)
    return made


def nearest_pixels(x: Tensor, split: Split) -> Tensor:
    """The stored sample nearest to each of `(N, *shape)`; never more than a part of the split in memory."""
    best = torch.full((len(x),), math.inf, dtype=torch.float64)
    found = torch.empty_like(x)
    for rows in torch.arange(len(split)).split(chunk_of(x[0].numel())):
        part = to_range(split.rows(rows))
        near = nearest(x.flatten(1), part.flatten(1), 1)
        distance = near.distance[:, 0].cpu()
        nearer = distance < best
        best[nearer], found[nearer] = distance[nearer], part[near.index[nearer, 0]]
    return found


def neighbours(subject: Subject, path: Path) -> Path:
    """Paints the samples nearest to training data, over the nearest by features and by pixels."""
    features, train = subject.features("samples"), subject.features("all training")
    found = nearest(features, train, 1)
    closest = found.distance[:, 0].argsort()[:SHOWN]
    samples = subject.samples[closest]
    by_features = to_range(subject.dataset.train.rows(found.index[closest, 0]))
    sheet = torch.cat([samples, by_features, nearest_pixels(samples, subject.dataset.train)])
    save_png(grid(for_a_sheet(sheet), len(samples)), path)
    return path
