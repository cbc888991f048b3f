"""`reverie train` and `resume`: what they print, write and refuse."""

import json
import os
import shutil

import pytest

from reverie import verbs
from reverie.runs import RunFolder


@pytest.fixture
def unjudged(monkeypatch):
    monkeypatch.setattr(verbs, "finish", lambda *arguments: None)


def test_training_ends_with_the_numbers_the_report_and_what_can_be_done_next(
    processes, pictures, here
):
    ended = processes.run("train", "vae", "--data", pictures, "--steps", 3, folder=here)
    lines = ended.out.splitlines()
    assert ended.code == 0 and ended.err == ""
    assert "on held-out data:" in lines
    assert any(line.startswith("  held-out -elbo ") and line.endswith(" nats") for line in lines)
    assert "report:  runs/vae-pictures/report.html" in lines
    assert "next:    reverie sample -n 64 runs/vae-pictures" in lines
    assert (here / "runs/vae-pictures/report.html").exists()


def test_commands_to_go_on_with_may_be_typed_as_they_stand(processes, pictures, here):
    """A space in a folder's name would part it in two."""
    out = here / "my runs" / "a"
    ended = processes.run(
        "train", "ae", "--data", pictures, "--steps", 1, "--out", out, folder=here
    )
    assert "next:    reverie reconstruct 'my runs/a'" in ended.out.splitlines()
    again = processes.run("resume", out, folder=here)
    assert (
        again.code == 0 and "step 1 of 1 was taken before: nothing is left to train" in again.out
    )


def test_a_recipe_is_not_renamed_by_an_override(reverie, here):
    said = reverie("train", "gan", "recipe=foo", "--dry-run")
    assert said.code == 2
    assert "recipe=foo: the recipe is named by itself, here 'gan'" in said.err


def test_lines_are_plain_where_there_is_no_terminal(processes, pictures, here):
    """No escape and no carriage return: a log is read with less."""
    out = processes.run("train", "gan", "--data", pictures, "--steps", 3, folder=here).out
    assert not {"\x1b", "\r", "\x08"} & set(out)
    assert out.splitlines()[0] == "reading ..." or out.startswith(
        "training runs/gan-pictures, step 0 of 3"
    )
    assert "step 3/3" in out


@pytest.mark.usefixtures("unjudged")
def test_taken_folders_are_numbered(reverie, pictures, here):
    for _ in range(3):
        assert reverie("train", "ae", "--data", pictures, "--steps", 1, "-q").code == 0
    assert sorted(path.name for path in (here / "runs").iterdir()) == [
        "ae-pictures",
        "ae-pictures-2",
        "ae-pictures-3",
    ]


@pytest.mark.usefixtures("unjudged")
def test_overrides_and_options_stand_in_the_runs_config(reverie, pictures, here):
    said = reverie(
        *[
            "train",
            "vae",
            "--data",
            pictures,
            "--out",
            "run",
            "--steps",
            2,
            "--seed",
            7,
            "--device",
            "cpu",
        ],
        *[
            "--precision",
            "fp32",
            "-q",
            "model.beta=4",
            "model.network.widths=[9]",
            "train.batch=5",
        ],
        *["data.holdout=0.25", "model.likelihood=gaussian", "train.optimizer.lr=0.01"],
    )
    assert said.code == 0
    tree = json.loads((here / "run/config.json").read_text())
    assert tree["recipe"] == "vae"
    assert tree["train"]["budget"] == "2 steps"
    assert [tree["train"][name] for name in ("seed", "device", "precision", "batch")] == [
        7,
        "cpu",
        "fp32",
        5,
    ]
    assert tree["model"]["beta"] == 4 and tree["model"]["network"]["widths"] == [9]
    assert tree["model"]["likelihood"]["kind"] == "gaussian"
    assert tree["train"]["optimizer"]["lr"] == 0.01
    facts = RunFolder(here / "run").read(here / "run/provenance.json")
    assert (facts["data"]["train"], facts["data"]["test"], facts["seed"]) == (48, 16, 7)


@pytest.mark.parametrize(
    ("budget", "steps"),
    [("2 epochs", 15), ("3 steps", 3), ("58 samples", 8)],
)
@pytest.mark.usefixtures("unjudged")
def test_a_budget_becomes_steps(budget, steps, reverie, pictures, here):
    """58 training samples in batches of 8: 2 x 58 / 8 = 14.5 is 15 steps."""
    said = reverie(
        "train",
        "ae",
        "--data",
        pictures,
        "--out",
        "run",
        "--budget",
        budget,
        "-q",
        "train.batch=8",
    )
    assert said.code == 0
    assert (
        json.loads((here / "run/config.json").read_text())["train"]["budget"] == f"{steps} steps"
    )


@pytest.mark.usefixtures("unjudged")
def test_a_wall_time_is_measured_and_written_down_as_steps(reverie, pictures, here):
    assert (
        reverie("train", "ae", "--data", pictures, "--out", "run", "--budget", "0.2s", "-q").code
        == 0
    )
    budget = json.loads((here / "run/config.json").read_text())["train"]["budget"]
    assert budget.endswith(" steps") and int(budget.split()[0]) >= 1
    assert json.loads((here / "run/provenance.json").read_text())["budget_given"] == "0.2s"


def test_a_dry_run_shows_the_plan_and_writes_no_run(reverie, pictures, here):
    said = reverie("train", "vae", "--data", pictures, "--steps", 5, "--dry-run", "model.beta=2")
    assert said.code == 0
    assert "data       pictures: 58 training and 6 held-out samples of (1, 8, 8)" in said.out
    assert "train.budget = 5 steps" in said.out and "model.beta = 2.0" in said.out
    kept = os.environ["REVERIE_CACHE"]
    end = f"no run was written (--dry-run); what data had to be decoded is kept in {kept}\n"
    assert said.out.endswith(end)
    assert list(here.iterdir()) == []


def test_of_several_workers_one_shows_the_plan(reverie, pictures, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = reverie("train", "vae", "--data", pictures, "--steps", 5, "--dry-run")
    assert (said.code, said.out) == (0, "")


def test_a_dry_run_as_json_is_one_object(reverie, pictures, here):
    said = reverie("train", "vae", "--data", pictures, "--dry-run", "--json")
    plan = json.loads(said.out.splitlines()[-1])
    assert plan["config"]["data"]["source"] == str(pictures) and plan["device"] == "cpu"
    assert list(here.iterdir()) == []


def test_json_is_a_line_an_event_and_the_result_last(reverie, pictures, here):
    said = reverie(
        "train",
        "vae",
        "--data",
        pictures,
        "--out",
        "run",
        "--steps",
        3,
        "--json",
        "train.log_every=1",
    )
    events = [json.loads(line) for line in said.out.splitlines()]
    assert {event.get("event") for event in events} == {"began", "progress", "picture", None}
    steps = [event["step"] for event in events if event.get("event") == "progress"]
    assert steps == [1, 2, 3]
    assert events[-1]["run"] == "run"
    assert {record["metric"] for record in events[-1]["records"]} >= {
        "held-out -elbo",
        "reconstruction MSE",
    }


def test_quiet_prints_nothing(reverie, pictures, here):
    for arguments in (
        ["train", "vae", "--data", pictures, "--out", "run", "--steps", 2],
        ["resume", "run"],
        ["train", "vae", "--data", pictures, "--dry-run"],
    ):
        said = reverie(*arguments, "--quiet")
        assert (said.code, said.out, said.err) == (0, "", "")


def test_resuming_a_finished_run_changes_no_weight_and_judges_it_again(reverie, runs):
    weights, records = (
        (runs / "vae-pictures/model.safetensors").read_bytes(),
        RunFolder(runs / "vae-pictures"),
    )
    before = records.read(records.metrics)["records"]
    records.metrics.unlink()
    said = reverie("resume", "vae-pictures")
    assert said.code == 0 and "training runs/vae-pictures, step 3 of 3" in said.out
    assert (runs / "vae-pictures/model.safetensors").read_bytes() == weights
    after = records.read(records.metrics)["records"]
    for one, two in zip(after, before, strict=True):  # by another number of threads
        if one["group"] == "compute":
            continue
        assert one["metric"] == two["metric"] and one["reason"] == two["reason"]
        assert one["value"] == (two["value"] and pytest.approx(two["value"], rel=1e-5))


# ---- refusals

TRAIN = ["train", "vae", "--data", "DATA", "--steps", "1"]
REFUSED = [
    (["train", "vay"], 2, "there is no recipe 'vay'; did you mean 'vae'?"),
    ([*TRAIN, "model.bta=3"], 2, "model.bta does not exist; did you mean 'beta'?"),
    ([*TRAIN, "model.beta"], 2, "'model.beta' is not an override; write it as path=value"),
    ([*TRAIN, "model.beta=x"], 2, "model.beta is 'x'; expected number"),
    ([*TRAIN, "train.batch=0"], 2, "train.batch is 0; expected greater than or equal to 1"),
    ([*TRAIN, "data.sourc=x"], 2, "data.sourc does not exist; did you mean 'source'?"),
    ([*TRAIN, "model.posterior=gausian"], 2, "did you mean"),
    (
        [*TRAIN, 'train.players={"critic": {"kind": "adam"}}'],
        2,
        "train.players.critic is no phase of this model",
    ),
    (
        [*TRAIN, "train.accumulate=3"],
        2,
        "train.batch is 64, which 1 workers x 3 micro-batches cannot share evenly; write train.batch=63",
    ),
    ([*TRAIN, "model.latent=1000000000000"], 1, "not enough memory; write a smaller train.batch"),
    ([*TRAIN, f"model.latent=1{'0' * 20}"], 2, "model: no network can be made so large"),
    ([*TRAIN, f"train.batch=1{'0' * 20}"], 2, "expected less than or equal to 1048576"),
    ([*TRAIN, "model.latent=" + "[" * 3000], 2, "model.latent is '[["),
    ([*TRAIN, f"model.latent={'9' * 5000}"], 2, "model.latent is '999"),
    (
        ["train", "vae", "--data", "DATA", "--budget", "1e305epochs"],
        2,
        "it must be above zero and below 1e+15",
    ),
    ([*TRAIN, "--budget", "2m"], 2, "budget and steps are both given; write one of them"),
    (
        [*TRAIN, "--budget", "2m", "--dry-run"],
        2,
        "budget and steps are both given; write one of them",
    ),
    (
        ["train", "vae", "--data", "DATA", "--budget", "2x"],
        2,
        "train.budget is '2x'; write a number and a unit",
    ),
    (
        [*TRAIN, "train.budget=5m"],
        2,
        "train.budget is given twice, as an option and as train.budget=5m; write one of them",
    ),
    ([*TRAIN, "--seed", "3", "train.seed=4", "--dry-run"], 2, "train.seed is given twice"),
    ([*TRAIN, "--device", "gpu"], 2, "train.device is 'gpu'; did you mean 'cuda'?"),
    ([*TRAIN, "--device", "mps"], 2, "device is 'mps', and this machine has"),
    (
        [*TRAIN, "--precision", "fp8"],
        2,
        "train.precision is 'fp8'; choose one of auto, bf16, fp32",
    ),
    ([*TRAIN, "--out", "file"], 2, "--out file is a file; choose a folder"),
    ([*TRAIN, "--out", "file/run"], 5, "file/run: cannot be made (Not a directory)"),
    (
        ["train", "vae", "--data", "nothing.npy"],
        3,
        "data.source=nothing.npy: there is no such file",
    ),
    (["train", "vae", "--data", "file"], 3, "is no kind of data that is read"),
    (["resume", "nothing"], 2, "there is no run 'nothing'"),
    (["resume", "."], 2, ". holds no run (no config.json and no model.json)"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_what_cannot_be_done_is_refused_in_a_line_before_anything_is_written(
    arguments, code, message, reverie, pictures, here
):
    (here / "file").write_text("hello")
    said = reverie(*[str(pictures) if a == "DATA" else a for a in arguments])
    assert said.code == code, said
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    assert message in said.err
    assert [path.name for path in here.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "Missing argument"),
        (["train", "vae", "--steps", "0"], "Invalid value for '--steps'"),
        (["train", "vae", "--seed", "-1"], "Invalid value for '--seed'"),
        (["train", "vae", "--stops", "1"], "No such option: --stops"),
        (["trian", "vae"], "No such command 'trian'"),
    ],
)
def test_wrong_usage_names_the_option_and_where_to_read(arguments, message, reverie, here):
    said = reverie(*arguments)
    assert said.code == 2 and message in said.err and "-h' for help." in said.err
    assert list(here.iterdir()) == []


def test_a_taken_folder_is_refused_with_the_command_that_goes_on(reverie, pictures, runs):
    said = reverie("train", "vae", "--data", pictures, "--out", "runs/vae-pictures", "--steps", 1)
    assert said.code == 2
    assert (
        "--out runs/vae-pictures is not empty; `reverie resume runs/vae-pictures` goes on with it"
        in said.err
    )


def test_a_model_without_its_run_cannot_be_resumed(reverie, runs):
    (runs / "alone").mkdir()
    for name in ("model.json", "model.safetensors"):
        shutil.copy(runs / "vae-pictures" / name, runs / "alone")
    said = reverie("resume", "alone")
    assert (
        said.code == 3
        and "config.json: missing or not valid JSON; this run cannot be resumed" in said.err
    )
    assert reverie("sample", "alone", "-q").code == 0
