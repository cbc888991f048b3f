"""What a model costs: parameters, time to train, speed of sampling, memory."""

from __future__ import annotations

import time

import torch

from ..hardware import machine
from ..models.base import Sampler
from ..records import Record
from ..runs import RunFolder
from ..sessions import over_sessions
from .subject import Subject, dashes

ROUNDS = 3
DRAWN = 512


def compute(subject: Subject) -> list[Record]:
    """Compute beside quality: what two models of one quality differ in."""
    folder = RunFolder(subject.loaded.folder)
    made = folder.read(folder.provenance)
    where = {key: over_sessions(made, key) for key in ("machine", "precision", "threads")}
    records = [
        Record(
            metric="parameters",
            value=float(sum(p.numel() for p in subject.model.parameters())),
        )
    ]
    facts = {"training time": ("training_seconds", "s"), "peak memory": ("peak_memory_mib", "MiB")}
    for name, (key, unit) in facts.items():
        value = made.get(key)
        record = Record(metric=name, value=None, reason="the run does not say")
        if value is not None:
            record = Record(metric=name, value=float(value), unit=unit, settings=where)
        records.append(record)
    if not isinstance(subject.model, Sampler):
        return [
            *records,
            *dashes(("sampling speed",), f"{subject.family} has no prior to sample from"),
        ]
    return [*records, speed(subject)]


def speed(subject: Subject) -> Record:
    """Samples a second, the best of a few rounds: others use the machine too."""
    subject.loaded.sample(DRAWN)
    best = 0.0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        subject.loaded.sample(DRAWN)
        best = max(best, DRAWN / (time.perf_counter() - begun))
    return Record(
        metric="sampling speed",
        value=best,
        unit="samples/s",
        n=DRAWN,
        settings={
            "device": str(subject.loaded.device),
            "machine": machine(subject.loaded.device),
            "threads": torch.get_num_threads(),
        },
    )
