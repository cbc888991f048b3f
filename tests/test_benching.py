"""A bench trains and judges each recipe with each seed once, goes on where it was, and mixes no budgets."""

import json
import shutil

import pytest

from reverie import benching, verbs
from reverie.benching import bench, judged
from reverie.errors import ConfigError
from reverie.monitor import Listener
from reverie.runs import RunFolder

RECIPES, BUDGET = ["vae", "gan"], "3 steps"
NAMES = ["gan-seed0", "gan-seed1", "vae-seed0", "vae-seed1"]


@pytest.fixture(scope="module")
def done(tmp_path_factory, pictures, data_cache):
    """The folder of a bench that has ended, for others to copy."""
    out = tmp_path_factory.mktemp("bench") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVERIE_CACHE", str(data_cache))
        bench(RECIPES, data=str(pictures), budget=BUDGET, seeds=2, out=out, listener=Listener())
    return out


@pytest.fixture
def out(done, tmp_path):
    return shutil.copytree(done, tmp_path / "out")


@pytest.fixture
def again(pictures, out, monkeypatch):
    """Calls the bench once more, and tells what it trained, resumed and judged."""

    def call(names=RECIPES, *, budget=BUDGET, data=pictures, seeds=2):
        found = []

        def spy(name, function):
            def told(*given, **how):
                path = how.get("out") or given[0]
                found.append((name, path.name))
                return function(*given, **how)

            return told

        with monkeypatch.context() as patch:
            patch.setattr(verbs, "train", spy("train", verbs.train))
            patch.setattr(verbs, "resume", spy("resume", verbs.resume))
            patch.setattr(benching, "evaluate", spy("evaluate", benching.evaluate))
            table = bench(
                names, data=str(data), budget=budget, seeds=seeds, out=out, listener=Listener()
            )
        return found, table

    return call


def weights(out):
    """The hash of each run's weights."""
    return {
        name: RunFolder(out / name).read(out / name / "metrics.json")["model_sha256"]
        for name in NAMES
    }


def test_every_recipe_is_trained_and_judged_in_full_with_every_seed(out):
    folders = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert folders == NAMES
    for name in NAMES:
        folder = RunFolder(out / name)
        config, metrics = folder.read(folder.config), folder.read(folder.metrics)
        assert f"{config['recipe']}-seed{config['train']['seed']}" == name
        assert config["train"]["budget"] == BUDGET
        assert metrics["protocol"]["quick"] is False and judged(folder)
    assert (out / "comparison.html").exists()
    assert len(set(weights(out).values())) == 4


def test_its_page_has_a_row_a_recipe_with_the_spread_over_seeds(out):
    tree = json.loads((out / "comparison.json").read_text())
    assert set(tree["runs"]) == {"vae (2 seeds)", "gan (2 seeds)"}
    record = tree["runs"]["vae (2 seeds)"]["held-out -elbo"]
    assert record["method"] == "95 % t-interval over 2 seeds" and len(record["each"]) == 2
    assert {each["method"] for each in tree["differences"]} == {"paired by seed, 2 seeds"}
    page = (out / "comparison.html").read_text()
    assert "vae (2 seeds), here vae-seed0" in page  # a picture is of one run, and says which


def test_a_second_call_trains_and_judges_nothing(again, out):
    before = weights(out)
    found, table = again()
    assert found == [] and weights(out) == before
    assert table.runs == ["vae (2 seeds)", "gan (2 seeds)"]


def test_another_seed_and_another_recipe_are_added_to_what_is_there(again):
    found, table = again([*RECIPES, "ae"], seeds=2)
    added = [(word, f"ae-seed{seed}") for seed in range(2) for word in ("train", "evaluate")]
    assert found == added and len(table.runs) == 3


def test_a_bench_that_was_stopped_trains_only_what_is_missing(again, out):
    before = weights(out)
    shutil.rmtree(out / "gan-seed1")
    (out / "vae-seed1" / "metrics.json").unlink()
    found, _ = again()
    assert found == [
        ("resume", "vae-seed1"),
        ("evaluate", "vae-seed1"),
        ("train", "gan-seed1"),
        ("evaluate", "gan-seed1"),
    ]
    assert weights(out) == before  # training is a function of the seed


@pytest.mark.parametrize("evaluated", [False, True])
def test_a_run_that_was_killed_in_training_ends_as_if_it_had_not_been(
    evaluated, again, out, pictures
):
    """The listener is where the power fails; someone may evaluate what it left, of step 1 of 3."""
    expected = weights(out)["vae-seed0"]
    shutil.rmtree(out / "vae-seed0")

    class Failing(Listener):
        def progressed(self, progress):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(RECIPES, data=str(pictures), budget=BUDGET, seeds=2, out=out, listener=Failing())
    assert (out / "vae-seed0" / "config.json").exists()
    assert not (out / "vae-seed0" / "metrics.json").exists()
    if evaluated:
        metrics = json.loads((out / "gan-seed0" / "metrics.json").read_text())
        (out / "vae-seed0" / "metrics.json").write_text(json.dumps({**metrics, "step": 1}))
    found, _ = again()
    assert found == [("resume", "vae-seed0"), ("evaluate", "vae-seed0")]
    assert weights(out)["vae-seed0"] == expected


def test_a_judgement_that_was_stopped_goes_on(again, out):
    """What lies in the folder is the quick judgement of the end of training."""
    folder = RunFolder(out / "gan-seed0")
    tree = folder.read(folder.metrics)
    tree["protocol"]["quick"] = True
    folder.metrics.write_text(json.dumps(tree))
    assert again()[0] == [("evaluate", "gan-seed0")]


def test_a_judgement_on_other_data_is_not_the_benchs(again, out):
    folder = RunFolder(out / "gan-seed0")
    tree = folder.read(folder.metrics)
    tree["data"]["fingerprint"] = "0" * 64
    folder.metrics.write_text(json.dumps(tree))
    assert again()[0] == [("evaluate", "gan-seed0")]


def test_a_garbled_judgement_is_made_again(again, out):
    (out / "gan-seed0" / "metrics.json").write_text("{")
    assert again()[0] == [("evaluate", "gan-seed0")]


def test_a_folder_made_with_another_budget_is_refused(again, out):
    for budget in ("4 steps", None):  # None is the recipe's own, here 10 epochs
        with pytest.raises(
            ConfigError, match=r"was made with train\.budget=3 steps, and now it is [14]"
        ):
            again(budget=budget)
    (out / "vae-seed0" / "metrics.json").unlink()  # it is not resumed either
    with pytest.raises(ConfigError, match="or choose another place"):
        again(budget="4 steps")


def test_recipes_own_budgets_go_on_as_they_were(again, out):
    for name in NAMES:
        folder = RunFolder(out / name)
        own = {"vae": "10 epochs", "gan": "100 epochs"}[name[:3]]
        folder.update_provenance({"budget_given": own})
    assert again(budget=None)[0] == []


def test_a_folder_of_other_data_or_another_recipe_is_refused(again, out, tmp_path):
    with pytest.raises(ConfigError, match=r"with data.source=.*pictures.npy, and now it is ring"):
        again(data="ring")
    shutil.rmtree(out / "gan-seed0")
    shutil.copytree(out / "vae-seed0", out / "gan-seed0")
    with pytest.raises(ConfigError, match="was made with recipe=vae, and now it is gan"):
        again()


@pytest.mark.parametrize(
    ("names", "seeds", "message"),
    [
        (["vae", "gan", "vae"], 2, "recipe 'vae' is named twice"),
        (["vae"], 0, "seeds is 0; write at least 1"),
        ([], 2, "name a recipe"),
        (["vae", "gann"], 2, "there is no recipe 'gann'; did you mean 'gan'"),
    ],
)
def test_what_cannot_be_benched_is_refused_before_anything_is_trained(
    names, seeds, message, again
):
    with pytest.raises(ConfigError, match=message):
        again(names, seeds=seeds)
