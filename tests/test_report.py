"""report.html is one page that needs nothing else, shows what is there, and says nothing that is not."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from PIL import Image

from reverie import plots
from reverie.report import command, content, write_report
from reverie.runs import RunFolder
from reverie.verdict import verdict


@pytest.fixture(scope="module")
def finished(processes, pictures, tmp_path_factory):
    run = tmp_path_factory.mktemp("report") / "run"
    command = ["train", "vae", "--data", pictures, "--out", run, "--steps", 8, "train.log_every=2"]
    assert processes.run(*command).code == 0
    return run


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return RunFolder(tmp_path / "run")


class Page(HTMLParser):
    """The addresses, pictures and text of a page; tags must close."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tags, self.text = [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [
            value for name, value in attributes if name in ("src", "href", "data", "action")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(run):
    return Page(write_report(run).read_text())


def test_the_page_needs_nothing_else_and_its_pictures_open(run):
    """No address but pictures that are part of it; no script; nothing imported by a style."""
    text = write_report(run).read_text()
    page = Page(text)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "url(" not in text and "@import" not in text
    assert len(page.addresses) >= 5
    for address in page.addresses:
        head, _, data = address.partition(",")
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            picture.load()


def test_every_record_stands_on_the_page_with_its_number(run):
    text = page_of(run).text
    for record in run.read(run.metrics)["records"]:
        assert record["metric"] in text
        if record["value"] is None:
            assert record["reason"] in text
    facts = run.read(run.provenance)
    for fact in (facts["data"]["fingerprint"], facts["torch"], facts["machine"], facts["started"]):
        assert fact in text


def test_the_verdict_rests_on_numbers_of_the_page(run):
    text = page_of(run).text
    lines = verdict(run.read(run.metrics)["records"], run.read_log())
    assert lines
    for line in lines:
        assert line in text


def test_the_command_that_made_the_run_stands_on_it(run, pictures):
    assert f"reverie train vae --data {pictures}" in page_of(run).text


def test_the_command_has_all_that_was_given_and_can_be_typed():
    """In a shell's quotes where there are spaces; of older runs, the seed and budget that they noted."""
    config = {"recipe": "beta-vae", "data": {"source": "my data/x.npy"}}
    made = {"given": ["train.budget=3 steps", "model.beta=8"]}
    typed = "reverie train beta-vae --data 'my data/x.npy' 'train.budget=3 steps' model.beta=8"
    assert command(config, made) == typed
    older = command(config, {"seed": 5, "budget_given": "2m"})
    assert older.endswith("'my data/x.npy' train.seed=5 train.budget=2m")


@pytest.mark.parametrize("missing", ["metrics", "log", "provenance", "config", "samples", "all"])
def test_what_is_missing_is_left_out(missing, run):
    places = (
        ["metrics", "log", "provenance", "config", "samples"] if missing == "all" else [missing]
    )
    for name in places:
        path = getattr(run, name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = page_of(run)
    assert "run" in page.text
    assert ("Numbers" in page.text) == ("metrics" not in places)
    assert ("Curves" in page.text) == ("log" not in places)


def test_a_cut_log_and_garbled_files_make_a_page(run):
    run.log.write_bytes(run.log.read_bytes()[:-20])
    run.metrics.write_bytes(b"{")
    run.provenance.write_bytes(b"\xff")
    assert "Curves" in page_of(run).text


def test_names_are_text_and_never_markup(run):
    """Data, classes and notes may be called as they like."""
    evil = '<script>alert(1)</script><img src="http://x">'
    tree = run.read(run.config)
    tree["data"]["source"], tree["recipe"] = evil, evil
    run.config.write_text(json.dumps(tree))
    run.update_provenance({"machine": evil, "data": {"name": evil, "notes": [evil]}})
    metrics = run.read(run.metrics)
    metrics["records"][0] |= {"metric": evil, "value": None, "reason": evil}
    run.metrics.write_text(json.dumps(metrics))
    page = page_of(run)
    assert "script" not in page.tags and evil in page.text
    assert all(address.startswith("data:image/png") for address in page.addresses)


def test_curves_have_a_plot_for_each_unit(run):
    units = {entry["unit"] for line in run.read_log() for entry in line["values"].values()}
    assert len(content(run)["curves"]) == len(units) > 1


def test_training_is_a_film_or_else_moments_from_the_first_step_to_the_last(run):
    assert [figure.title for figure in content(run)["film"]] == ["Samples"]
    (run.samples / "film.png").unlink()
    steps = [int(re.sub(r"\D", "", figure.title)) for figure in content(run)["film"]]
    assert steps == sorted(set(steps)) and (steps[0], steps[-1]) == (0, 8)


def test_what_a_number_is_made_of_is_drawn(run, monkeypatch):
    """The latents by what they carry, and the modes by their samples."""
    drawn = []
    monkeypatch.setattr(plots, "bars", lambda *given: drawn.append(given) or b"")
    tree = run.read(run.metrics)
    tree["records"][0]["shown"] = {"kl": [0.1, 2.0, 0.0]}
    tree["records"][1]["shown"] = {"counts": {"a": 5, "b": 0}}
    run.metrics.write_text(json.dumps(tree))
    titles = [figure.title for figure in content(run)["figures"]]
    assert titles[-2:] == ["KL of each latent", "Samples of each mode"]
    assert drawn == [
        ([2.0, 0.1, 0.0], "latents", "nats"),
        ([5, 0], "modes", "samples", ["a", "b"]),
    ]


def record(metric, value, **fields):
    return {"metric": metric, "value": value, "uncertainty": 0.1, "reference": {}, **fields}


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        (0.98, "nearly all of the data"),
        (0.95, "most of the data"),
        (0.7, "much of the data"),
        (0.4, "a part of the data"),
        (0.1, "little of the data"),
    ],
)
def test_the_words_on_coverage_are_those_of_its_share_of_real_data(coverage, words):
    records = [
        record("coverage[x@1]", coverage * 0.9, reference={"training data": 0.9}),
        record("FD[x@1]", 12.0, reference={"training data": 3.0}),
    ]
    [line] = verdict(records, [])
    assert line.startswith(
        f"Samples cover {words}: {100 * coverage * 0.9:.0f} % of held-out neighbourhoods"
    )
    assert "real data reaches 90 %" in line
    assert "FD[x@1] is 12" in line


def test_a_run_that_was_not_judged_claims_nothing():
    assert verdict([], []) == []
