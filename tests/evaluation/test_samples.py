"""Scores of samples: named for their extractor, held beside real data, and each on its own."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from reverie.errors import DataError
from reverie.evaluation import evaluate
from reverie.evaluation.samples import (
    BALLS,
    balls,
    distance,
    fidelity,
    infinity,
    spread_of_parts,
)
from reverie.evaluation.scores import divergence, diversity, kernel_distance, quality
from reverie.features import open_extractor
from reverie.features.extractor import Card, Extractor, Takes
from reverie.features.fidelity import INCEPTION, INCEPTION_SHA256
from reverie.features.pixels import Entries
from reverie.features.registry import TENSORFLOW_RESIZE
from reverie.loading import Loaded
from reverie.metrics.neighbours import PRDC, prdc
from reverie.records import number
from reverie.verdict import verdict

ALL = {
    "FD", "FD infinity", "precision", "recall", "density", "coverage", "KID", "F8 of PRD",
    "F1/8 of PRD", "sliced Wasserstein", "Vendi score", "FLD", "FLD gap", "1-NN accuracy",
    "C2ST accuracy",
}  # fmt: skip


@pytest.fixture
def points(subject, dataset, families, monkeypatch):
    """A GAN whose samples of N(0, I), scaled and moved, are judged against N(0, I) in two dimensions."""
    x = torch.randn(3, 800, 2, generator=torch.Generator().manual_seed(0))

    def make(scale=1.0, shift=0.0, **protocol):
        made = x[2] * scale + torch.tensor([shift, 0.0])
        monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: made[:count])
        return subject(families["gan"], dataset(x[0], x[1]), **protocol)

    return make


def test_every_score_stands_beside_that_of_training_data_or_of_equal_distributions(
    points, by_metric
):
    records = by_metric(quality(points()))
    assert set(records) == ALL
    for name, record in records.items():
        assert {"training data", "held-out data", "equal distributions"} & set(record.reference), (
            name
        )
        assert record.n == 800 and record.metric == f"{name}[coordinates]"
        assert record.settings["extractor"]["name"] == "coordinates"
        assert record.settings["sampling_seed"] == 0
        alone = name in ("Vendi score", "classifier score")
        assert record.settings.get("compared_with") == (None if alone else "held-out split"), name


def test_samples_of_the_datas_law_score_as_training_data_does(points, by_metric):
    """Both are fresh draws: values differ by a few of their errors, and each test keeps equality."""
    records = by_metric(quality(points()))
    for name in ("KID", "precision", "recall", "density", "coverage"):
        record = records[name]
        assert abs(record.value - record.reference["training data"]) < 5 * record.uncertainty, name
    # 2 d / n + d (d + 1) / (2 (n - 1)) for unit variances, by chance alone.
    floor = records["FD"].reference["Gaussian floor"]
    assert floor == pytest.approx(4 / 800 + 3 / 799, rel=0.1)
    for name in ("FD", "FD infinity"):
        for value in (records[name].value, records[name].reference["training data"]):
            assert value < 4 * floor
    for name in ("1-NN accuracy", "C2ST accuracy"):
        assert records[name].p > 0.001
        assert records[name].value == pytest.approx(0.5, abs=0.07)
    assert abs(records["FLD"].value) < 5 * records["FLD"].uncertainty
    assert records["density"].reference["equal distributions"] == 1
    # 1 - prod (N - i) / (M + N - i) for k = 5 and N = M: 1 - 2^-5 but for 1/N.
    assert records["coverage"].reference["equal distributions"] == pytest.approx(
        1 - 2**-5, abs=1e-3
    )


def test_shifted_samples_are_as_far_as_closed_forms_say(points, by_metric):
    """N(m, I) against N(0, I), |m| = 2: FD 4, sliced W1 the mean 4 / pi of 2 |cos|, KID in closed form."""
    records = by_metric(quality(points(shift=2.0)))
    assert records["FD"].value == pytest.approx(4, rel=0.1)
    assert records["FD"].reference["Gaussian baseline"] < 0.02
    assert records["FD"].reference["Gaussian floor"] < 0.02
    assert records["FD infinity"].value == pytest.approx(
        4, abs=5 * records["FD infinity"].uncertainty
    )
    assert records["sliced Wasserstein"].value == pytest.approx(4 / torch.pi, rel=0.1)
    # 3q/d + 3q^2/d^2 + (q^3 + 6q^2 + (3d + 6)q)/d^3 with q = 4, d = 2.
    assert records["KID"].value == pytest.approx(6 + 12 + 26, rel=0.15)
    for name in ("1-NN accuracy", "C2ST accuracy"):
        assert records[name].p < 1e-6
    # Two normals 2 apart are told apart by a line in Phi(1) of cases.
    assert records["C2ST accuracy"].value == pytest.approx(0.841, abs=0.06)
    assert records["FLD"].value > 5 * records["FLD"].uncertainty


def test_collapsed_samples_lack_diversity_and_wide_ones_fidelity(points, by_metric):
    tight, wide = (
        by_metric(balls(points(scale, samples=500), BALLS, ())) for scale in (0.05, 5.0)
    )
    assert tight["recall"].value < 0.1 < 0.9 < tight["precision"].value
    assert wide["precision"].value < 0.6 < 0.8 < wide["recall"].value
    assert tight["coverage"].value < 0.3


@pytest.mark.parametrize(("scale", "ahead"), [(1.0, False), (0.7, True)])
def test_what_is_better_than_perfect_samples_is_not_ranked(
    scale, ahead, subject, dataset, families, monkeypatch, by_metric
):
    """Samples of 0.7 the spread, in 32 dimensions: within nearly all balls, near to all centres."""
    x = torch.randn(3, 2000, 32, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: scale * x[2][:count])
    judged = subject(families["gan"], dataset(x[0], x[1]))
    records = by_metric([*balls(judged, BALLS, ()), *divergence(judged)])
    directions = {"density": "higher", "coverage": "higher", "FLD": "lower"}
    for name, direction in directions.items():
        record = records[name]
        assert record.direction == ("none" if ahead else direction), name
        assert any("read recall" in text for text in record.warnings) == ahead
    assert records["recall"].direction == "higher"
    assert (records["recall"].value < 0.2) == ahead


def test_the_vendi_score_counts_directions(points, by_metric):
    """Of cosines: two for any law about the plane's origin, and one for samples far off on one side."""
    round_about, aside = (
        by_metric(diversity(points(shift=shift, samples=500)))["Vendi score"] for shift in (0, 50)
    )
    assert round_about.value == pytest.approx(2, rel=0.01)
    assert aside.value == pytest.approx(1, rel=0.02)
    for record in (round_about, aside):
        assert record.reference["held-out data"] == pytest.approx(2, rel=0.01)


def test_the_quick_scores_are_those_of_the_full_judgement(points, by_metric):
    quick, full = by_metric(fidelity(points(quick=True))), by_metric(quality(points()))
    assert set(quick) == {"FD", "density", "coverage"}
    for name, record in quick.items():
        assert record.value == full[name].value and record.settings == full[name].settings


def test_spreads_are_those_of_repetitions(points, by_metric, monkeypatch):
    """Fresh samples of the same law, 30 times: FD, density and coverage move by about what is stated."""
    values = {name: [] for name in ("FD", "density", "coverage", "KID")}
    stated = {name: [] for name in values}
    for seed in range(30):
        judged = points(quick=False)
        made = torch.randn(800, 2, generator=torch.Generator().manual_seed(100 + seed))
        made[:, 0] += 1
        monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0, made=made: made[:count])
        found = [
            *distance(judged),
            *balls(judged, ("density", "coverage"), ()),
            *kernel_distance(judged),
        ]
        for name, record in by_metric(found).items():
            values[name].append(record.value)
            stated[name].append(record.uncertainty)
    for name in values:
        spread = torch.tensor(values[name]).std().item()
        mean = torch.tensor(stated[name]).square().mean().sqrt().item()
        # 30 repetitions know the spread to a quarter at best; the errors of KID and of density count
        # held-out draws too.
        most = {"KID": 3, "density": 2.5}.get(name, 1.9)
        assert 0.5 * spread < mean < most * spread, name


def test_samples_of_classes_in_turn_spread_as_shuffled_ones_do():
    """Of ten clusters of samples one is nowhere near: each part has a precision of 0.9 but for its draw,
    sqrt(0.09 / 1000) = 0.0095 over all. Every tenth sample alone is of one class: 0.3 / sqrt 10."""
    generator = torch.Generator().manual_seed(0)
    places = 100 * torch.eye(10)[torch.arange(1000) % 10]
    real = torch.randn(1000, 10, generator=generator) + places[torch.randperm(1000)]
    fake = 0.1 * torch.randn(1000, 10, generator=generator) + places
    fake[9::10] -= 1000
    errors, parts = spread_of_parts(real, fake, seed=0)
    assert parts == 5 and 0.003 < errors["precision"] < 0.02


@pytest.mark.parametrize("count", [1000, 2000])
def test_errors_in_many_dimensions_are_the_spread_of_fresh_samples(count):
    """Of 30 draws in 32 dimensions against one reference. Parts of 50 would say half of it or less."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(count, 32, generator=generator)
    found: dict[str, list[float]] = {name: [] for name in BALLS}
    stated: dict[str, list[float]] = {name: [] for name in BALLS}
    for _ in range(30):
        fake = 1.1 * torch.randn(count, 32, generator=generator)
        values, (errors, _) = prdc(real, fake, 5), spread_of_parts(real, fake, seed=0)
        for name in BALLS:
            found[name].append(getattr(values, name))
            stated[name].append(errors[name])
    for name in BALLS:
        mean = torch.tensor(stated[name]).square().mean().sqrt().item()
        # 30 repetitions know a deviation to an eighth.
        assert 0.7 < mean / torch.tensor(found[name]).std().item() < 2, name


@pytest.mark.parametrize(
    ("count", "parts"), [(799, 0), (800, 4), (1999, 9), (2000, 10), (5000, 10)]
)
def test_parts_have_two_hundred_samples_or_there_are_fewer(count, parts, monkeypatch):
    sizes = []

    def few(real, fake, k):
        sizes.append(min(len(real), len(fake)))
        return PRDC(*torch.rand(4).tolist())

    monkeypatch.setattr("reverie.evaluation.samples.prdc", few)
    errors, found = spread_of_parts(torch.zeros(count, 2), torch.zeros(count, 2), seed=0)
    assert found == parts == len(sizes) and set(errors) == (set(BALLS) if parts else set())
    assert all(size >= 200 for size in sizes)


def test_the_error_of_the_distance_at_infinity_is_its_spread_over_draws_of_samples(
    subject, dataset, families, monkeypatch
):
    """Of 30 draws; the residuals of the line alone miss what the whole set shares."""
    x = torch.randn(32, 800, 2, generator=torch.Generator().manual_seed(0))
    found = []
    for draw in x[2:] + 0.7:
        monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0, z=draw: z[:count])
        found += infinity(subject(families["gan"], dataset(x[0], x[1])))
    values, errors = (
        torch.tensor([getattr(record, name) for record in found])
        for name in ("value", "uncertainty")
    )
    # A deviation of 30 values is known to a seventh; both sides' share of the line is counted twice.
    assert 0.7 < float(errors.mean() / values.std()) < 1.6


def test_errors_of_few_groups_say_their_degrees_of_freedom(points, by_metric):
    records = by_metric(quality(points()))
    assert {name: records[name].df for name in ("FD", "FD infinity", "coverage", "KID")} == {
        "FD": 19,
        "FD infinity": 13,
        "coverage": 3,  # 800 samples are four parts
        "KID": None,
    }
    assert records["sliced Wasserstein"].df == 9


@pytest.mark.parametrize("count", [2, 4, 8, 12, 40])
def test_too_few_samples_for_one_score_leave_the_others(count, points, by_metric):
    records = by_metric(quality(points(samples=count)))
    lost = [name for name, record in records.items() if record.value is None]
    assert all(records[name].reason for name in lost)
    # Balls of 5 neighbours want 50 samples, FD infinity 30, and a covariance of two features 3.
    assert "coverage" in lost and ("FD infinity" in lost) == (count < 30)
    assert ("FD" in lost) == (count < 3)
    assert set(records) == ALL


@pytest.fixture
def many_features(subject, families, noise_pictures):
    """A VAE judged by the random network, which has 256 features."""

    def make(test, train=300, **protocol):
        return subject(families["vae"], noise_pictures(train=train, test=test), **protocol)

    return make


def test_few_samples_for_many_features_are_warned_of(points, by_metric, many_features):
    record = by_metric(fidelity(many_features(300)))["FD"]
    [warning] = record.warnings
    bias = number(record.reference["Gaussian floor"])
    assert warning == (
        f"300 samples are few for 256 features: about {bias} of the distance is bias; 2,560 or more are "
        "needed"
    )
    assert by_metric(fidelity(points()))["FD"].warnings == ()


@pytest.mark.parametrize(("score", "lost"), [(fidelity, {"FD"}), (quality, {"FD", "FD infinity"})])
def test_a_distance_of_no_more_samples_than_features_is_a_dash_that_says_why(
    score, lost, many_features, by_metric
):
    """Its covariances would be singular; what is no distance of Gaussians stands."""
    records = by_metric(score(many_features(256)))
    assert {name for name, record in records.items() if record.value is None} == lost
    for name in lost:
        assert records[name].reason.startswith("the covariance of 256 features needs at least 257")
        assert "take more samples, or an extractor of fewer features" in records[name].reason
    assert "found 256" in records["FD"].reason and records["coverage"].warnings == ()


def test_where_too_few_are_left_without_a_group_there_is_a_distance_without_its_spread(
    many_features, by_metric
):
    """Of 260 in groups of 13, 247 would be left for 256 features, and 130 in the smallest subset."""
    judged = many_features(260)
    record = by_metric(distance(judged))["FD"]
    assert record.value > 0 and (record.uncertainty, record.method) == (None, "")
    with pytest.raises(DataError, match=r"257 samples in the smallest subset.* found 130"):
        infinity(judged)


def test_a_training_split_of_fewer_samples_stands_beside_nothing(many_features, by_metric):
    """50 samples cover less of 600 held-out ones than 600 of the same law do: 0.3 and 0.97."""
    records = by_metric(quality(many_features(600, train=50)))
    few = "no training data stands beside it: it has 50 samples, and 600 are judged"
    for name, record in records.items():
        assert "training data" not in record.reference
        assert (few in record.warnings) == (name in ("FD", "FD infinity"))
    beside = records["coverage"].reference
    assert beside == {"equal distributions": pytest.approx(1 - 2**-5, abs=1e-3)} | {
        "Gaussian baseline": beside["Gaussian baseline"]
    }
    [line] = [t for t in verdict([r.to_dict() for r in records.values()], []) if "cover" in t]
    assert "where equal distributions reach 97 %" in line


def inception(**changes):
    """What goes by Inception's name; its features are pixels here."""
    takes = Takes(channels=(1, 3))
    card = Card(INCEPTION, "2015-12-05", takes, 64, TENSORFLOW_RESIZE, side=299, classes=0)
    card = dataclasses.replace(card, **{k: v for k, v in changes.items() if k != "sha256"})
    return Extractor(card, changes.get("sha256", INCEPTION_SHA256), Entries().eval())


@pytest.mark.parametrize(
    ("change", "count", "called"),
    [
        ({}, 10_000, "FID"),
        ({}, 9_999, f"FD[{INCEPTION}@{INCEPTION_SHA256[:8]}]"),
        ({"resize": "bicubic"}, 10_000, f"FD[{INCEPTION}@{INCEPTION_SHA256[:8]}]"),
        ({"sha256": "0" * 64}, 10_000, f"FD[{INCEPTION}@00000000]"),
        ({"name": "FD-of-mine"}, 10_000, f"FD[FD-of-mine@{INCEPTION_SHA256[:8]}]"),
    ],
)
def test_only_the_original_network_with_enough_samples_is_called_fid(
    change, count, called, subject, dataset, families, monkeypatch
):
    """The same name must not stand in FD infinity either."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (count, 1, 8, 8), generator=generator).to(torch.uint8)
    judged = subject(families["gan"], dataset(x, x))
    judged.__dict__["extractor"] = inception(**change)
    judged._features |= {
        name: torch.randn(count, 2, generator=generator)
        for name in ("held out", "training", "samples", "gaussian")
    }
    assert distance(judged)[0].metric == called
    infinite = called.replace("FD[", "FD infinity[") if called != "FID" else "FID infinity"
    assert infinity(judged)[0].metric == infinite


def test_a_classifier_scores_by_its_classes(subject, dataset, families, monkeypatch, by_metric):
    """exp(H(y) - H(y|x)) of what MNIST's own extractor says of noise, by scipy; at most its ten classes."""
    x = torch.randint(0, 256, (40, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    data = dataset(x.to(torch.uint8), x.to(torch.uint8), name="mnist")
    judged = subject(families["gan"], data)
    record = by_metric(quality(judged))["classifier score"]

    def known(samples):
        p = judged.extractor.probabilities(samples).double().numpy()
        return np.exp(entropy(p.mean(0)) - entropy(p, axis=1).mean())

    assert record.value == pytest.approx(known(judged.samples), rel=1e-6)
    assert record.reference["held-out data"] == pytest.approx(known(judged.held_out), rel=1e-6)
    assert record.value != record.reference["held-out data"] and record.reference["at most"] == 10
    assert judged.extractor.name == "lenet-mnist-v1"


def test_the_spectrum_is_of_pictures_of_8_pixels_and_more(
    subject, families, noise_pictures, dataset, by_metric
):
    assert "spectrum distance" in by_metric(quality(subject(families["vae"], noise_pictures())))
    small = dataset(*torch.zeros(2, 40, 1, 7, 8, dtype=torch.uint8))
    assert "spectrum distance" not in by_metric(quality(subject(families["vae"], small)))


def test_what_does_not_sample_says_so_of_every_score(subject, families, noise_pictures):
    judged = subject(families["ae"], noise_pictures())
    names = {record.metric for record in quality(judged)}
    assert names == ALL | {"classifier score", "spectrum distance"}
    for record in (*fidelity(judged), *quality(judged)):
        assert (record.value, record.reason) == (
            None,
            "an autoencoder has no prior to sample from",
        )


def test_an_extractor_that_does_not_take_the_data_is_refused_before_anything_is_judged(
    subject, families, noise_pictures, tmp_path, pictures
):
    for name in ("gan", "ae"):
        run = subject(families[name], noise_pictures(), folder=name).loaded.folder
        for quick in (True, False):
            with pytest.raises(
                DataError, match="lenet-mnist-v1 takes 1 x 28 x 28; found 1 x 8 x 8"
            ):
                evaluate(run, data=str(pictures), extractor="lenet-mnist-v1", quick=quick)
        assert not (run / "metrics.json").exists()


def test_an_extractor_that_is_named_is_the_one_used(subject, families, noise_pictures, by_metric):
    judged = subject(families["vae"], noise_pictures(test=70), extractor="pixels")
    assert by_metric(fidelity(judged))["FD"].metric == "FD[pixels]"
    assert judged.features("samples").shape == (70, 64)
    assert open_extractor("pixels").tag == "pixels"
