"""A judgement goes on where it stopped, says what it rests on, and is whole or absent."""

import errno
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reverie.errors import StorageError
from reverie.evaluation import session, size_of
from reverie.evaluation.session import Measure, judge
from reverie.monitor import Listener
from reverie.records import Record, mean_record
from reverie.runs import RunFolder

NAMES = ("first", "second", "third")


@pytest.fixture
def calls(monkeypatch):
    """Three measures, and the names of those that were computed; `stop` names one that is killed."""

    class Calls(list):
        stop = None

    made = Calls()

    def measure(number, name):
        def compute(subject):
            made.append(name)
            if made.stop == name:
                raise KeyboardInterrupt
            values = torch.arange(5.0) + number / 3
            return [mean_record(name, values, "nats", "lower"), Record(metric=f"{name}'", value=1)]

        return Measure(name, compute, "always")

    monkeypatch.setattr(session, "MEASURES", tuple(map(measure, range(3), NAMES)))
    return made


def killed(subject, calls, at):
    folder = RunFolder(subject.loaded.folder)
    calls.stop = at
    with pytest.raises(KeyboardInterrupt):
        judge(subject, folder)
    calls.stop = None
    calls.clear()
    return folder


def test_what_a_killed_judgement_found_is_not_computed_again(
    subject, families, noise_pictures, calls
):
    judged = subject(families["vae"], noise_pictures())
    whole = judge(judged, RunFolder(judged.loaded.folder))
    folder = killed(judged, calls, at="third")
    assert (folder.path / "metrics.partial.json").exists()
    records = judge(judged, folder)
    assert calls == ["third"] and records == whole
    for kept, computed in zip(records[::2], whole[::2], strict=True):
        assert torch.equal(kept.values, computed.values)
    assert not (folder.path / "metrics.partial.json").exists()
    assert set(folder.read(folder.metrics)["seconds"]) == set(NAMES)


def test_the_cost_is_named_with_how_much_is_kept_and_draws_where_there_are_some(
    subject, families, noise_pictures, calls
):
    judged = subject(families["vae"], noise_pictures())
    folder = killed(judged, calls, at="third")
    kept = "of 3 parts 2 are kept from before, and count here"
    assert size_of(judged, folder) == f"20 samples, 5,000 draws, {kept}"
    judged = subject(families["gan"], noise_pictures(), folder="gan")
    assert size_of(judged, RunFolder(judged.loaded.folder)) == "20 samples"


@pytest.mark.parametrize("change", ["model", "data", "protocol", "extractor"])
def test_another_model_protocol_or_data_makes_what_was_found_worthless(
    change, subject, families, noise_pictures, calls, zero
):
    folder = killed(subject(families["vae"], noise_pictures()), calls, at="third")
    data = noise_pictures(test=21 if change == "data" else 20)
    how = {"seed": 1} if change == "protocol" else {}
    other = subject(families["vae"], data, zero if change == "model" else None, **how)
    if change == "extractor":  # trained anew, in a file of the same name
        other.__dict__["extractor"] = replace(other.extractor, sha256="0" * 64)
    judge(other, folder)
    assert calls == list(NAMES)


@pytest.mark.parametrize("garbage", ["", "{", "[1]", '{"key": 1}', '{"found": 3}'])
def test_a_garbled_file_of_what_was_found_is_passed_over(
    garbage, subject, families, noise_pictures, calls
):
    judged = subject(families["vae"], noise_pictures())
    (judged.loaded.folder / "metrics.partial.json").write_text(garbage)
    judge(judged, RunFolder(judged.loaded.folder))
    assert calls == list(NAMES)


def test_a_quick_judgement_leaves_what_an_interrupted_full_one_found(
    subject, families, noise_pictures, calls
):
    full, quick = (subject(families["vae"], noise_pictures(), quick=q) for q in (False, True))
    folder = killed(full, calls, at="third")
    judge(quick, folder)
    calls.clear()
    judge(full, folder)
    assert calls == ["third"]


def test_each_record_stands_in_the_group_of_its_measure(subject, families, noise_pictures, calls):
    judged = subject(families["vae"], noise_pictures())
    groups = {
        record.metric: record.group for record in judge(judged, RunFolder(judged.loaded.folder))
    }
    assert groups == {f"{name}{end}": name for name in NAMES for end in ("", "'")}


def test_every_record_says_what_it_rests_on(subject, families, noise_pictures, calls):
    data = noise_pictures()
    judged = subject(families["vae"], data, seed=7)
    folder = RunFolder(judged.loaded.folder)
    folder.update_provenance({"seed": 5})
    folder.config.write_text('{"data": {"seed": 3}}')
    judge(judged, folder)
    tree = folder.read(folder.metrics)
    assert len(tree["records"]) == 6
    for record in tree["records"]:
        split = {"split": "test", "train": 50, "test": 20}
        assert record["data"] == {"name": "mine", "fingerprint": data.fingerprint, **split}
        assert record["seeds"] == {"training": 5, "data": 3, "evaluation": 7}
        assert record["sampler"] == "prior"
        assert (record["weights"], record["step"], record["selection"]) == ("raw", 11, "last step")
        assert record["checkpoint"] == judged.loaded.card.weights == tree["model_sha256"]
        assert record["config"] == hashlib.sha256(folder.config.read_bytes()).hexdigest()
        assert record["seconds"] == tree["seconds"][record["group"]] >= 0
        assert {"reverie", "torch", "python", "commit"} == set(record["code"])
        assert record["machine"] and record["time"].endswith("+00:00")
        assert "values" not in record
    assert tree["protocol"]["seed"] == 7


def test_the_values_a_sample_are_kept_apart_and_have_the_records_as_means(
    subject, families, noise_pictures, calls
):
    judged = subject(families["vae"], noise_pictures())
    records = judge(judged, RunFolder(judged.loaded.folder))
    values = load_file(judged.loaded.folder / "values.safetensors")
    assert set(values) == set(NAMES)
    for record in records[::2]:
        assert float(values[record.metric].double().mean()) == pytest.approx(record.value)


def test_a_full_disk_leaves_the_old_judgement_and_nothing_unfinished(
    subject, families, noise_pictures, calls, monkeypatch
):
    judged = subject(families["vae"], noise_pictures())
    folder = RunFolder(judged.loaded.folder)
    judge(judged, folder)
    before, names = folder.metrics.read_bytes(), {path.name for path in folder.path.iterdir()}
    write = Path.write_bytes

    def full(path, data):
        if path.name.startswith(".metrics.json"):
            write(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        StorageError, match=r"metrics.json: not written, the disk is full .* intact"
    ):
        judge(judged, folder)
    assert folder.metrics.read_bytes() == before
    left = {path.name for path in folder.path.iterdir()} - names
    assert left == {"metrics.partial.json"}
    monkeypatch.setattr(Path, "write_bytes", write)
    calls.clear()
    judge(judged, folder)
    assert calls == [] and {path.name for path in folder.path.iterdir()} == names


def test_the_judgement_of_every_family_is_json_that_any_program_reads(
    subject, families, noise_pictures
):
    """No NaN and no infinity: those are no JSON."""

    def refuse(word):
        raise AssertionError(word)

    for name, config in families.items():
        judged = subject(config, noise_pictures(), folder=name, draws=3)
        judge(judged, RunFolder(judged.loaded.folder))
        text = (judged.loaded.folder / "metrics.json").read_text()
        tree = json.loads(text, parse_constant=refuse)
        names = [record["metric"] for record in tree["records"]]
        assert len(names) == len(set(names))


def test_a_quick_judgement_is_a_part_of_the_full_one(subject, families, noise_pictures):
    """Each number of the end of training comes again, the same, in the full judgement."""
    for name, config in families.items():
        quick, full = (
            {r.metric: r for r in judge(s, RunFolder(s.loaded.folder)) if r.group != "compute"}
            for s in (
                subject(config, noise_pictures(), folder=name, draws=3, quick=q)
                for q in (True, False)
            )
        )
        for metric, record in quick.items():
            assert full[metric].value == record.value, metric
            assert full[metric].n == record.n
        assert len(full) > 2 * len(quick)


@pytest.mark.parametrize("count", [1, 2, 6])
def test_hardly_any_held_out_samples_leave_what_can_be_judged(
    count, subject, families, noise_pictures
):
    """One picture alone stands in both splits: it can be given back, but not be compared with."""
    for name, config in families.items():
        data = noise_pictures(test=count)
        judged = subject(config, data, folder=f"{name}{count}", draws=3)
        records = judge(judged, RunFolder(judged.loaded.folder))
        assert all(record.value is not None or record.reason for record in records)
        known = {record.metric for record in records if record.value is not None}
        assert "parameters" in known
        assert name == "gan" or "reconstruction MSE" in known
        assert name != "vae" or {"held-out -elbo", "-log p(x) bound, k=3"} <= known


def test_progress_names_each_measure(subject, families, noise_pictures, calls):
    heard = []

    class Watching(Listener):
        def worked(self, what, done, total):
            heard.append((what, done, total))

    judged = subject(families["vae"], noise_pictures())
    judged.listener = Watching()
    judge(judged, RunFolder(judged.loaded.folder))
    expected = [(f"judging {name}", i, 3) for i, name in enumerate(NAMES)]
    assert heard == [*expected, ("judging", 3, 3)]


COMPARED = {
    "held-out split": (
        "FD",
        "KID",
        "precision",
        "recall",
        "density",
        "coverage",
        "FLD",
        "clusters reached",
    ),
    "training split": ("authenticity", "exact copies", "near copies", "distance to training data"),
    "training and held-out splits": ("C_T", "nearest is training data"),
    None: ("repeated samples", "Vendi score"),
}
SET_TO = {
    "sliced Wasserstein": {"directions": 512},
    "FD infinity": {"subsets": 15},
    "C2ST accuracy": {"classifier": "logistic regression", "penalty": 1.0},
    "coverage": {"k": 5},
    "F8 of PRD": {"clusters": 20, "runs": 10},
    "linear probe": {"codes": "without noise", "strengths": [1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]},
    "kNN probe": {"codes": "without noise", "k": 5},
    "KID": {"kernel": "(x.y/d + 1)^3"},
}


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_a_whole_judgement_says_of_every_value_how_it_was_made(family, subject, families, dataset):
    """Every metric as it is, of 200 held-out pictures of two classes, in their pixels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (600, 1, 8, 8), generator=generator, dtype=torch.uint8)
    y = torch.arange(600) % 2
    data = dataset(x[:400], x[400:], y[:400], y[400:], classes=("a", "b"))
    judged = subject(families[family], data, draws=60, images=5, extractor="pixels")
    folder = RunFolder(judged.loaded.folder)
    judge(judged, folder)
    records = folder.read(folder.metrics)["records"]
    made = {r["metric"].partition("[")[0]: r for r in records if r["value"] is not None}
    for name, record in made.items():
        assert record["direction"] in ("lower", "higher", "none") and record["group"], name
        assert (record["uncertainty"] is None) or record["method"], name
        assert record["sampler"] == "prior", name
    for against, names in COMPARED.items():
        for name in names:
            assert made[name]["settings"].get("compared_with") == against, name
            assert made[name]["settings"]["extractor"]["quantised_uint8"] is True
    for name, settings in SET_TO.items():
        if family == "vae" or "probe" not in name:
            assert settings.items() <= made[name]["settings"].items(), name
