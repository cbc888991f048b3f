"""Which runs are one row, and which of their values are held against each other."""

import json
import math

import pytest
import torch
from safetensors.torch import save

from reverie.comparison import compare
from reverie.config import to_tree
from reverie.data import DataConfig
from reverie.recipes import find
from reverie.records import Record
from reverie.settings import Config
from reverie.spec import Pixels


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Writes a run of a recipe and a seed that was judged with these records."""
    monkeypatch.chdir(tmp_path)

    def write(name, *records, seed=0, steps=100, given=None, protocol=None, data="f", step=None):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        train = {"seed": seed, "budget": f"{steps} steps"}
        config = {"recipe": name.partition("-")[0], "train": train}
        (folder / "config.json").write_text(json.dumps(config))
        made = {"seed": seed, **({} if given is None else {"budget_given": given})}
        (folder / "provenance.json").write_text(json.dumps(made))
        tree = {
            "records": [record.to_dict() for record in records],
            "data": {"fingerprint": data},
            "protocol": protocol or {"samples": 10},
            "step": steps if step is None else step,
        }
        (folder / "metrics.json").write_text(json.dumps(tree))
        return folder

    return write


def loss(value, **more):
    fields = {"metric": "loss", "direction": "lower", "n": 9, "uncertainty": 0.5, **more}
    return Record(value=value, **fields)


def test_seeds_of_one_wall_time_are_one_row(run):
    """A budget of five minutes is another number of steps for every run: they were measured."""
    for seed, steps in enumerate((1000, 1013, 985)):
        run(f"vae-{seed}", loss(1.0 + seed), seed=seed, steps=steps, given="5m")
    assert compare([f"vae-{seed}" for seed in range(3)]).runs == ["vae (3 seeds)"]


def test_a_setting_that_an_older_version_did_not_write_has_its_default(run):
    """Of two seeds of one recipe, one was trained before `shared_fakes` could be said; and one shares."""
    model, train = find("dcgan")(Pixels(shape=(1, 28, 28)))
    config = Config(recipe="dcgan", data=DataConfig(), model=model, train=train)
    trees = [to_tree(config) for _ in range(3)]
    del trees[0]["model"]["shared_fakes"]
    trees[2]["model"]["shared_fakes"] = True
    for seed, tree in enumerate(trees):
        tree["train"]["seed"] = seed
        folder = run(f"dcgan-{seed}", loss(1.0 + seed), seed=seed)
        (folder / "config.json").write_text(json.dumps(tree))
    assert compare([f"dcgan-{seed}" for seed in range(3)]).runs == ["dcgan (2 seeds)", "dcgan-2"]


def test_other_budgets_are_other_rows(run):
    run("vae-0", loss(1.0), seed=0, steps=1000, given="5m")
    run("vae-1", loss(1.0), seed=1, steps=1000, given="10m")
    run("vae-2", loss(1.0), seed=2, steps=1000)
    run("vae-3", loss(1.0), seed=3, steps=1001)
    assert len(compare([f"vae-{seed}" for seed in range(4)]).runs) == 4


def test_a_run_that_is_not_finished_is_no_second_seed_and_is_named(run):
    run("vae-0", loss(1.0), seed=0)
    run("vae-1", loss(2.0), seed=1)
    run("vae-2", loss(9.0), seed=2, step=80)
    found = compare([f"vae-{seed}" for seed in range(3)])
    assert found.runs == ["vae (2 seeds)", "vae-2"]
    assert "vae-2: its training is not finished, this is step 80 of 100" in found.notes


@pytest.mark.parametrize("change", [{"protocol": {"samples": 20}}, {"data": "e"}])
def test_runs_that_were_judged_otherwise_are_not_averaged(change, run):
    """The mean of an FD of 10 samples and one of 20 is the FD of nothing."""
    run("vae-0", loss(1.0), seed=0)
    run("vae-1", loss(9.0), seed=1, **change)
    table = compare(["vae-0", "vae-1"])
    assert table.runs == ["vae-0", "vae-1"]
    assert [table.cell(name, "loss") for name in table.runs] == ["1 ± 0.5", "9 ± 0.5"]


def test_values_of_one_extractor_alone_are_averaged(run):
    """A file of the same name may hold other weights; each value is shown with its own name then."""
    for seed, digest in enumerate("aab"):
        run(f"vae-{seed}", loss(float(seed), metric=f"FD[mine@{digest}]"), seed=seed)
    table = compare([f"vae-{seed}" for seed in range(3)])
    assert table.cell(table.runs[0], "FD").startswith("0.5 [")
    assert any("FD" in note and "the metric's name differs" in note for note in table.notes)


def test_pairs_are_of_the_same_seed_though_values_are_missing(run):
    """a has seeds 0 and 1, b has 1 and 2: two values each, and only seed 1 in common."""
    none = Record(metric="loss", value=None, reason="too few")
    for name, values in {"a": (10.0, 20.0, None), "b": (None, 21.0, 11.0)}.items():
        for seed, value in enumerate(values):
            run(f"{name}-{seed}", none if value is None else loss(value), seed=seed)
    [found] = compare([f"{n}-{s}" for n in "ab" for s in range(3)]).differences
    assert found.method == "Welch's t over 2 and 2 seeds"


def test_values_a_sample_of_an_earlier_judgement_are_not_paired(run):
    """A crash between the two files leaves values whose mean is another than the record's."""
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    for name, shift in (("a", 0.0), ("b", 1.0)):
        folder = run(f"{name}-0", loss(float((values + shift).mean())))
        (folder / "values.safetensors").write_bytes(save({"loss": values + shift}))
    assert compare(["a-0", "b-0"]).differences[0].method.startswith("paired over 50 samples")
    (folder / "values.safetensors").write_bytes(save({"loss": values + 5}))
    assert compare(["a-0", "b-0"]).differences[0].method.startswith("the values' standard errors")


@pytest.mark.parametrize("garbage", [b"", b"xx", b"\xff" * 100])
def test_garbled_values_a_sample_fall_back_on_the_errors(garbage, run):
    for name in "ab":
        (run(f"{name}-0", loss(1.0)) / "values.safetensors").write_bytes(garbage)
    assert compare(["a-0", "b-0"]).differences[0].method.startswith("the values' standard errors")


def test_the_same_run_twice_is_no_second_seed(run):
    folder = run("vae-0", loss(1.0))
    assert compare(["vae-0", folder]).runs == ["vae-0"]


def test_a_row_says_why_where_none_of_its_seeds_has_a_value(run):
    for seed in range(2):
        run(f"gan-{seed}", Record(metric="loss", value=None, reason="a GAN"), seed=seed)
    run("vae-0", loss(1.0))
    table = compare(["gan-0", "gan-1", "vae-0"])
    assert table.cell("gan (2 seeds)", "loss") == "-"
    assert any(note.startswith("gan (2 seeds), loss: - (a GAN)") for note in table.notes)


def test_several_seeds_have_students_interval_and_not_that_of_one(run):
    for seed, value in enumerate((0.2, 0.4)):
        run(f"vae-{seed}", loss(value).with_interval(0.1, 0.5, "Wilson"), seed=seed)
    table = compare(["vae-0", "vae-1"])
    # The mean 0.3 with sd 0.1414 / sqrt 2, and t of one degree of freedom: tan(0.475 pi) = 12.706.
    half = 0.1 * math.tan(0.475 * math.pi)
    record = table.rows[0].record("loss")
    assert record["interval"] == pytest.approx((0.3 - half, 0.3 + half))
    assert (record["uncertainty"], record["each"]) == (pytest.approx(0.1), [0.2, 0.4])
    assert table.cell("vae (2 seeds)", "loss") == "0.3 [-0.9706, 1.571]"


def test_seeds_that_agree_have_no_interval(run):
    for seed in range(3):
        run(f"vae-{seed}", loss(7.0), seed=seed)
    table = compare([f"vae-{seed}" for seed in range(3)])
    assert table.cell("vae (3 seeds)", "loss") == "7"


def test_points_of_two_metrics_are_of_the_runs_that_have_both(run):
    """Values of another seed are not paired."""
    for seed, values in enumerate(((1.0, 10.0), (2.0, None), (3.0, 30.0))):
        records = [
            Record(metric=name, value=value, reason="" if value else "too few")
            for name, value in zip("xy", values, strict=True)
        ]
        run(f"vae-{seed}", *records, seed=seed)
    [row] = compare([f"vae-{seed}" for seed in range(3)]).rows
    assert row.points("x", "y") == [(1.0, 10.0), (3.0, 30.0)]


def test_rows_of_unequal_budgets_are_said_to_be(run):
    run("vae-0", loss(1.0), given="5m")
    run("ae-0", loss(2.0), given="5m", steps=99)
    assert not [note for note in compare(["vae-0", "ae-0"]).notes if "budget" in note]
    run("dcgan-0", loss(2.0), given="300s", steps=98)
    assert not [note for note in compare(["vae-0", "dcgan-0"]).notes if "budget" in note]
    run("gan-0", loss(3.0), steps=7)
    [said] = [note for note in compare(["vae-0", "gan-0"]).notes if "budget" in note]
    assert said.startswith("budgets differ: vae-0 5m, gan-0 7 steps; what each took")
