"""`reverie compare` on runs of every family: the page is whole, stands alone, and takes names as text."""

import csv
import html
import io
import json
import re

import pytest

from reverie.comparison import compare
from reverie.comparison.page import content, write_comparison
from reverie.comparison.rows import REFERENCES
from reverie.records import Record
from reverie.runs import RunFolder

FAMILIES = ("vae-pictures", "ae-pictures", "gan-pictures")


@pytest.fixture
def page(reverie, runs):
    """The page that compares a run of each family."""

    def make(*names, out="compared"):
        said = reverie("compare", *(names or FAMILIES), "--out", out)
        assert said.code == 0, said.err
        assert f"page: {out}/comparison.html" in said.out
        return (runs.parent / out / "comparison.html").read_text()

    return make


def table_of(folder):
    """The lines of the exported table."""
    return list(csv.DictReader(io.StringIO((folder / "comparison.csv").read_text())))


def text_of(page):
    """What a person reads of a page."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_the_page_and_its_exports_are_written(page, runs):
    page()
    names = {path.name for path in (runs.parent / "compared").iterdir()}
    assert names == {f"comparison.{end}" for end in ("html", "json", "csv", "md", "tex")}
    tree = json.loads((runs.parent / "compared" / "comparison.json").read_text())
    assert set(tree) >= {"runs", "references", "best", "differences", "notes"}
    lines = table_of(runs.parent / "compared")
    shown = {(line["run"], line["metric"]) for line in lines if line["value"]}
    assert shown == {
        (n, r["metric"]) for n, metrics in tree["runs"].items() for r in metrics.values()
    } | {(kind, m) for kind, metrics in tree["references"].items() for m in metrics}
    dashes = [line["reason"] for line in lines if not line["value"]]
    assert dashes and all(dashes)


def test_every_part_is_there_for_every_family(page):
    made = page()
    text = text_of(made)
    for name in FAMILIES:
        assert name in text
    heads = re.findall(r"<h2>(.*?)</h2>|<summary>(.*?)</summary>", made)
    titles = [a or b for a, b in heads]
    for title in (
        "Table", "Differences", "Fidelity, diversity, memorisation", "Samples", "Reconstructions",
        "Curves", "Provenance", "Notes: what is not ranked, and what a dash means",
    ):  # fmt: skip
        assert title in titles
    for words in (
        "held-out -elbo (nats) ↓",
        "reconstruction MSE ↓",
        "coverage ↑",
        "training data",
    ):
        assert words in text
    assert "gan-pictures, reconstruction MSE: - (a GAN has no encoder)" in text
    assert re.search(r"checkpoint\s+[0-9a-f]{12}\s+[0-9a-f]{12}\s+[0-9a-f]{12}", text)
    assert "None" not in text and "nan" not in text.split()


def test_each_sheet_shows_the_runs_that_have_one(page):
    made = page()
    captions = re.findall(r"<figcaption><b>(.*?)</b> · (.*?)</figcaption>", made)
    assert [n for n, caption in captions if caption == "fixed noise, not chosen"] == [
        "vae-pictures",
        "gan-pictures",
    ]
    originals = "held-out originals, each over its reconstruction"
    assert [n for n, caption in captions if caption == originals] == [
        "vae-pictures",
        "ae-pictures",
    ]


def test_the_page_asks_for_nothing_from_elsewhere_and_runs_nothing(page):
    made = page()
    assert "://" not in made and "<script" not in made and "@import" not in made
    sources = re.findall(r'(?:src|href)="(.*?)"', made)
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.findall(r"url\((?!data:)", made)


EVIL = (
    "<img src=x onerror=alert(1)>",
    "a\" & 'b' <b>bold",
    r"$\notatexcommand{$ x_1",
    "_hidden",
    "{{ 7 * 7 }} {% raw %}",
    "[red]x[red] | y",
    "-x",
)


@pytest.mark.parametrize("name", EVIL)
def test_a_name_is_text_on_the_page_in_its_plots_and_in_every_export(name, runs, tmp_path):
    (runs / "vae-pictures").rename(runs / name)
    (runs / "gan-pictures").rename(runs / f"{name}2")
    table = compare([runs / name, runs / f"{name}2"])
    made = write_comparison(table, tmp_path / "out").read_text()
    assert html.escape(name, quote=False) in made.replace("&#34;", '"').replace("&#39;", "'")
    assert "<img src=x" not in made and "<b>bold" not in made
    lines = table_of(tmp_path / "out")
    assert {line["run"] for line in lines} - set(REFERENCES) == {name, f"{name}2"}
    rows = (tmp_path / "out" / "comparison.md").read_text().splitlines()
    width = [len(re.findall(r"(?<!\\)\|", row)) for row in rows if row]
    assert len(set(width)) == 1
    tex = (tmp_path / "out" / "comparison.tex").read_text()
    columns = [
        len(re.findall(r"(?<!\\)&", row)) for row in tex.splitlines() if row.endswith(r"\\")
    ]
    assert len(set(columns)) == 1
    tex = re.sub(r"\$(\\pm|\\downarrow|\\uparrow|-|\\times10\^\{-?\d+\})\$", "", tex)
    assert not re.search(r"(?<!\\)[$_#%]", tex)


def test_unjudged_runs_and_what_cannot_be_ranked_are_noted(page, runs):
    (runs / "ae-pictures" / "metrics.json").unlink()
    text = text_of(page("vae-pictures", "ae-pictures", "vae-points"))
    assert "ae-pictures: not judged yet; run `reverie evaluate`" in text
    assert "held-out -elbo: not ranked, since the data differs" in text
    assert "Nothing here can be ranked." in text


def test_what_must_be_known_of_single_values_is_said(page, runs):
    folder = RunFolder(runs / "vae-pictures")
    tree = folder.read(folder.metrics)
    tree["records"].append(
        Record(metric="C_T", value=-9.0, warnings=("it copies <b>all",)).to_dict()
    )
    folder.metrics.write_text(json.dumps(tree))
    assert "vae-pictures, C_T: it copies &lt;b&gt;all" in page()


def test_runs_of_which_files_are_missing_are_compared_by_what_is_left(page, runs):
    import shutil

    for name in FAMILIES:
        shutil.rmtree(runs / name / "samples")
        for file in ("provenance.json", "log.jsonl", "values.safetensors", "report.html"):
            (runs / name / file).unlink(missing_ok=True)
    made = page()
    assert "<h2>Samples</h2>" not in made and "<h2>Curves</h2>" not in made
    assert "<h2>Table</h2>" in made


def test_the_page_says_how_to_make_it_again(page, runs, reverie):
    made = text_of(page("vae-pictures", "gan-pictures"))
    command = re.search(r"made by\s+reverie (compare .*)", made)[1].split()
    assert reverie(*command, "--out", "again").code == 0


def test_as_json_the_table_comes_with_the_pages_path(reverie, runs):
    said = reverie("compare", *FAMILIES, "--json", "--out", "x")
    tree = json.loads(said.out)
    assert tree["page"] == "x/comparison.html" and set(tree["runs"]) == set(FAMILIES)
    assert (runs.parent / "x" / "comparison.json").exists()


def test_quietly_it_writes_the_page_and_says_nothing(reverie, runs):
    said = reverie("compare", *FAMILIES, "-q")
    assert (said.code, said.out) == (0, "")
    assert (runs.parent / "comparison" / "comparison.html").exists()


def test_a_page_that_cannot_be_written_is_an_error_in_a_line(reverie, runs):
    (runs.parent / "taken").write_text("a file")
    said = reverie("compare", *FAMILIES, "--out", "taken")
    assert said.code != 0 and said.err.startswith("error: ") and said.err.count("\n") == 1


def test_curves_of_several_rows_share_an_axis_and_those_of_one_row_stand_by_unit(
    runs, monkeypatch
):
    drawn = []
    monkeypatch.setattr(
        "reverie.plots.curves", lambda lines, x, y: drawn.append((set(lines), y)) or b""
    )
    content(compare([runs / "vae-pictures", runs / "ae-pictures"]))
    [alone] = [names for names, unit in drawn if unit == "nats"]
    assert {"vae-pictures: elbo/rate", "ae-pictures: reconstruction/distortion"} <= alone
    drawn.clear()
    content(compare([runs / "vae-pictures", runs / "vae-points"]))
    assert ({"vae-pictures", "vae-points"}, "nats") in drawn


def test_from_python_the_page_is_written_where_one_asks_for_it(runs):
    compare([runs / name for name in FAMILIES], out=runs.parent / "page")
    assert (runs.parent / "page" / "comparison.html").exists()
    compare([runs / name for name in FAMILIES])
    assert sorted(path.name for path in runs.parent.iterdir()) == ["page", "runs"]


def test_planes_have_a_point_a_run_and_marks_of_real_data(runs, monkeypatch):
    drawn = []
    monkeypatch.setattr("reverie.plots.plane", lambda *given: drawn.append(given) or b"")
    content(compare([runs / name for name in FAMILIES]))
    [points, marks, x, y] = drawn[0]
    assert (x, y) == ("coverage", "density")
    assert {name: len(each) for name, each in points.items()} == {
        "vae-pictures": 1,
        "gan-pictures": 1,
    }
    assert set(marks) == {"training data"}
