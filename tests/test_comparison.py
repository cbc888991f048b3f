"""A table ranks only what is alike, and only where the lead is more than noise."""

import json
import math

import pytest

from reverie.comparison import compare
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
    judged("a", loss(1.0), Record(metric="coverage", value=0.2, direction="higher"))
    judged("b", loss(2.0), Record(metric="coverage", value=0.9, direction="higher"))
    assert compare(["a", "b"]).best == {"loss": "a", "coverage": "b"}


@pytest.mark.parametrize(("lead", "best"), [(0.28, {}), (0.29, {"loss": "a"})])
def test_a_lead_within_two_standard_errors_of_the_difference_is_no_lead(lead, best, judged):
    """Two values with errors of 0.1: the difference has 0.1 sqrt 2, and twice that is 0.283."""
    assert 0.28 < 2 * 0.1 * math.sqrt(2) < 0.29
    judged("a", loss(1.0))
    judged("b", loss(1.0 + lead))
    judged("c", loss(5.0))
    assert compare(["a", "b", "c"]).best == best


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
    assert table.notes == ["b, loss: - (a GAN has no likelihood)"]


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
    assert "1±0.1*" in starred[0] and starred[1].startswith("* best of")
