"""A copy of the training set is called one, and fresh digits are not: real ones, in the samples' place."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from reverie import verbs
from reverie.artifact import save_model
from reverie.data import DataConfig, open_dataset
from reverie.data.dataset import Split
from reverie.data.stream import to_range
from reverie.evaluation.memorisation import memorisation
from reverie.evaluation.subject import Protocol, Subject
from reverie.loading import Loaded
from reverie.metrics.copying import Copying, copying
from reverie.models import GANConfig
from reverie.monitor import Listener
from reverie.networks import MLP
from reverie.runs import RunFolder
from reverie.verdict import verdict, warnings

TRAIN, COUNT = 3000, 1000
TINY = MLP(widths=(8,))


@pytest.fixture(scope="module")
def digits(data_cache):
    """MNIST of 3000 training and 1000 held-out digits, and 1000 held-out ones that nobody else sees.

    They are drawn at random: the first half of the test split is the easier.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVERIE_CACHE", str(data_cache))
        full = open_dataset(DataConfig())
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(full.test), generator=generator)
    rows = torch.randperm(len(full.train), generator=generator)[:TRAIN]
    train, test, fresh = (
        Split(split.rows(index), split.y[index])
        for split, index in (
            (full.train, rows),
            (full.test, order[:COUNT]),
            (full.test, order[COUNT : 2 * COUNT]),
        )
    )
    return replace(full, train=train, test=test, fingerprint="subset"), to_range(fresh.x)


@pytest.fixture(scope="module")
def judge(digits, tmp_path_factory):
    """Judges pictures as if a model had made them."""
    dataset, _ = digits
    folder = tmp_path_factory.mktemp("run")
    config = GANConfig(latent=2, generator=TINY, critic=TINY)
    save_model(config.build(dataset.spec), config, folder, 0, averaged=False)
    RunFolder(folder).update_provenance({"data": {"fingerprint": dataset.fingerprint}})

    def judge(pictures):
        kept = []

        def keeping(*arguments, **options):
            kept.append(copying(*arguments, **options))
            return kept[0]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Loaded, "sample", lambda self, count, seed=0: pictures[:count])
            patch.setattr("reverie.evaluation.memorisation.copying", keeping)
            subject = Subject(Loaded(folder), dataset, Protocol(samples=COUNT), Listener())
            trees = [record.to_dict() for record in memorisation(subject)]
        records = {tree["metric"].partition("[")[0]: tree for tree in trees}
        return Judged(records, verdict(trees, []), warnings(trees), kept[0])

    return judge


@dataclass
class Judged:
    """The records by name, the verdict's lines, the warnings, and what they are made from."""

    records: dict
    verdict: list
    warnings: list
    found: Copying


@pytest.fixture(scope="module")
def copied(digits, judge):
    """The training set in the samples' place."""
    return judge(to_range(digits[0].train.x))


def test_a_verbatim_copy_of_the_training_set_is_said_to_copy(copied):
    assert copied.verdict == ["It copies its training data: see the warnings."]
    assert any("the model copies" in text for text in copied.warnings)
    exactly = "100.0 % of samples have exactly the features of a training sample"
    assert any(exactly in text for text in copied.warnings)
    assert copied.records["exact copies"]["value"] == 1
    assert copied.records["exact copies"]["reference"] == {"held-out data": 0}
    assert copied.records["authenticity"]["value"] == 0


def test_copies_have_the_least_c_t_that_these_sizes_allow(copied):
    """All distances 0: of m and n in a cell, -(m n / 2) / sqrt(m n (m + n + 1) / 12), weighed by n."""
    cells = [(cell.generated, cell.held_out) for cell in copied.found.data_copying.cells if cell.z]
    least = sum(-n * (m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12) for m, n in cells)
    total = sum(n for _, n in cells)
    assert total == COUNT
    assert copied.records["C_T"]["value"] == pytest.approx(least / total, rel=1e-9)


def test_fresh_digits_are_not_said_to_copy(digits, judge):
    """Another 1000 of the test split: shares and C_T within three of their standard deviations."""
    fresh = judge(digits[1])
    assert [line.partition(":")[0] for line in fresh.verdict] == ["No sign of copying"]
    assert fresh.warnings == []
    assert abs(fresh.records["C_T"]["value"]) < 3 * fresh.records["C_T"]["uncertainty"]
    p, held_out = fresh.found.authenticity.value, fresh.found.held_out_authenticity.value
    assert abs(p - held_out) < 3 * math.sqrt(2 * held_out * (1 - held_out) / COUNT)
    for name in ("exact copies", "repeated samples"):
        assert fresh.records[name]["value"] == 0


def test_one_copy_in_twenty_among_fresh_digits_is_warned_of(digits, judge):
    """So few move C_T little; that their features are a training sample's own gives them away."""
    dataset, fresh = digits
    mixed = judge(torch.cat([to_range(dataset.train.x[: COUNT // 20]), fresh]))
    assert mixed.records["exact copies"]["value"] == 0.05
    assert any("5.0 % of samples have exactly the features" in text for text in mixed.warnings)
    assert len(mixed.verdict) == 1
    assert "see the warnings" in mixed.verdict[0]


def test_a_model_that_was_trained_as_usual_is_not_said_to_copy(digits, tmp_path):
    """A small VAE after a few hundred steps: it crowds where digits are alike, and repeats none."""
    dataset, _ = digits
    splits = {"x_train": dataset.train, "x_test": dataset.test}
    np.savez(tmp_path / "digits.npz", **{name: part.x[:, 0] for name, part in splits.items()})
    run = verbs.train(
        "vae",
        data=str(tmp_path / "digits.npz"),
        steps=400,
        out=tmp_path / "run",
        overrides=["model.network.widths=[64]", "model.latent=8"],
        listener=Listener(),
    )
    data = open_dataset(run.config.data)
    subject = Subject(run.model, data, Protocol(samples=COUNT), Listener())
    assert not subject.unknown
    records = memorisation(subject)
    trees = [record.to_dict() for record in records]
    assert [line.partition(":")[0] for line in verdict(trees, [])] == ["No sign of copying"]
    assert not any("copies" in text or "training sample" in text for text in warnings(trees))
    found = {record.metric.partition("[")[0]: record for record in records}
    assert found["exact copies"].value == 0
    pixels = found["distance to training data, pixels"]
    assert pixels.n == COUNT and pixels.value > 0.1 * pixels.reference["held-out data"]
