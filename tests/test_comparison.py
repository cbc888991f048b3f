"""A table ranks only what is alike, and only where the lead is more than noise."""

import csv
import io
import json
import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from safetensors.torch import save
from scipy import stats

from reverie.comparison import compare
from reverie.comparison.exports import _numbers, _tex
from reverie.errors import ConfigError
from reverie.records import Record


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Writes a run that was judged with these records."""
    monkeypatch.chdir(tmp_path)

    def write(name, *records, fingerprint="f" * 64):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
        tree = {
            "records": [record.to_dict() for record in records],
            "data": {"fingerprint": fingerprint},
        }
        (folder / "metrics.json").write_text(json.dumps(tree))
        return folder

    return write


def loss(value, error=0.1, **changes):
    fields = {
        "metric": "loss",
        "value": value,
        "uncertainty": error,
        "n": 100,
        "direction": "lower",
    }
    return Record(**{**fields, "settings": {"likelihood": "bernoulli"}, **changes})


def test_the_lower_loss_and_the_higher_coverage_are_best(judged):
    share = {"direction": "higher", "uncertainty": 0.01}
    judged("a", loss(1.0), Record(metric="coverage", value=0.2, **share))
    judged("b", loss(2.0), Record(metric="coverage", value=0.9, **share))
    assert compare(["a", "b"]).best == {"loss": "a", "coverage": "b"}


def test_a_run_that_is_named_twice_is_one_run(judged):
    """By its name, its path and a link: two rows would be two runs of one recipe."""
    folder = judged("a", loss(1.0))
    (folder.parent / "link").symlink_to(folder)
    table = compare(["a", folder, "runs/link"])
    assert table.runs == ["a"]
    assert [note for note in table.notes if "named twice" in note] == [
        f"{folder}: named twice, and counted once",
        "runs/link: named twice, and counted once",
    ]


def test_a_word_alone_is_one_run_and_not_its_letters(judged):
    judged("abc", loss(1.0))
    assert compare("abc").runs == compare("runs/abc").runs == ["abc"]


@pytest.mark.parametrize(("lead", "best"), [(0.27, {}), (0.28, {"loss": "a"})])
def test_a_lead_that_noise_makes_in_one_of_twenty_is_no_lead(lead, best, judged):
    """Two values with errors of 0.1: the difference has 0.1 sqrt 2, and 1.96 of that is 0.277."""
    assert 0.27 < 1.96 * 0.1 * math.sqrt(2) < 0.28
    judged("a", loss(1.0))
    judged("b", loss(1.0 + lead))
    table = compare(["a", "b"])
    assert table.best == best
    [found] = table.differences
    assert (found.value, found.leader, found.other) == (pytest.approx(-lead), "a", "b")
    reach = 1.959964 * 0.1 * math.sqrt(2)
    assert (found.low, found.high) == (pytest.approx(-lead - reach), pytest.approx(reach - lead))


def test_several_tests_ask_for_more_of_each(judged):
    """Holm: of three pairs, the smallest p-value is tripled; 0.28 is then no lead (p 0.048 to 0.14)."""
    judged("a", loss(1.0))
    judged("b", loss(1.28))
    judged("c", loss(1.28))
    table = compare(["a", "b", "c"])
    assert table.best == {}
    alone = 2 * NormalDist().cdf(-0.28 / (0.1 * math.sqrt(2)))
    assert [found.p for found in table.differences] == [pytest.approx(3 * alone)] * 2
    assert table.verdicts() == ["loss: a is not distinguishable from b, c at this n."]


def test_a_value_of_unknown_uncertainty_leads_nothing(judged):
    judged("a", loss(1.0, None))
    judged("b", loss(9.0, None))
    table = compare(["a", "b"])
    assert table.best == {} and table.differences[0].p is None
    assert "no uncertainty is known" in table.differences[0].verdict


def seeded(judged, recipe, *values):
    for seed, value in enumerate(values):
        folder = judged(f"{recipe}-{seed}", loss(value, None))
        (folder / "config.json").write_text(
            json.dumps({"recipe": recipe, "train": {"seed": seed, "lr": 1}})
        )


def test_seeds_of_one_recipe_are_one_row_and_differences_are_paired_by_seed(judged):
    """A shared wobble of +-10 leaves every pair 1 apart but for 0.1: Student's t of three pairs."""
    seeded(judged, "one", 10.0, 20.0, 30.1)
    seeded(judged, "two", 11.0, 21.1, 31.0)
    table = compare([f"{r}-{s}" for r in ("one", "two") for s in (2, 0, 1)])
    assert table.runs == ["one (3 seeds)", "two (3 seeds)"]
    record = table.rows[0].record("loss")
    assert record["value"] == pytest.approx(20.0333, abs=1e-3)
    assert record["uncertainty"] == pytest.approx(np.std([10, 20, 30.1], ddof=1) / math.sqrt(3))
    [found] = table.differences
    expected = stats.ttest_rel([10.0, 20.0, 30.1], [11.0, 21.1, 31.0])
    assert found.p == pytest.approx(expected.pvalue) and found.method == "paired by seed, 3 seeds"
    assert table.best == {"loss": "one (3 seeds)"}


def test_a_single_run_that_leads_does_not_hide_how_rows_of_seeds_compare(judged):
    """c is best and untested, as one run is; a is better than b by 11 every time."""
    seeded(judged, "a", 10.0, 20.0, 30.0)
    seeded(judged, "b", 21.0, 31.0, 41.5)
    judged("c", loss(1.0))
    table = compare([*(f"{name}-{seed}" for name in "ab" for seed in range(3)), "c"])
    found = [(each.leader[:1], each.other[:1], each.p is None) for each in table.differences]
    assert found == [("c", "a", True), ("c", "b", True), ("a", "b", False)]
    assert table.best == {}
    assert [text[:37] for text in table.verdicts()] == ["loss: a (3 seeds) is better than b (3"]


def test_rows_of_one_run_carry_the_caveat_of_their_seed(judged):
    seeded(judged, "one", 10.0, 20.0)
    judged("a", loss(1.0))
    assert compare(["a"]).caveat == ""
    caveat = compare(["a", "one-0", "one-1"]).caveat
    assert caveat.startswith("One run each: a. Another seed") and "stands on its own" not in caveat


def test_intervals_say_that_each_stands_on_its_own(judged):
    judged("a", loss(1.0))
    judged("b", loss(2.0))
    assert "Each 95 % interval stands on its own" in compare(["a", "b"]).caveat


def test_what_is_not_finite_is_a_dash_and_the_other_rows_are_ranked(judged):
    """Of a table that was written by hand or by an earlier version."""
    for name, value in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        folder = judged(name, loss(value))
    text = (folder / "metrics.json").read_text()
    (folder / "metrics.json").write_text(text.replace('"value": 3.0', '"value": NaN'))
    table = compare(["a", "b", "c"])
    assert table.best == {"loss": "a"} and table.cell("c", "loss") == "-"
    assert table.notes == ["c, loss: - (it is not finite: found nan)"]
    (folder / "metrics.json").write_text(text.replace('"uncertainty": 0.1', '"uncertainty": NaN'))
    assert compare(["a", "c"]).differences[0].p is None


def test_nobody_is_better_than_a_row_that_is_shown_and_not_ranked(judged):
    """As a VAE's distortion beside those of autoencoders, which a small beta buys."""
    judged("a", loss(1.0))
    judged("b", loss(2.0))
    judged("vae", loss(0.5, direction="none"))
    table = compare(["a", "b", "vae"])
    assert [(d.leader, d.other) for d in table.differences] == [("a", "b")]
    assert table.notes == ["loss: vae not ranked, where neither more nor less is better"]
    assert table.best == {}
    judged("a", loss(1.0, direction="none"))
    judged("b", loss(2.0, direction="none"))
    assert compare(["a", "b", "vae"]).notes == []


def test_a_run_by_name_is_found_beside_a_folder_of_that_name(judged, tmp_path):
    judged("a", loss(1.0))
    judged("b", loss(2.0))
    (tmp_path / "a").mkdir()
    table = compare(["a", "b"])
    assert table.best == {"loss": "a"} and table.notes == []


def test_rows_that_are_alike_are_ranked_among_themselves(judged):
    """c was judged on fewer samples: a and b are ranked without it, and nobody is better than all."""
    judged("a", loss(1.0))
    judged("b", loss(2.0))
    judged("c", loss(0.5, n=99))
    judged("d", loss(0.1, n=99))
    judged("e", loss(9.0, n=98, settings={}))
    table = compare(list("abcde"))
    assert [(d.leader, d.other) for d in table.differences] == [("a", "b"), ("d", "c")]
    assert table.notes == [
        "loss: ranked within a, b and within c, d alone, since the number of samples differs, "
        "the setting 'likelihood' differs"
    ]
    assert table.best == {}
    assert [text[:22] for text in table.verdicts()] == [
        "loss: a is better than",
        "loss: d is better than",
    ]


def test_a_reference_is_shown_where_it_is_one_thing_for_all_rows_that_have_it(judged):
    judged("a", loss(1.0, reference={"training data": 0.5}))
    judged("b", loss(2.0))
    assert compare(["a", "b"]).reference("loss", "training data") == 0.5
    judged("c", loss(2.0, n=99, reference={"training data": 0.7}))
    table = compare(["a", "b", "c"])
    assert table.reference("loss", "training data") is None
    assert table.cells()[0] == ["metric", "a", "b", "c"]


def test_a_reference_is_not_shown_beside_a_row_that_it_does_not_bind(judged):
    """The floor of Bernoulli pixels bounds no density; two that both have it share it, ranked or not."""
    floor = {"hard floor": 45.5}
    judged("a", loss(90.0, reference=floor, settings={"likelihood": "bernoulli"}))
    judged("b", loss(-900.0, settings={"likelihood": "gaussian"}))
    assert compare(["a", "b"]).reference("loss", "floor") is None
    judged("c", loss(60.0, reference=floor, settings={"likelihood": "bernoulli", "draws": 1}))
    assert compare(["a", "c"]).reference("loss", "floor") == 45.5


def test_a_reference_of_a_models_own_samples_is_not_shown_as_the_others(judged):
    """The floor of 2,400 good samples is not that of 20."""
    judged("a", loss(1.0, reference={"floor": 0.0014}))
    judged("b", loss(2.0, reference={"floor": 0.175}))
    assert compare(["a", "b"]).reference("loss", "floor") is None
    assert compare(["b"]).reference("loss", "floor") == 0.175
    judged("c", loss(2.0, reference={"floor": 0.0014 * (1 + 1e-6)}))
    assert compare(["a", "c"]).reference("loss", "floor") == 0.0014


def test_shares_with_intervals_are_ranked_and_exported_with_them(judged):
    for name, value, ends in (("a", 0.9, (0.88, 0.917)), ("b", 0.5, (0.469, 0.531))):
        share = Record(metric="probe", value=value, direction="higher", n=1000)
        judged(name, share.with_interval(*ends, "95 % Wilson interval"))
    table = compare(["a", "b"])
    assert table.best == {"probe": "a"}
    lines = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [(row["low"], row["high"], row["standard error"]) for row in lines] == [
        ("0.88", "0.917", ""),
        ("0.469", "0.531", ""),
    ]


def test_rows_of_other_seeds_are_compared_by_welch(judged):
    seeded(judged, "one", 10.0, 20.0, 30.0)
    seeded(judged, "two", 11.0, 21.0)
    [found] = compare([f"one-{s}" for s in range(3)] + ["two-0", "two-1"]).differences
    expected = stats.ttest_ind([11.0, 21.0], [10.0, 20.0, 30.0], equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_single_runs_are_compared_on_the_same_samples(judged):
    """Two losses that wobble by 10 over samples, but not against each other: the pairs tell."""
    wobble = 10 * torch.randn(100, generator=torch.Generator().manual_seed(0))
    for name, shift in (("a", 0.0), ("b", 0.1)):
        noise = 0.01 * torch.randn(100, generator=torch.Generator().manual_seed(len(name)))
        values = wobble + shift + (noise if name == "b" else 0)
        folder = judged(name, loss(float(values.mean()), 1.0))
        (folder / "values.safetensors").write_bytes(save({"loss": values}))
    [found] = compare(["a", "b"]).differences
    assert found.verdict == "better" and found.method.startswith("paired over 100 samples")


def test_reference_rows_stand_beside_the_runs_and_in_every_export(judged):
    reference = {"training data": 0.5, "hard floor": 0.25, "independent Bernoulli": 7.5}
    judged("a_b", loss(1.0, reference=reference))
    judged("c", loss(2.0, reference=reference))
    table = compare(["a_b", "c"])
    head, line = table.cells()
    assert head == ["metric", "a_b", "c", "training data", "floor", "baseline"]
    assert line == ["loss ↓", "1 ± 0.1", "2 ± 0.1", "0.5", "0.25", "7.5"]
    assert table.to_markdown().splitlines()[2] == (
        "| loss ↓ | **1 ± 0.1** | 2 ± 0.1 | 0.5 | 0.25 | 7.5 |"
    )
    latex = table.to_latex()
    assert r"a\_b" in latex and r"\textbf{1 $\pm$ 0.1} & 2 $\pm$ 0.1 & 0.5" in latex
    lines = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [(row["run"], row["value"], row["best"], row["standing"]) for row in lines] == [
        ("a_b", "1.0", "True", "better than all others"),
        ("c", "2.0", "False", "worse than a_b"),
        ("training data", "0.5", "", ""),
        ("floor", "0.25", "", ""),
        ("baseline", "7.5", "", ""),
    ]
    assert {(row["metric"], row["unit"], row["direction"]) for row in lines} == {
        ("loss", "", "lower")
    }
    assert json.loads(json.dumps(table.to_dict()))["references"]["floor"] == {"loss": 0.25}


@pytest.mark.parametrize(
    ("change", "fingerprint", "field"),
    [
        ({}, "e" * 64, "the data"),
        ({"n": 99}, "f" * 64, "the number of samples"),
        ({"settings": {"likelihood": "gaussian"}}, "f" * 64, "the setting 'likelihood'"),
        ({"settings": {}}, "f" * 64, "the setting 'likelihood'"),
        ({"settings": {"likelihood": "bernoulli", "k": 5}}, "f" * 64, "the setting 'k'"),
        ({"metric": "loss[other@12]"}, "f" * 64, "the metric's name"),
    ],
)
def test_unlike_values_are_shown_and_not_ranked_and_the_field_is_named(
    change, fingerprint, field, judged
):
    judged("a", loss(1.0))
    judged("b", loss(9.0, **change), fingerprint=fingerprint)
    table = compare(["a", "b"])
    assert table.best == {}
    assert table.notes == [f"loss: not ranked, since {field} differs"]
    assert (table.cell("a", "loss"), table.cell("b", "loss")) == ("1 ± 0.1", "9 ± 0.1")


def test_a_value_without_a_direction_and_a_row_alone_are_not_ranked(judged):
    judged("a", loss(1.0), Record(metric="size", value=3.0))
    judged("b", Record(metric="size", value=5.0))
    assert compare(["a", "b"]).best == {}


def test_what_a_model_lacks_is_a_dash_with_its_reason(judged):
    judged("a", loss(1.0), Record(metric="FD[x@1]", value=3.0))
    judged("b", Record(metric="loss", value=None, reason="a GAN has no likelihood"))
    table = compare(["a", "b"])
    assert table.cell("b", "loss") == table.cell("b", "FD") == "-"
    assert table.notes == [
        "b, loss: - (a GAN has no likelihood)",
        "b, FD: - (not part of its judgement)",
    ]


def test_a_column_that_no_run_has_a_value_for_is_left_out(judged):
    judged("a", loss(1.0), Record(metric="FD", value=None, reason="no extractor"))
    assert compare(["a"]).metrics == ["loss"]


def test_a_run_that_was_not_judged_is_a_row_of_dashes(judged):
    judged("a", loss(1.0))
    (judged("b") / "metrics.json").unlink()
    table = compare(["a", "b"])
    assert table.runs == ["a", "b"] and table.notes == [
        "b: not judged yet; run `reverie evaluate`"
    ]


def test_nothing_to_compare_is_refused(judged):
    (judged("a") / "metrics.json").write_text("{")
    with pytest.raises(
        ConfigError, match="none of these runs has been judged; run `reverie evaluate RUN`"
    ):
        compare(["a"])


def test_runs_of_the_same_name_keep_apart(judged, tmp_path):
    one, two = judged("x/same", loss(1.0)), judged("y/same", loss(2.0))
    assert len(compare([one, two]).runs) == 2
    assert compare([one, two]).to_dict()["best"] == {"loss": "same"}


def test_a_folder_that_is_no_run_is_passed_over_and_named(judged, tmp_path):
    """A shell's `runs/*` names every folder."""
    judged("a", loss(1.0))
    (tmp_path / "runs" / "notes").mkdir()
    table = compare([tmp_path / "runs" / "a", tmp_path / "runs" / "notes"])
    assert table.runs == ["a"] and any("notes" in note for note in table.notes)


def test_names_are_text_wherever_the_table_is_shown(judged):
    """A run may be called as it likes: nothing of it is markup, in a terminal or a notebook."""
    from io import StringIO

    from rich.console import Console

    judged("[bold]<b>x", loss(1.0))
    table = compare(["[bold]<b>x"])
    for upright in (False, True):
        shown = StringIO()
        Console(file=shown, width=100).print(table.to_rich(upright))
        assert "[bold]<b>x" in shown.getvalue()
    assert "&lt;b&gt;x" in table._repr_html_() and "<b>" not in table._repr_html_()


def test_the_best_is_starred(judged):
    from io import StringIO

    from rich.console import Console

    judged("a", loss(1.0))
    judged("b", loss(2.0))
    shown = StringIO()
    Console(file=shown, width=100).print(compare(["a", "b"]).to_rich())
    starred = [row for row in shown.getvalue().splitlines() if "*" in row]
    assert "1±0.1*" in starred[0] and starred[1].startswith("* better than")


def test_a_frechet_distance_is_headed_by_its_features(judged):
    """Elsewhere a column is called by its short name, since a value that is missing has no features."""
    judged("a", Record(metric="FD[x@1]", value=3.0), Record(metric="KID[x@1]", value=0.1))
    judged("b", Record(metric="FD[y@2]", value=3.0))
    assert [line[0] for line in compare(["a"]).cells()[1:]] == ["FD[x@1]", "KID"]
    assert compare(["a", "b"]).cells()[1][0] == "FD[x@1] or FD[y@2]"
    for text in (compare(["a"]).to_markdown(), compare(["a"]).to_latex()):
        assert "FD[x@1]" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.23e-05", r"1.23$\times10^{-5}$"),
        ("-3.1e+10 ± 1e-07", r"$-$3.1$\times10^{10}$ $\pm$ 1$\times10^{-7}$"),
        ("0.5 [-0.2, 1.2]", "0.5 [$-$0.2, 1.2]"),
        ("-", "-"),
    ],
)
def test_latex_sets_powers_and_signs_of_values_as_mathematics(text, expected):
    assert _numbers(_tex(text)) == expected


def test_latex_sets_names_as_they_are(judged):
    for name in ("lr-1e-4", "b-2"):
        judged(name, Record(metric="loss@4e-5", value=-1e-9, direction="lower", n=9))
    tex = compare(["lr-1e-4", "b-2"]).to_latex()
    assert "lr-1e-4" in tex and "b-2" in tex and "loss@4e-5" in tex
    assert r"$-$1.000$\times10^{-9}$" in tex
