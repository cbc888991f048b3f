"""`reverie sample`, `reconstruct`, `interpolate` and `encode`: from the run folder alone, in any form."""

import inspect
import json

import numpy as np
import pytest
from PIL import Image

from reverie.cli import using
from reverie.data import open_dataset
from reverie.data.drawing import drawn
from reverie.data.stream import to_range
from reverie.loading import Loaded, load
from reverie.preparing import read_config
from reverie.runs import RunFolder


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


@pytest.mark.parametrize("run", ["vae-pictures", "gan-pictures"])
def test_samples_are_a_grid_an_array_or_single_pictures_by_the_ending(run, reverie, runs):
    """Eight-pixel pictures are shown larger in a grid; single ones keep their size."""
    said = reverie("sample", run, "-n", 6, "--seed", 3)
    assert (said.code, said.out) == (0, f"wrote runs/{run}/sampled-6-seed-3.png\n")
    assert reverie("sample", run, "-n", 6, "--seed", 3, "--out", "x.npy").out == "wrote x.npy\n"
    x = np.load("x.npy")
    assert x.shape == (6, 1, 8, 8) and x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
    assert np.array_equal(x, load(run).sample(6, seed=3).numpy())
    assert reverie("sample", run, "-n", 6, "--seed", 3, "--out", "single").code == 0
    singles = sorted((runs.parent / "single").iterdir())
    assert [path.name for path in singles] == [f"{i:06d}.png" for i in range(6)]
    for picture, path in zip(x, singles, strict=True):
        with Image.open(path) as image:
            assert np.abs(np.asarray(image.convert("L")) - picture[0] * 255).max() <= 0.5 + 1e-3
    assert size_of(runs / run / "sampled-6-seed-3.png")[0] >= 6 * 8


def test_sampling_needs_neither_data_nor_settings(reverie, runs):
    for path in (runs / "vae-pictures").iterdir():
        if path.is_file() and path.name not in ("model.json", "model.safetensors"):
            path.unlink()
    assert reverie("sample", "vae-pictures", "-n", 2, "--out", "x.npy").code == 0


def test_vectors_are_sampled_as_a_plot_or_an_array(reverie, runs):
    assert reverie("sample", "vae-points", "-n", 50).code == 0
    assert reverie("sample", "vae-points", "-n", 50, "--out", "x.npy").code == 0
    assert np.load("x.npy").shape == (50, 2)
    assert size_of(runs / "vae-points" / "sampled-50-seed-0.png")[0] > 100
    said = reverie("sample", "vae-points", "--out", "folder")
    assert said.code == 2
    assert "--out folder: cannot be written in this form; end it with .npy or .png" in said.err


def test_a_class_is_sampled_by_its_name(reverie, runs):
    points = runs.parent / "points.npz"
    x, y = np.random.default_rng(0).standard_normal((64, 2)), np.arange(64) % 4
    np.savez(points, x=x.astype(np.float32), y=y)
    assert reverie("train", "cgan", "--data", points, "--steps", 3, "--quiet").code == 0
    said = reverie("sample", "cgan-points", "-n", 5, "--label", "3")
    path = "runs/cgan-points/sampled-5-seed-0-label-3.png"
    assert (said.code, said.out) == (0, f"wrote {path}\n")
    assert reverie("sample", "cgan-points", "-n", 5, "--label", 3, "--out", "x.npy").code == 0
    assert np.array_equal(np.load("x.npy"), load("cgan-points").sample(5, label=3).numpy())
    said = reverie("sample", "cgan-points", "--label", "4")
    assert said.code == 2 and "there is no class '4'; choose one of 0, 1, 2, 3" in said.err
    assert reverie("sample", "gan-pictures", "--label", "1").code == 2
    assert reverie("evaluate", "cgan-points", "--samples", 32).code == 0


def test_reconstructions_stand_under_their_originals(reverie, runs):
    """Six held-out pictures: one row of originals, one of reconstructions."""
    assert reverie("reconstruct", "vae-pictures", "-n", 5, "--out", "r.png").code == 0
    assert reverie("reconstruct", "vae-pictures", "-n", 5, "--out", "r.npy").code == 0
    assert np.load("r.npy").shape == (5, 1, 8, 8)
    width, height = size_of("r.png")
    assert width / height == pytest.approx(5 / 2, rel=0.1)


def test_a_folder_of_reconstructions_holds_nothing_else(reverie, runs):
    """Of 20 pictures a sheet has two rows of 16 originals and two of reconstructions, 12 of them white."""
    said = reverie("reconstruct", "vae-pictures", "-n", 20, "--out", "r", "--json")
    assert said.code == 0 and json.loads(said.out.splitlines()[-1])["count"] == 20
    assert reverie("reconstruct", "vae-pictures", "-n", 20, "--out", "r.npy").code == 0
    singles = sorted((runs.parent / "r").iterdir())
    assert [path.name for path in singles] == [f"{i:06d}.png" for i in range(20)]
    for x_hat, path in zip(np.load("r.npy"), singles, strict=True):
        with Image.open(path) as image:
            assert np.abs(np.asarray(image) - x_hat[0] * 255).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("verb", ["sample", "reconstruct", "interpolate"])
def test_an_ending_may_be_written_large(verb, reverie, runs):
    for name in ("x.PNG", "x.NPY"):
        said = reverie(verb, "vae-pictures", "-n", 3, "--out", name)
        assert (said.code, said.out) == (0, f"wrote {name}\n")
    assert np.load("x.NPY").shape[1:] == (1, 8, 8)
    with Image.open("x.PNG") as picture:
        assert picture.format == "PNG"
    if verb == "reconstruct":
        width, height = size_of("x.PNG")
        assert width / height == pytest.approx(3 / 2, rel=0.1)


@pytest.mark.parametrize("verb", ["sample", "reconstruct", "interpolate"])
@pytest.mark.parametrize("out", ["full", ".", "x.jpg"])
def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_made(
    verb, out, reverie, runs, monkeypatch
):
    (runs.parent / "full").mkdir()
    (runs.parent / "full" / "mine.txt").write_text("hello")

    def made(*arguments, **options):
        raise AssertionError("was made")

    monkeypatch.setattr(Loaded, verb, made)
    said = reverie(verb, "vae-pictures", "--out", out)
    reason = "cannot be written in this form" if out == "x.jpg" else "is not empty; choose another"
    assert said.code == 2 and f"error: --out {out}" in said.err and reason in said.err
    assert [path.name for path in (runs.parent / "full").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(reverie, runs):
    (runs.parent / "empty").mkdir()
    assert reverie("sample", "vae-pictures", "-n", 2, "--out", "empty").code == 0
    assert len(list((runs.parent / "empty").iterdir())) == 2


@pytest.mark.parametrize("run", ["vae-pictures", "gan-pictures"])
def test_interpolations_have_a_row_a_way(run, reverie, runs):
    assert reverie("interpolate", run, "-n", 3, "--steps", 4, "--out", "i.npy").code == 0
    assert np.load("i.npy").shape == (12, 1, 8, 8)
    assert (
        reverie("interpolate", run, "-n", 3, "--steps", 4).out
        == f"wrote runs/{run}/interpolated.png\n"
    )


def test_a_seed_chooses_which_held_out_samples_are_joined(reverie, runs):
    """Those of seed 0 are the first of the order in which held-out samples are always taken."""
    ways = []
    for seed in (0, 1, 2):
        how = ["-n", 1, "--steps", 4, "--seed", seed, "--out", "i.npy"]
        assert reverie("interpolate", "vae-pictures", *how).code == 0
        ways.append(np.load("i.npy"))
    config = read_config(RunFolder(runs / "vae-pictures"))
    x = to_range(drawn(open_dataset(config.data).test, 2).x)
    assert np.array_equal(ways[0], load("vae-pictures").interpolate(x[:1], x[1:], 4).numpy())
    assert not any(np.array_equal(ways[i], ways[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("run", ["vae-pictures", "gan-pictures"])
def test_the_default_way_has_as_many_samples_as_that_of_the_library(run, reverie, runs):
    steps = inspect.signature(Loaded.interpolate).parameters["steps"].default
    assert inspect.signature(using.interpolate).parameters["steps"].default == steps
    assert reverie("interpolate", run, "-n", 3, "--out", "i.npy").code == 0
    assert len(np.load("i.npy")) == 3 * steps


def test_a_way_needs_two_held_out_samples(reverie, runs):
    """Of ten pictures one is held out."""
    np.save("ten.npy", np.random.default_rng(1).integers(0, 256, (10, 8, 8), dtype=np.uint8))
    said = reverie("interpolate", "vae-pictures", "--data", "ten.npy")
    assert said.code == 2
    assert "a way lies between two held-out samples, and there is only one; name other" in said.err
    assert reverie("reconstruct", "vae-pictures", "--data", "ten.npy").code == 0


@pytest.mark.parametrize(("split", "count"), [("test", 40), ("train", 360)])
def test_codes_and_labels_of_a_split_are_written_as_npz(split, count, reverie, runs):
    assert reverie("encode", "vae-points", "--split", split, "--out", "c.npz", "-q").code == 0
    with np.load("c.npz", allow_pickle=False) as codes:
        assert sorted(codes) == ["y", "z"]
        assert (
            codes["z"].shape == (count, load("vae-points").model.latent)
            and codes["z"].dtype == np.float32
        )
        assert codes["y"].shape == (count,) and set(codes["y"].tolist()) == set(range(8))


def test_codes_without_labels_are_codes_alone(reverie, runs):
    assert reverie("encode", "ae-pictures").code == 0
    with np.load(runs / "ae-pictures" / "codes-test.npz", allow_pickle=False) as codes:
        assert sorted(codes) == ["z"] and len(codes["z"]) == 60


def test_other_data_is_brought_to_the_models_shape(reverie, runs, tmp_path):
    np.save(
        "large.npy", np.random.default_rng(1).integers(0, 256, (20, 12, 10, 3), dtype=np.uint8)
    )
    assert (
        reverie(
            "reconstruct", "vae-pictures", "--data", "large.npy", "-n", 2, "--out", "r.npy"
        ).code
        == 0
    )
    assert np.load("r.npy").shape == (2, 1, 8, 8)
    np.save("points.npy", np.zeros((9, 3), np.float32))
    said = reverie("reconstruct", "vae-pictures", "--data", "points.npy")
    assert said.code == 3 and "holds vectors of 3 numbers" in said.err
    said = reverie("encode", "vae-points", "--data", "points.npy")
    assert said.code == 2
    assert "the model takes samples of (2,), and this data has (3,)" in said.err


@pytest.mark.parametrize("verb", ["sample", "reconstruct", "interpolate", "encode"])
def test_json_is_one_object_and_quiet_is_silent(verb, reverie, runs):
    """What is told on the way is a line of JSON, too; the result is the last."""
    said = reverie(verb, "vae-pictures", "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0 and (runs.parent / lines[-1]["path"]).exists() and lines[-1]["count"] > 0
    said = reverie(verb, "vae-pictures", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["sample", "ae-pictures"],
            "an autoencoder cannot sample; it can encode, decode, reconstruct. Models with",
        ),
        (
            ["reconstruct", "gan-pictures"],
            "a GAN cannot reconstruct; it can sample, decode. Models with an encoder",
        ),
        (
            ["encode", "gan-pictures"],
            "a GAN cannot encode; it can sample, decode. Models with an encoder do",
        ),
    ],
)
def test_what_a_model_cannot_do_names_what_it_can_and_who_can(arguments, message, reverie, runs):
    said = reverie(*arguments)
    assert said.code == 2 and message in said.err and "train the recipe `" in said.err


REFUSED = [
    (["sample", "vae-picture"], 2, "there is no run 'vae-picture'; did you mean"),
    (["sample", "vae-pictures", "--device", "gpu"], 2, "--device is 'gpu'; did you mean 'cuda'?"),
    (
        ["interpolate", "gan-pictures", "--data", "no.npy"],
        2,
        "--data is 'no.npy', and a GAN has no encoder for held-out samples; leave it out",
    ),
    (["sample", "vae-pictures", "--device", "mps"], 2, "device is 'mps', and this machine has"),
    (
        ["sample", "vae-pictures", "--out", "x.jpg"],
        2,
        "--out x.jpg: cannot be written in this form",
    ),
    (["sample", "vae-pictures", "--out", "file/x.png"], 5, "file/x.png: not written"),
    (["sample", "vae-pictures", "--out", "file"], 2, "--out file is not empty; choose another"),
    (["reconstruct", "vae-pictures", "--data", ""], 2, "data.source is empty; give a path"),
    (
        ["encode", "vae-pictures", "--data", "~nobody-of-that-name/x"],
        3,
        "data.source=~nobody-of-that-name/x: there is no such file",
    ),
    (
        ["encode", "vae-pictures", "--out", "c.csv"],
        2,
        "codes are written as .npz; end it with that",
    ),
    (
        ["encode", "vae-pictures", "--split", "val"],
        2,
        "--split is 'val'; choose one of test, train",
    ),
    (
        ["reconstruct", "vae-pictures", "--data", "no.npy"],
        3,
        "data.source=no.npy: there is no such file",
    ),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_what_cannot_be_done_is_refused_in_a_line(arguments, code, message, reverie, runs):
    (runs.parent / "file").write_text("hello")
    said = reverie(*arguments)
    assert said.code == code and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert message in said.err


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
@pytest.mark.parametrize("verb", ["sample", "encode", "evaluate"])
def test_a_damaged_model_is_named(name, damage, verb, reverie, runs):
    path = runs / "vae-pictures" / name
    data = bytearray(path.read_bytes())
    path.unlink()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    said = reverie(verb, "vae-pictures")
    assert said.code == 3
    reason = "cannot be read" if damage == "missing" else "altered or truncated"
    assert f"{name}: {reason}" in said.err
