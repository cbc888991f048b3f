"""Judging, a metric after another: what it costs, what an interrupted session found, what all found."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import safetensors.torch

from ..errors import DataError
from ..hardware import machine
from ..models.base import Sampler
from ..records import Record, record_from
from ..runs import RunFolder, now, software, unfinished
from ..storage import write_bytes, write_text
from ..verdict import verdict
from .annealed import annealed
from .between import between
from .codes import codes
from .compute import compute
from .critic import critic
from .factors import factors
from .likelihood import few_draws, losses, many_draws
from .memorisation import memorisation
from .modes import modes
from .opening import trained_on
from .reconstruction import likeness, squared_error
from .samples import fidelity
from .scores import quality
from .subject import Subject

Judge = Callable[[Subject], list[Record]]


@dataclass(frozen=True)
class Measure:
    """A part of the judgement.

    Arguments:
        name: What it is called in progress and in the report.
        judge: Computes its records.
        when: "quick" at the end of training alone, "full" in `evaluate` alone, or "always".
    """

    name: str
    judge: Judge
    when: str = "full"

    def asked(self, quick: bool) -> bool:
        """Whether it is part of a judgement."""
        return self.when in ("always", "quick" if quick else "full")

    def records(self, subject: Subject) -> list[Record]:
        """What it finds; where the data is too little for it, the others still stand."""
        try:
            found = self.judge(subject)
        except DataError as error:
            found = [Record(metric=self.name, value=None, reason=str(error))]
        return [record.in_group(self.name) for record in found]


# To add a metric: a function from Subject to records in a file of this folder, and a line here.
MEASURES = (
    Measure("held-out loss", losses, "always"),
    Measure("likelihood", few_draws, "always"),
    Measure("likelihood", many_draws),
    Measure("annealing", annealed),
    Measure("reconstruction", squared_error, "always"),
    Measure("reconstruction likeness", likeness),
    Measure("samples", fidelity, "quick"),
    Measure("samples", quality),
    Measure("samples", between),
    Measure("memorisation", memorisation),
    Measure("modes", modes),
    Measure("latents", codes),
    Measure("factors", factors),
    Measure("critic", critic),
    Measure("compute", compute, "always"),
)


def measures_of(subject: Subject) -> list[Measure]:
    """The parts of a judgement."""
    return [measure for measure in MEASURES if measure.asked(subject.protocol.quick)]


def judge(subject: Subject, folder: RunFolder) -> list[Record]:
    """All records of a model; what an interrupted session found is not computed again."""
    measures = measures_of(subject)
    kept = Kept(subject, folder)
    records: list[Record] = []
    for done, measure in enumerate(measures):
        key = f"{done}: {measure.name}"
        subject.listener.worked(f"judging {measure.name}", done, len(measures))
        if key not in kept.found:
            begun = time.perf_counter()
            made = measure.records(subject)
            spent = time.perf_counter() - begun
            kept.seconds[measure.name] = kept.seconds.get(measure.name, 0.0) + spent
            kept.add(key, made)
        records += kept.found[key]
    subject.listener.worked("judging", len(measures), len(measures))
    write_metrics(folder, subject, records, kept.seconds)
    kept.clear()
    return records


class Kept:
    """What a session has found so far, in the run folder, for the next one to go on from.

    Arguments:
        subject: What is judged; another model, protocol or data makes what is kept worthless.
        folder: Where.
    """

    def __init__(self, subject: Subject, folder: RunFolder) -> None:
        self.path = folder.path / "metrics.partial.json"
        self.quick = subject.protocol.quick
        facts = {
            "model": subject.loaded.card.weights,
            "data": subject.dataset.fingerprint,
            "protocol": subject.protocol.to_dict(),
            "extractor": subject.extractor.record(),  # a file of that name may be another by now
            **software(),
        }
        self.key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self.found: dict[str, list[Record]] = {}
        self.seconds: dict[str, float] = {}
        tree = folder.read(self.path)
        if tree.get("key") == self.key:
            self.seconds = tree["seconds"]
            for name, records in tree["found"].items():
                self.found[name] = [record_from(record) for record in records]

    def add(self, name: str, records: list[Record]) -> None:
        """Keeps the records of a measure."""
        self.found[name] = records
        if self.quick:  # too short to be worth a file
            return
        tree: dict[str, Any] = {
            "key": self.key,
            "seconds": self.seconds,
            "found": {
                n: [record.to_dict(values=True) for record in found]
                for n, found in self.found.items()
            },
        }
        write_text(self.path, json.dumps(tree))

    def clear(self) -> None:
        """Forgets them: metrics.json holds them now. Those of a full judgement wait for its end."""
        if not self.quick:
            self.path.unlink(missing_ok=True)


def write_metrics(
    folder: RunFolder, subject: Subject, records: list[Record], seconds: dict[str, float]
) -> None:
    """Writes metrics.json and values.safetensors: complete records, and their values a sample."""
    facts = provenance(subject)
    spent = {name: round(value, 2) for name, value in seconds.items()}
    values = {r.metric: r.values for r in records if r.values is not None}
    write_bytes(folder.path / "values.safetensors", safetensors.torch.save(values))
    tree = {
        "records": [
            {**record.to_dict(), **facts, "seconds": spent.get(record.group)} for record in records
        ],
        "verdict": [*early(subject), *verdict([r.to_dict() for r in records], folder.read_log())],
        "protocol": subject.protocol.to_dict(),
        "data": facts["data"],
        "weights": facts["weights"],
        "step": facts["step"],
        "model_sha256": facts["checkpoint"],
        "seed": subject.seed,
        "seconds": spent,
        "machine": facts["machine"],
        "time": facts["time"],
        **software(),
    }
    write_text(folder.metrics, json.dumps(tree, indent=2) + "\n")


def early(subject: Subject) -> list[str]:
    """Sentences on other data than it was trained on, and on a model that its run will not end with."""
    trained, step = RunFolder(subject.loaded.folder), subject.loaded.card.step
    lines, path = [], shlex.quote(str(trained.path))
    if trained_on(trained) not in (None, subject.dataset.fingerprint):
        lines.append(
            f"Judged on {subject.dataset.name}, and not on what it was trained on, of which the pictures "
            f"over training are; `reverie evaluate {path}` judges it on that again."
        )
    came = unfinished(trained, step)
    goes_on = f"`reverie resume {path}` goes on"
    return [*lines, *([f"Training is not finished: this is {came}; {goes_on}."] if came else [])]


def provenance(subject: Subject) -> dict[str, Any]:
    """What every record of a judgement rests on."""
    card, dataset = subject.loaded.card, subject.dataset
    trained = RunFolder(subject.loaded.folder)
    made, config = (trained.read(path) for path in (trained.provenance, trained.config))
    return {
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "split": "test",
            "train": len(dataset.train),
            "test": len(dataset.test),
        },
        "seeds": {
            "training": made.get("seed"),
            "data": None if subject.unknown else config.get("data", {}).get("seed"),
            "evaluation": subject.seed,
        },
        "sampler": sampler(subject),
        "weights": "average" if card.averaged else "raw",
        "step": card.step,
        "checkpoint": card.weights,
        "config": trained.config_hash,
        "selection": "last step",
        "code": software(),
        "machine": machine(subject.loaded.device),
        "time": now(),
    }


def sampler(subject: Subject) -> str | None:
    """What samples are drawn from, without truncation or temperature; None of a model that draws none."""
    if not isinstance(subject.model, Sampler):
        return None
    if not subject.loaded.classes:
        return "prior"
    same = subject.loaded.classes == subject.dataset.spec.classes
    return f"prior, {'labels as frequent as in training' if same else 'classes in turn'}"
