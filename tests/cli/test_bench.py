"""`reverie bench` trains, judges and compares in one command, and again in none."""

import json
import shutil

import pytest

BENCH = ["bench", "ae", "vae", "--budget", "2 steps", "--seeds", 1, "--out", "out"]


@pytest.fixture(scope="module")
def ended(processes, pictures, tmp_path_factory):
    """A bench of two recipes, once through: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("bench")
    said = processes.run(*BENCH, "--data", pictures, "--json", folder=folder)
    assert said.code == 0, said.err
    return folder / "out", json.loads(said.out.splitlines()[-1])


@pytest.fixture
def benched(ended, here):
    """One's own copy of it in the working folder."""
    shutil.copytree(ended[0], here / "out")
    return ended[1]


def test_as_json_it_is_the_table_with_the_pages_path(benched, here):
    assert set(benched["runs"]) == {"ae-seed0", "vae-seed0"}
    assert benched["page"] == "out/comparison.html" and (here / benched["page"]).exists()
    assert benched["runs"]["vae-seed0"]["held-out -elbo"]["value"] > 0
    written = json.loads((here / "out" / "comparison.json").read_text())
    assert benched == {**written, "page": "out/comparison.html"}


def test_the_same_command_again_says_the_same_and_trains_nothing(benched, reverie, pictures, here):
    before = {path: path.stat().st_mtime_ns for path in here.glob("out/*/*") if path.is_file()}
    said = reverie(*BENCH, "--data", pictures)
    assert said.code == 0
    assert "1 of 2: ae, seed 0" in said.out and "2 of 2: vae, seed 0" in said.out
    assert "vae-seed0" in said.out and said.out.endswith("page: out/comparison.html\n")
    after = {path: path.stat().st_mtime_ns for path in here.glob("out/*/*") if path.is_file()}
    assert after == before


def test_another_budget_is_refused_in_a_line(benched, reverie, pictures):
    command = [*BENCH, "--data", pictures]
    command[command.index("2 steps")] = "3 steps"
    said = reverie(*command)
    assert said.code == 2 and said.err.count("\n") == 1
    assert "was made with train.budget=2 steps, and now it is 3 steps; remove that" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["vaee"], 2, "there is no recipe 'vaee'; did you mean 'vae'?"),
        (["vae", "vae"], 2, "recipe 'vae' is named twice; name each once"),
        (["vae", "--budget", "3 parsecs"], 2, "train.budget is '3 parsecs'"),
        (["vae", "--data", "no.npy"], 3, "there is no such file"),
    ],
)
def test_what_cannot_be_benched_is_refused_in_a_line(arguments, code, message, reverie, here):
    said = reverie("bench", *arguments)
    assert said.code == code and said.err.startswith("error: ") and message in said.err
    assert said.err.count("\n") == 1 and not list(here.iterdir())
