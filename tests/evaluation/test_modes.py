"""Modes are counted where their names are known to be the data's, and clusters everywhere."""

import pytest
import torch
from PIL import Image

from reverie.data import DataConfig, open_dataset
from reverie.data.toys import GRID_SIGMA, RING_SIGMA, grid_means, ring_means
from reverie.evaluation.modes import modes
from reverie.evaluation.pages import paint
from reverie.features.extractor import Card, Extractor, Network, Takes
from reverie.loading import Loaded
from reverie.protocol import Protocol
from reverie.records import Record
from reverie.runs import RunFolder

TOYS = {
    "ring": (torch.tensor(ring_means()), RING_SIGMA),
    "grid": (torch.tensor(grid_means()), GRID_SIGMA),
}


@pytest.fixture
def toy(dataset):
    """A toy as Reverie makes it, but small."""

    def make(name, count=1000):
        means, sigma = TOYS[name]
        generator = torch.Generator().manual_seed(0)
        y = torch.arange(2 * count) % len(means)
        x = (means[y] + sigma * torch.randn(2 * count, 2, generator=generator)).float()
        names = tuple(map(str, range(len(means))))
        return dataset(x[:count], x[count:], y[:count], y[count:], names, name)

    return make


@pytest.fixture
def sampled(monkeypatch):
    """Lets models sample these, over and over."""

    def put(x):
        def sample(self, count, seed=0):
            return x.repeat(-(-count // len(x)), *[1] * (x.dim() - 1))[:count]

        monkeypatch.setattr(Loaded, "sample", sample)

    return put


@pytest.mark.parametrize("name", TOYS)
def test_samples_of_the_law_reach_all_modes(name, toy, subject, families, sampled, by_metric):
    """99 % within 3 sigma: 1 - exp(-9/2) = 0.98889; KL about (K - 1) / 2N."""
    means, sigma = TOYS[name]
    total, generator = len(means), torch.Generator().manual_seed(5)
    y = torch.randint(total, (1000,), generator=generator)
    sampled((means[y] + sigma * torch.randn(1000, 2, generator=generator)).float())
    records = by_metric(modes(subject(families["gan"], toy(name))))
    for metric in ("modes reached", "modes with a fair share"):
        assert records[metric].value == total == records[metric].reference["all"]
        assert records[metric].warnings == ()
    good = records["good samples"]
    assert good.value == pytest.approx(0.98889, abs=0.014)
    assert good.interval[0] < 0.98889 < good.interval[1]
    assert good.reference["held-out data"] == pytest.approx(0.98889, abs=0.014)
    kl = records["KL of modes"]
    assert kl.reference["perfect samples"] == pytest.approx((total - 1) / 2000, rel=0.03)
    assert 0 < kl.value < 3 * kl.reference["perfect samples"]
    assert (
        records["clusters reached"].value
        >= records["clusters reached"].reference["training data"] - 3
    )


@pytest.mark.parametrize("name", TOYS)
def test_the_toys_that_reverie_makes_have_known_modes(name, subject, families, sampled, by_metric):
    """Labels are the modes in the order of the means; held-out points lie within 3 sigma."""
    data = open_dataset(DataConfig(source=name))
    sampled(TOYS[name][0].float())
    records = by_metric(modes(subject(families["gan"], data, samples=500)))
    total = len(TOYS[name][0])
    assert records["modes reached"].value == total
    assert records["modes reached"].settings["named rightly"] == pytest.approx(0.98889, abs=0.02)


def test_modes_that_are_lost_are_counted_and_named(toy, subject, families, sampled, by_metric):
    """Two thirds of the samples on mode 0 and a third on mode 3, all good; of six modes there is none.

    KL to 1/8 each: 2/3 ln(16/3) + 1/3 ln(8/3) = 1.443.
    """
    means = TOYS["ring"][0].float()
    sampled(means[[0, 0, 3]])
    records = by_metric(modes(subject(families["gan"], toy("ring", 999))))
    reached = records["modes reached"]
    assert (reached.value, records["modes with a fair share"].value) == (2, 2)
    assert reached.warnings == ("no sample is of 6 of 8 modes: 1, 2, 4, 5, 6, 7",)
    assert reached.shown["counts"] == dict(
        zip("01234567", (666, 0, 0, 333, 0, 0, 0, 0), strict=True)
    )
    assert "extractor" not in reached.settings  # the rule is of the points themselves
    assert records["good samples"].value == 1
    assert records["KL of modes"].value == pytest.approx(1.443, abs=1e-3)


def test_samples_between_modes_are_of_none(toy, subject, families, sampled, by_metric):
    sampled(torch.zeros(1, 2))
    records = by_metric(modes(subject(families["gan"], toy("ring"))))
    assert records["modes reached"].value == records["good samples"].value == 0
    kl = records["KL of modes"]
    assert (kl.value, kl.reason) == (None, "no sample is of any mode")


@pytest.mark.parametrize("width", [2, 3])
def test_data_of_ones_own_that_bears_a_toys_name_has_no_known_modes(
    width, toy, dataset, subject, families, sampled, by_metric
):
    x = torch.randn(200, width, generator=torch.Generator().manual_seed(0))
    y = torch.arange(200) % 8
    for labels in ({}, {"y": y, "y_test": y, "classes": tuple("abcdefgh")}):
        sampled(x)
        found = by_metric(modes(subject(families["gan"], dataset(x, x, name="ring", **labels))))
        assert set(found) == {"clusters reached"}


class Brightness(Network):
    """Features and class of a picture by its first pixel: tenths are classes."""

    def features(self, x):
        return x.flatten(1)

    def forward(self, x):
        return torch.nn.functional.one_hot((x[:, 0, 0, 0] * 9).round().long(), 10) * 20.0


@pytest.fixture
def digits(dataset):
    """Pictures of ten classes, the class in the first pixel; `mixed` spoils the labels."""

    def make(mixed=False, classes=10):
        y = torch.arange(400) % classes
        x = torch.randint(0, 256, (400, 1, 8, 8), generator=torch.Generator().manual_seed(0))
        x[:, 0, 0, 0] = (y / 9 * 255).round()
        labels = (y + 3) % 10 if mixed else y
        return dataset(x.to(torch.uint8), x.to(torch.uint8), labels, labels, tuple("abcdefghij"))

    return make


@pytest.fixture
def classified(subject, families):
    """A subject whose extractor tells ten classes."""

    def make(data):
        judged = subject(families["gan"], data)
        card = Card("brightness", "1", Takes(), 64, classes=10)
        judged.__dict__["extractor"] = Extractor(card, "", Brightness().eval())
        return judged

    return make


def of_class(*classes):
    """Pictures of these classes."""
    x = torch.rand(len(classes), 1, 8, 8, generator=torch.Generator().manual_seed(1))
    x[:, 0, 0, 0] = torch.tensor(classes) / 9
    return x


def test_classes_are_modes_for_an_extractor_that_knows_them(
    digits, classified, sampled, by_metric
):
    sampled(of_class(0, 1, 2, 3, 4, 5, 6, 7, 8, 8))
    records = by_metric(modes(classified(digits())))
    assert records["modes reached"].value == 9
    assert records["modes reached"].warnings == ("no sample is of 1 of 10 modes: j",)
    assert records["modes reached"].reference == {"held-out data": 10, "all": 10}
    # Eight classes have their share of a tenth, and the ninth two of them: 0.2 ln 2.
    assert records["KL of modes"].value == pytest.approx(0.2 * torch.tensor(2.0).log().item())
    assert records["KL of modes"].settings["named rightly"] == 1
    for name in ("modes reached", "modes with a fair share", "KL of modes"):
        assert records[name].settings["extractor"]["name"] == "brightness"
    counts = records["modes reached"].shown["counts"]
    assert counts == dict(zip("abcdefghij", [40] * 8 + [80, 0], strict=True))
    assert "good samples" not in records


def test_classes_that_the_extractor_does_not_know_are_no_modes(
    digits, classified, sampled, by_metric
):
    """Any data of ten classes and MNIST's shape gets MNIST's extractor: its classes are other things."""
    sampled(of_class(*range(10)))
    assert set(by_metric(modes(classified(digits(mixed=True))))) == {"clusters reached"}


def test_a_class_without_training_samples_leaves_the_others_counted(
    digits, classified, sampled, by_metric
):
    """Nobody can say what share of the samples it should have."""
    sampled(of_class(*range(10)))
    data = digits(classes=9)
    assert int(data.train.y.max()) == 8 and len(data.spec.classes) == 10
    records = by_metric(modes(classified(data)))
    assert "modes reached" not in records and records["clusters reached"].value


def test_clusters_never_reached_are_counted_warned_of_and_shown(
    dataset, subject, families, sampled, by_metric
):
    """Held-out pictures of ten kinds, of which samples know five: 5 of 10 kinds are half of the data."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.rand(10, 1, 8, 8, generator=generator).round()
    y = torch.arange(200) % 10
    x = (kinds[y] * 200 + torch.randint(0, 20, (200, 1, 8, 8), generator=generator)).to(
        torch.uint8
    )
    judged = subject(families["gan"], dataset(x, x))
    sampled(x[y < 5] / 255)
    records = modes(judged)
    record = by_metric(records)["clusters reached"]
    assert record.reference["all"] == 10 and record.value == 5
    [warning] = record.warnings
    assert warning.startswith("5 of 10 clusters of held-out data, 50 % of it, are never generated")
    shown = judged.held_out[record.shown["unreached"]]
    missing = ((shown[:, None] - kinds[None] * 200 / 255).abs().flatten(2).mean(2)).argmin(1)
    assert sorted(missing.tolist()) == [5, 6, 7, 8, 9]
    folder = RunFolder(judged.loaded.folder)
    assert [path.name for path in paint(judged, folder, records)] == [
        "neighbours.png",
        "unreached.png",
    ]
    # Five pictures of 8 x 8 in a row of eight: however few there are, none is wider than an eighth.
    with Image.open(folder.samples / "unreached.png") as image:
        width, height = image.size
    assert width > 7 * height
    # Trained on until all are reached, the run no longer shows them.
    assert [p.name for p in paint(judged, folder, [Record(metric="x", value=1)])] == [
        "neighbours.png"
    ]
    assert not (folder.samples / "unreached.png").exists()
    # A quick judgement replaces all numbers; pictures of another model do not stand beside its own.
    judged.protocol = Protocol(quick=True)
    assert paint(judged, folder, records) == []
    assert not (folder.samples / "neighbours.png").exists()


@pytest.mark.parametrize(("train", "stands"), [(199, False), (200, True)])
def test_too_few_training_samples_say_nothing_of_the_clusters_they_reach(
    train, stands, dataset, subject, families, sampled, by_metric
):
    x = torch.rand(400, 1, 8, 8, generator=torch.Generator().manual_seed(0)).mul(255)
    x = x.to(torch.uint8)
    sampled(x[:200] / 255)
    judged = subject(families["gan"], dataset(x[:train], x[200:]))
    record = by_metric(modes(judged))["clusters reached"]
    assert ("training data" in record.reference) == stands


def test_what_does_not_sample_has_no_modes(subject, families, noise_pictures):
    records = modes(subject(families["ae"], noise_pictures()))
    names = ("modes reached", "modes with a fair share", "good samples", "KL of modes")
    assert tuple(record.metric for record in records) == (*names, "clusters reached")
    assert all(record.value is None and "no prior" in record.reason for record in records)
