"""`reverie evaluate`, `compare`, `runs` and `data inspect`."""

import json

import numpy as np
import pytest

from reverie.runs import RunFolder


def test_evaluating_prints_each_record_and_writes_metrics_and_report(reverie, runs):
    run = RunFolder(runs / "vae-pictures")
    for path in (run.metrics, run.report):
        path.unlink()
    said = reverie("evaluate", "vae-pictures", "--draws", 7)
    assert said.code == 0
    assert "report: runs/vae-pictures/report.html" in said.out
    records = run.read(run.metrics)["records"]
    assert "-log p(x) bound, k=7" in {record["metric"] for record in records}
    for record in records:
        assert record["metric"] in said.out
    assert "data " not in said.err and run.report.exists()


def test_a_model_that_lacks_what_a_metric_asks_for_says_so(reverie, runs):
    said = reverie("evaluate", "gan-pictures")
    assert "reconstruction MSE: - (a GAN has no encoder)" in said.out
    assert "-log p(x) bound, k=5000: - (a GAN has no likelihood)" in said.out
    said = reverie("evaluate", "ae-pictures")
    assert "FD: - (an autoencoder has no prior to sample from)" in said.out


def test_an_evaluation_says_first_what_it_costs_and_last_what_it_means(reverie, runs):
    said = reverie("evaluate", "vae-pictures")
    lines = said.out.splitlines()
    assert lines[0].startswith("note: 60 samples, 5,000 draws: about ")
    assert any(line.startswith("Held-out samples cost ") for line in lines)
    assert any(
        line.startswith("warning: ") for line in lines
    )  # 60 samples are few for 256 features


def test_evaluating_as_json_is_the_records(reverie, runs):
    said = reverie("evaluate", "vae-points", "--samples", 30, "--json")
    tree = json.loads(said.out.splitlines()[-1])
    records = tree["records"]
    assert {"FD[coordinates]", "KID[coordinates]"} <= {record["metric"] for record in records}
    assert tree == RunFolder(runs / "vae-points").read(runs / "vae-points/metrics.json")
    complete = {
        "data",
        "seeds",
        "weights",
        "checkpoint",
        "code",
        "machine",
        "time",
        "n",
        "settings",
    }
    assert all(complete <= record.keys() for record in records)


def test_evaluating_quietly_prints_nothing(reverie, runs):
    said = reverie("evaluate", "gan-pictures", "-q")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_a_comparison_shows_all_families_and_says_what_a_dash_means(reverie, runs):
    said = reverie("compare", "vae-pictures", "ae-pictures", "gan-pictures")
    assert said.code == 0
    assert "ae-pictures, -log p(x) bound, k=50: - (an autoencoder has no likelihood)" in said.out
    assert "gan-pictures, reconstruction MSE: - (a GAN has no encoder)" in said.out


def test_unlike_rows_are_shown_and_not_ranked_and_the_field_is_named(reverie, runs):
    said = reverie("compare", "vae-pictures", "vae-points")
    assert "held-out -elbo: not ranked, since the data differs" in said.out
    tree = json.loads(reverie("compare", "vae-pictures", "vae-points", "--json").out)
    assert tree["best"] == {} and set(tree["runs"]) == {"vae-pictures", "vae-points"}


def test_runs_are_listed_with_how_far_they_came(reverie, runs):
    for name in ("metrics.json", "report.html"):
        (runs / "ae-pictures" / name).unlink()
    said = reverie("runs")
    lines = {line.split()[0]: line for line in said.out.splitlines()}
    assert set(lines) == {
        f"runs/{n}" for n in ("ae-pictures", "gan-pictures", "vae-pictures", "vae-points")
    }
    assert "step 3 of 3" in lines["runs/ae-pictures"] and "finished" in lines["runs/vae-points"]
    assert "held-out -elbo" in lines["runs/vae-points"]
    assert [row["run"] for row in json.loads(reverie("runs", "--json").out)] == sorted(lines)


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe", b"[1]", b"null"])
@pytest.mark.parametrize("name", ["config.json", "metrics.json", "log.jsonl", "provenance.json"])
def test_a_garbled_file_of_one_run_spoils_no_list_and_no_table(name, garbage, reverie, runs):
    (runs / "vae-pictures" / name).write_bytes(garbage)
    assert len(reverie("runs").out.splitlines()) == 4
    said = reverie("compare", "vae-pictures", "ae-pictures")
    assert said.code == 0
    if name == "metrics.json":
        assert "vae-pictures: not judged yet; run `reverie evaluate`" in said.out


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("metrics.json", {"records": 3}),
        ("metrics.json", {"records": [3, {"metric": "a"}, {"value": 1.0}]}),
        ("config.json", {"train": 3}),
        ("config.json", {"recipe": ["vae"], "data": 3}),
        ("provenance.json", {"data": 3}),
        ("log.jsonl", {"step": "3"}),
    ],
)
def test_a_file_of_another_shape_in_one_run_spoils_no_list(name, tree, reverie, runs):
    (runs / "vae-pictures" / name).write_text(json.dumps(tree))
    said = reverie("runs")
    assert said.code == 0 and len(said.out.splitlines()) == 4


def test_a_folder_that_is_a_run_is_shown_as_one(reverie, runs):
    """With the runs that lie in it, if any do."""
    said = reverie("runs", "runs/vae-points")
    first, row = said.out.splitlines()
    assert first == "runs/vae-points is itself a run:"
    assert row in reverie("runs").out.splitlines()
    rows = json.loads(reverie("runs", "runs/vae-points", "--json").out)
    assert [row["run"] for row in rows] == ["runs/vae-points"]
    (runs / "ae-pictures").rename(runs / "vae-points" / "inner")
    rows = json.loads(reverie("runs", "runs/vae-points", "--json").out)
    assert [row["run"] for row in rows] == ["runs/vae-points", "runs/vae-points/inner"]


def test_a_list_says_where_a_run_was_judged_on_other_data(reverie, runs):
    np.savez("others.npz", x=np.random.default_rng(1).standard_normal((400, 2)).astype("float32"))
    assert reverie("evaluate", "vae-points", "--data", "others.npz", "-q", "--quick").code == 0
    headlines = {row["run"]: row["headline"] for row in json.loads(reverie("runs", "--json").out)}
    assert headlines["runs/vae-points"].startswith("on others: held-out -elbo ")
    assert headlines["runs/vae-pictures"].startswith("held-out -elbo ")


def test_an_empty_folder_holds_no_runs(reverie, here):
    (here / "runs").mkdir()
    assert reverie("runs").out == "runs holds no runs yet; make one with `reverie train vae`\n"
    assert json.loads(reverie("runs", "--json").out) == []


def test_inspecting_counts_and_draws_a_contact_sheet(reverie, pictures, here):
    said = reverie("data", "inspect", pictures)
    assert said.code == 0 and "pictures: 58 train, 6 test" in said.out
    assert "contact sheet: contact-sheet.png" in said.out and (here / "contact-sheet.png").exists()
    assert "broken:     0" in said.out and "8x8 (64)" in said.out


def test_a_contact_sheet_does_not_become_a_sample(reverie, here):
    from PIL import Image

    for i in range(3):
        Image.fromarray(np.full((4, 4), 20 * i, np.uint8)).save(here / f"{i}.png")
    said = reverie("data", "inspect", ".")
    assert said.code == 0 and "contact sheet: none, it would lie in the data" in said.out
    assert len(list(here.iterdir())) == 3
    said = reverie("data", "inspect", here, "--out", "sheet.png")
    assert said.code == 2 and "--out sheet.png lies in the data" in said.err


def test_a_home_that_is_not_known_is_no_traceback(reverie):
    said = reverie("data", "inspect", "~nobody-is-called-so/pictures")
    assert said.code == 3 and "there is no such file" in said.err


def test_what_was_found_is_told_though_the_sheet_cannot_be_written(reverie, pictures, here):
    (here / "taken").write_text("a file")
    said = reverie("data", "inspect", pictures, "--out", "taken/sheet.png")
    assert said.code == 5 and said.err.startswith("error: taken/sheet.png")
    assert "pictures: 58 train, 6 test" in said.out and "contact sheet" not in said.out


def test_inspecting_names_broken_files_and_takes_settings(reverie, here):
    (here / "data").mkdir()
    from PIL import Image

    for i in range(12):
        Image.fromarray(np.full((4, 4), 20 * i, np.uint8)).save(here / "data" / f"{i}.png")
    (here / "data" / "bad.png").write_bytes(b"no picture")
    said = reverie("data", "inspect", "data", "data.holdout=0.5", "--out", "sheet.png")
    assert said.code == 0 and "broken:     1 files" in said.out and "bad.png: " in said.out
    tree = json.loads(
        reverie("data", "inspect", "data", "holdout=0.25", "--json").out.splitlines()[-1]
    )
    assert tree["counts"] == {"train": 9, "test": 3} and list(tree["broken"]) == ["bad.png"]
    said = reverie("data", "inspect", "data", "-q")
    assert (said.code, said.out, said.err) == (0, "", "")


REFUSED = [
    (["evaluate", "nothing"], 2, "there is no run 'nothing'"),
    (
        ["evaluate", "vae-points", "--data", "no.npy"],
        3,
        "there is no such file, folder or data set",
    ),
    (["evaluate", "vae-points", "--samples", 1], 2, "samples is 1; write at least 2"),
    (
        ["evaluate", "vae-pictures", "--lpips", "nowhere"],
        3,
        "nowhere/vgg16-397923af.pth cannot be read (No such file or directory); get https://",
    ),
    (["compare", "nothing"], 2, "there is no run 'nothing'"),
    (
        ["runs", "nowhere"],
        2,
        "there is no folder 'nowhere'; `reverie train vae` makes a first run",
    ),
    (["data", "inspect", "no.npy"], 3, "data.source=no.npy: there is no such file"),
    (
        ["data", "inspect", "ring", "data.siz=3"],
        2,
        "data.siz does not exist; did you mean 'size'?",
    ),
    (["data", "inspect", "ring", "data.holdout=2"], 2, "data.holdout is 2; expected less than 1"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_what_cannot_be_done_is_refused_in_a_line(arguments, code, message, reverie, runs):
    said = reverie(*arguments)
    assert said.code == code and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert message in said.err


def test_a_comparison_of_unjudged_runs_says_what_to_run(reverie, runs):
    (runs / "vae-points" / "metrics.json").unlink()
    said = reverie("compare", "vae-points")
    assert (
        said.code == 2
        and "none of these runs has been judged; run `reverie evaluate RUN`" in said.err
    )


@pytest.mark.parametrize(
    "command", [("data", "inspect", ""), ("train", "ae", "--data", "", "--dry-run")]
)
def test_an_unset_variable_is_not_taken_for_a_path(command, reverie):
    said = reverie(*command)
    assert (said.code, said.err) == (
        2,
        "error: data.source is empty; give a path, or one of mnist, ring, grid, sprites\n",
    )


@pytest.mark.usefixtures("runs")
def test_an_evaluation_takes_a_device_that_there_is(reverie):
    said = reverie("evaluate", "ae-pictures", "--device", "gpu")
    assert (said.code, said.err) == (2, "error: --device is 'gpu'; did you mean 'cuda'?\n")
    assert reverie("evaluate", "ae-pictures", "--quick", "--device", "cpu").code == 0
