"""Judging is on held-out data, says what it rests on, and agrees with closed forms where there are some."""

import json
import math

import numpy as np
import pytest
import torch

from reverie import evaluation
from reverie.artifact import save_model
from reverie.data import DataConfig, open_dataset
from reverie.errors import ConfigError, DataError
from reverie.evaluation import Protocol, data_of, evaluate, evaluate_run, fitting_data, subject
from reverie.features.lpips import LPIPS
from reverie.loading import Loaded
from reverie.models import AutoencoderConfig, GANConfig, VAEConfig
from reverie.monitor import Listener
from reverie.networks import MLP
from reverie.runs import RunFolder
from reverie.spec import Pixels, Vector

TINY = MLP(widths=(8,))
CONFIGS = {
    "ae": AutoencoderConfig(latent=2, network=TINY),
    "vae": VAEConfig(latent=2, network=TINY),
    "gan": GANConfig(latent=2, generator=TINY, critic=TINY),
}


@pytest.fixture
def data(tmp_path):
    """50 training and 20 held-out pictures of 8 x 8."""
    x = np.random.default_rng(3).integers(0, 256, (70, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x[:50], x_test=x[50:])
    return DataConfig(source=str(tmp_path / "d.npz")), x[:50] / 255, x[50:] / 255


def made(folder, config, spec, zero=False):
    torch.manual_seed(0)
    model = config.build(spec)
    for parameter in model.parameters() if zero else ():
        parameter.data.zero_()
    save_model(model, config, folder, 11, averaged=True)
    return Loaded(folder)


def judged(tmp_path, name, data, zero=False, **how):
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    loaded = made(folder, CONFIGS[name], Pixels(shape=(1, 8, 8)), zero)
    protocol = Protocol(**{"quick": True, **how})
    records = evaluate_run(RunFolder(folder), loaded, open_dataset(data[0]), Listener(), protocol)
    return {record.metric: record for record in records}


def test_a_vae_of_zero_weights_costs_ln_2_a_pixel_and_errs_by_the_distance_to_grey(tmp_path, data):
    """p = 1/2 everywhere, and a posterior that is the prior: 64 ln 2 nats for any picture, the rate 0."""
    records, x = judged(tmp_path, "vae", data, zero=True), data[2]
    cost = 64 * math.log(2)
    expected = {"held-out -elbo": cost, "held-out distortion": cost, "held-out rate": 0.0}
    expected |= {"-log p(x) bound, k=50": cost}
    for name, value in expected.items():
        assert records[name].value == pytest.approx(value, rel=1e-6, abs=1e-6), name
        assert records[name].uncertainty == pytest.approx(0, abs=1e-4)
        assert (records[name].unit, records[name].n, records[name].direction) == (
            "nats",
            20,
            # A smaller rate is not better by itself, nor a distortion that a small beta buys.
            "none" if name in ("held-out rate", "held-out distortion") else "lower",
        )
    errors = ((x - 0.5) ** 2).reshape(20, -1).mean(1)
    record = records["reconstruction MSE"]
    assert record.value == pytest.approx(errors.mean(), rel=1e-5)
    assert record.uncertainty == pytest.approx(errors.std(ddof=1) / math.sqrt(20), rel=1e-4)


def test_reconstruction_is_judged_on_held_out_samples_alone(tmp_path, data):
    test = data[2]
    record = judged(tmp_path, "ae", data)["reconstruction MSE"]
    loaded = Loaded(tmp_path / "ae")
    x = test[:, None].astype(np.float32)
    assert record.value == pytest.approx(
        np.square(loaded.reconstruct(x).numpy() - x).mean(), rel=1e-4
    )
    assert record.n == 20


def test_what_a_model_lacks_has_a_reason_in_the_values_place(tmp_path, data):
    reasons = {
        ("ae", "-log p(x) bound, k=50"): "an autoencoder has no likelihood",
        ("ae", "FD"): "an autoencoder has no prior to sample from",
        ("ae", "held-out -elbo"): "an autoencoder has no posterior",
        ("ae", "sampling speed"): "an autoencoder has no prior to sample from",
        ("gan", "reconstruction MSE"): "a GAN has no encoder",
    } | {
        (
            "gan",
            f"held-out {name}",
        ): "a GAN's losses depend on both players and do not measure quality"
        for name in ("-elbo", "distortion", "rate")
    }
    found = {name: judged(tmp_path, name, data) for name in CONFIGS}
    for (name, metric), reason in reasons.items():
        assert (found[name][metric].value, found[name][metric].reason) == (None, reason)


def test_pictures_of_another_shape_are_judged_by_the_random_network(tmp_path):
    x = np.random.default_rng(4).integers(0, 256, (120, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x[:60], x_test=x[60:])
    records = judged(tmp_path, "vae", (DataConfig(source=str(tmp_path / "d.npz")),))
    names = [name for name in records if "[" in name]
    assert [name.partition("[")[0] for name in names] == ["density", "coverage"]
    for name in names:
        assert records[name].settings["extractor"]["name"] == "random-conv-v1"
        assert "random-conv-v1@" in name and records[name].n == 60
    assert "covariance of 256 features needs at least 257 samples" in records["FD"].reason


def test_too_few_held_out_samples_leave_the_other_metrics_standing(tmp_path):
    """Coverage takes balls that do not cover everything, and a covariance more samples than features."""
    x = np.random.default_rng(3).integers(0, 256, (10, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x[:7], x_test=x[7:])
    records = judged(tmp_path, "vae", (DataConfig(source=str(tmp_path / "d.npz")),))
    assert records["FD"].value is None and "found 3" in records["FD"].reason
    assert records["reconstruction MSE"].value is not None


def test_the_model_computes_where_it_is_asked_to(tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "d.npy", x)
    made(tmp_path, CONFIGS["ae"], Pixels(shape=(1, 8, 8)))
    asked, plain = [], evaluation.Loaded

    def loaded(folder, device):
        asked.append(device)
        return plain(folder, device)

    monkeypatch.setattr(evaluation, "Loaded", loaded)
    evaluate(tmp_path, data=str(tmp_path / "d.npy"), device="cpu", quick=True)
    evaluate(tmp_path, data=str(tmp_path / "d.npy"), quick=True)
    assert asked == ["cpu", "auto"]


def test_a_distance_names_its_extractor_and_is_never_called_fid(tmp_path):
    """Pictures of mnist's shape have an extractor; training data stands in the samples' place beside it."""
    x = np.random.default_rng(0).integers(0, 256, (140, 28, 28), dtype=np.uint8)
    file = tmp_path / "my-mnist.npz"
    np.savez(file, x_train=x[:70], x_test=x[70:])
    made(tmp_path, CONFIGS["gan"], Pixels(shape=(1, 28, 28)))
    records = {r.metric: r for r in evaluate(tmp_path, data=str(file), quick=True)}
    names = [name for name in records if "[" in name]
    assert [name.partition("[")[0] for name in names] == ["FD", "density", "coverage"]
    assert all("lenet-mnist-v1@" in name and "FID" not in name for name in names)
    for name in names:
        assert records[name].n == 70 and "training data" in records[name].reference
        assert records[name].settings["extractor"]["name"] == "lenet-mnist-v1"


@pytest.fixture
def points(tmp_path):
    random = np.random.default_rng(0)
    x = random.standard_normal((3000, 2)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x_train=x[:2000], x_test=x[2000:])
    return DataConfig(source=str(tmp_path / "d.npz"))


def test_samples_of_the_datas_own_law_are_judged_as_training_data_is(
    tmp_path, points, monkeypatch
):
    """Coverage of equal distributions is known, 1 - ((n - k) ...): the model's must lie by it."""
    folder = tmp_path / "run"
    folder.mkdir()
    loaded = made(folder, CONFIGS["gan"], Vector(size=2))
    draws = torch.randn(1000, 2, generator=torch.Generator().manual_seed(5))
    monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: draws[:count])
    records = {
        r.metric: r
        for r in evaluate_run(RunFolder(folder), loaded, open_dataset(points), Listener())
    }
    coverage = records["coverage[coordinates]"]
    assert coverage.value == pytest.approx(coverage.reference["equal distributions"], abs=0.03)
    assert coverage.reference["training data"] == pytest.approx(coverage.value, abs=0.03)
    assert records["density[coordinates]"].value == pytest.approx(1, abs=0.1)
    distance = records["FD[coordinates]"]
    assert distance.value < 0.02 and distance.reference["training data"] < 0.02
    collapsed = 1e-6 * draws  # samples that are all the same are refused
    monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: collapsed[:count])
    records = {
        r.metric: r
        for r in evaluate_run(RunFolder(folder), loaded, open_dataset(points), Listener())
    }
    assert records["coverage[coordinates]"].value < 0.05
    # N(0, I) against a point: |mean|^2 + tr(I) = 2.
    assert records["FD[coordinates]"].value == pytest.approx(2, abs=0.15)


def test_numbers_are_a_function_of_the_seed(tmp_path, points):
    made(tmp_path, CONFIGS["gan"], Vector(size=2))
    one, two, other = (
        [
            r.value
            for r in evaluate(tmp_path, data=points, samples=100, seed=seed, quick=True)
            if r.group != "compute"
        ]
        for seed in (1, 1, 2)
    )
    assert one == two != other


def test_the_number_of_samples_is_at_most_what_is_held_out_and_part_of_the_record(
    tmp_path, points
):
    made(tmp_path, CONFIGS["gan"], Vector(size=2))
    for asked, used in ((30, 30), (10_000, 1000)):
        records = evaluate(tmp_path, data=points, samples=asked, quick=True)
        judged = [r for r in records if r.value is not None and r.group != "compute"]
        assert judged and {record.n for record in judged} == {used}
    with pytest.raises(ConfigError, match="samples is 1; write at least 2"):
        evaluate(tmp_path, data=points, samples=1)


def test_pictures_that_lpips_does_not_take_are_refused_before_anything_is_judged(
    tmp_path, data, monkeypatch
):
    """At the end of training it is not computed, and its weights are not even looked for."""
    monkeypatch.setattr(subject, "open_lpips", lambda folder: LPIPS())
    made(tmp_path, CONFIGS["ae"], Pixels(shape=(1, 8, 8)))
    with pytest.raises(DataError, match=r"LPIPS takes pictures of .* >= 16; found 1 x 8 x 8"):
        evaluate(tmp_path, data=data[0], lpips="weights")
    assert not (tmp_path / "metrics.json").exists()
    monkeypatch.undo()
    evaluate(tmp_path, data=data[0], lpips="weights", quick=True)


def test_metrics_say_what_they_rest_on(tmp_path, data):
    judged(tmp_path, "vae", data)
    tree = json.loads((tmp_path / "vae" / "metrics.json").read_text())
    dataset = open_dataset(data[0])
    split = {"split": "test", "train": 50, "test": 20}
    assert tree["data"] == {"name": "d", "fingerprint": dataset.fingerprint, **split}
    assert (tree["weights"], tree["step"]) == ("average", 11)
    assert tree["model_sha256"] == Loaded(tmp_path / "vae").card.weights
    assert {"reverie", "torch", "machine", "time", "seed"} <= set(tree)


def test_a_model_alone_must_be_told_its_data(tmp_path, data):
    made(tmp_path, CONFIGS["vae"], Pixels(shape=(1, 8, 8)))
    with pytest.raises(
        ConfigError, match="does not say what it was trained on; name it with --data"
    ):
        evaluate(tmp_path)
    assert data_of(RunFolder(tmp_path), "ring").source == "ring"


def test_other_data_takes_the_models_shape_or_is_refused(tmp_path):
    loaded = made(tmp_path, CONFIGS["vae"], Pixels(shape=(1, 8, 8)))
    np.save(tmp_path / "large.npy", np.zeros((30, 20, 16, 3), np.uint8))
    dataset = fitting_data(loaded, DataConfig(source=str(tmp_path / "large.npy")), Listener())
    assert dataset.spec.shape == (1, 8, 8)
    config = DataConfig(source=str(tmp_path / "large.npy"), size=4)
    with pytest.raises(
        ConfigError, match=r"the model takes samples of \(1, 8, 8\), and this data has \(1, 4, 4\)"
    ):
        fitting_data(loaded, config, Listener())
