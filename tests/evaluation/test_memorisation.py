"""Copies are found and said to be copies; samples of the data's law are not."""

from itertools import combinations

import pytest
import torch

from reverie.evaluation.memorisation import memorisation, nearest_to_training
from reverie.evaluation.pages import nearest_pixels, neighbours
from reverie.loading import Loaded
from reverie.metrics.neighbours import nearest
from reverie.pictures import grid, to_png
from reverie.verdict import verdict

N = 1500


@pytest.fixture
def judge(subject, dataset, families, monkeypatch, by_metric):
    """Records and verdict on samples, where training and held-out data are N(0, I) in four dimensions."""
    generator = torch.Generator().manual_seed(0)
    pool = torch.randn(3 * N, 4, generator=generator)

    def find(samples, count=N, also=pool[:0]):
        data = dataset(torch.cat([pool[:count], also]), pool[N : N + count])
        made = samples(pool[:count]) if samples is not None else pool[2 * N : 2 * N + count]
        monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: made[:count])
        records = memorisation(subject(families["gan"], data))
        [line] = verdict([record.to_dict() for record in records], [])
        return by_metric(records), line

    return find


NAMES = (
    "C_T",
    "nearest is training data",
    "authenticity",
    "exact copies",
    "near copies",
    "distance to training data",
    "repeated samples",
)


def test_samples_of_the_datas_law_are_no_copies(judge):
    records, line = judge(None)
    assert line.startswith("No sign of copying") and tuple(records) == NAMES
    assert all(record.warnings == () for record in records.values())
    test = records["C_T"]
    assert abs(test.value) < 3 * test.uncertainty and test.reference == {"held-out data": 0}
    for name in ("authenticity", "near copies"):
        low, high = records[name].interval
        assert low <= records[name].reference["held-out data"] <= high
    assert records["near copies"].reference["held-out data"] == pytest.approx(1 / (N + 1))
    assert records["exact copies"].value == records["repeated samples"].value == 0
    distance = records["distance to training data"]
    real = distance.reference["held-out data"]
    assert abs(distance.value - real) < 4 * 2**0.5 * distance.uncertainty and real > 0


def test_the_training_set_itself_is_a_copy(judge):
    records, line = judge(lambda train: train)
    assert line.startswith("It copies its training data")
    copies, exact, near = records["nearest is training data"].warnings
    assert "the model copies" in copies
    assert exact.startswith("100.0 % of samples have exactly the features of a training sample")
    assert near.startswith(
        "100.0 % of samples lie as near to a training sample as the nearest 0.07 %"
    )
    assert records["C_T"].value < -20 * records["C_T"].uncertainty
    assert records["exact copies"].value == records["near copies"].value == 1
    assert records["authenticity"].value == 0
    assert records["distance to training data"].value == 0


def test_copies_with_a_little_noise_are_copies(judge):
    noise = 0.01 * torch.randn(N, 4, generator=torch.Generator().manual_seed(1))
    records, line = judge(lambda train: train + noise)
    assert line.startswith("It copies its training data")
    assert records["exact copies"].value == 0 and records["near copies"].value > 0.9


def test_a_few_copies_among_honest_samples_are_found(judge):
    """Two per cent copies hardly move C_T, but no honest sample lies so near."""
    fresh = torch.randn(N, 4, generator=torch.Generator().manual_seed(2))
    records, line = judge(lambda train: torch.cat([train[: N // 50], fresh[N // 50 :]]))
    assert line.startswith("Some samples may be copies of training data")
    assert records["exact copies"].value == pytest.approx(0.02)
    assert records["near copies"].value == pytest.approx(0.02, abs=0.002)


def test_copies_beside_wild_samples_are_found(judge):
    """A third near-copies, the rest far off: C_T balances, and what is nearest to them does not."""
    noise = torch.randn(N, 4, generator=torch.Generator().manual_seed(2))
    third = torch.arange(N)[:, None] % 3 == 0
    records, line = judge(lambda train: torch.where(third, train + 0.1 * noise, 2 * noise))
    assert records["C_T"].value > 0
    [warning] = records["nearest is training data"].warnings[:1]
    assert warning.endswith("lie nearest to a training sample; where nothing is copied 50.0 % do")
    assert line.startswith("Some samples may be copies of training data")


@pytest.mark.parametrize("width", [4, 32])
@pytest.mark.parametrize("scale", [0.7, 0.9])
def test_samples_that_crowd_where_data_is_dense_are_not_called_copies(
    scale, width, subject, dataset, families, monkeypatch, by_metric
):
    """Too little variance brings samples near to all data, seen and unseen: C_T alone cannot tell."""
    x = torch.randn(3 * N, width, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: scale * x[:count])
    judged = subject(families["gan"], dataset(x[N : 2 * N], x[2 * N :]))
    records = memorisation(judged)
    test, chosen = by_metric(records)["C_T"], by_metric(records)["nearest is training data"]
    assert test.value < -3 * test.uncertainty
    [warning] = chosen.warnings
    assert warning.endswith("so they crowd where the data is dense")
    assert abs(chosen.value - 0.5) < 3 * chosen.uncertainty
    [line] = verdict([record.to_dict() for record in records], [])
    assert line.startswith("No sign of copying")


def test_what_is_nearest_is_training_data_as_often_as_there_is_of_it():
    """Z over 300 repetitions of honest, crowded samples: N(0, 1), whatever the sizes."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(300):
        train, held_out, made = (
            torch.randn(size, 8, generator=generator) for size in (300, 100, 150)
        )
        near = nearest_to_training(
            nearest(0.7 * made, train), nearest(0.7 * made, held_out), (300, 100)
        )
        assert near.expected == 0.75
        found.append((near.share - 0.75) / near.deviation)
    z = torch.tensor(found)
    assert abs(z.mean()) < 4 / 300**0.5 and z.std() == pytest.approx(1, abs=4 / 600**0.5)


def test_one_datum_that_many_samples_crowd_on_is_no_copy():
    """100 training and 900 held-out data; half of the samples lie at one of them, which is a training
    sample in one draw of ten: then the share is 0.55 where 0.1 is expected, and nothing is copied."""
    data = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
    made = torch.cat([data[:1].repeat(500, 1), data[500:]]) + 1e-3
    train, held_out = data[:100], data[100:]
    near = nearest_to_training(nearest(made, train), nearest(made, held_out), (100, 900))
    assert near.share == pytest.approx(0.5) and near.on_few and not near.copied
    assert near.data == pytest.approx(1000**2 / (500**2 + 500), rel=0.02)
    honest = nearest_to_training(nearest(data, train), nearest(data, held_out), (100, 900))
    assert honest.data == 1000 and not honest.on_few


def test_the_deviation_is_that_of_all_ways_to_call_data_training_data():
    """Six data on a line, of which any three may be the training data: all twenty ways."""
    data, made = (
        torch.tensor([0.0, 1, 2, 3, 4, 5])[:, None],
        torch.tensor([0.1, 0.2, 1.1, 4.8])[:, None],
    )
    shares, deviations = [], []
    for chosen in combinations(range(6), 3):
        mask = torch.zeros(6, dtype=torch.bool)
        mask[list(chosen)] = True
        near = nearest_to_training(nearest(made, data[mask]), nearest(made, data[~mask]), (3, 3))
        shares.append(near.share)
        deviations.append(near.deviation)
    spread = torch.tensor(shares).std(correction=0).item()
    assert deviations == pytest.approx([spread] * 20) and sum(shares) / 20 == pytest.approx(0.5)


def test_samples_that_repeat_each_other_copy_no_training_data(judge):
    fresh = torch.randn(N // 2, 4, generator=torch.Generator().manual_seed(3))
    records, line = judge(lambda train: fresh.repeat(2, 1))
    assert records["repeated samples"].value == 0.5
    assert records["repeated samples"].reference == {"held-out data": 0}
    assert records["repeated samples"].warnings == ("50.0 % of samples repeat another one",)
    assert records["C_T"].warnings == ()
    assert line.startswith("No sign of copying")


@pytest.mark.parametrize("count", [20, 60, 300, 999])
def test_a_few_hundred_samples_are_judged_too(count, judge):
    """The nearest held-out sample is the threshold then, and fewer cells keep 20 samples in each."""
    records, line = judge(None, count)
    assert line.startswith("No sign of copying")
    assert all(records[name].value is not None for name in NAMES)
    near = records["near copies"]
    assert near.reference["held-out data"] == pytest.approx(1 / (count + 1))
    assert near.settings["quantile"] == pytest.approx(1 / count)
    _, line = judge(lambda train: train, count)
    assert line.startswith("It copies its training data")


def test_one_held_out_sample_tells_nothing_of_copies(subject, dataset, families, by_metric):
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    found = by_metric(memorisation(subject(families["gan"], dataset(x[1:], x[:1]))))
    assert found["near copies"].reason.startswith(
        "copies are told from honest samples by at least 2"
    )


def test_too_few_samples_for_a_rank_test_are_judged_by_the_rest(
    subject, dataset, families, by_metric
):
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    *records, repeated = memorisation(subject(families["gan"], dataset(x[:30], x[30:])))
    assert (repeated.metric.partition("[")[0], repeated.value) == ("repeated samples", 0)
    found = by_metric(records)
    assert found["C_T"].reason == "10 held-out and generated samples are too few for a rank test"
    assert all(record.value is not None for name, record in found.items() if name != "C_T")


def test_copies_in_a_corner_that_holds_little_held_out_data_are_found(judge):
    """One training sample far out, again and again: no cell has held-out data to rank that against."""
    corner = torch.full((1, 4), 50.0)
    records, line = judge(lambda train: corner.expand(N, -1), also=corner)
    assert line.startswith("Some samples may be copies of training data")
    assert records["exact copies"].value == 1 and records["C_T"].settings["cells"] == 1
    assert records["C_T"].value < -20


def test_data_that_the_model_was_not_trained_on_is_not_called_its_training_data(
    subject, dataset, families, by_metric
):
    """No verdict either: that nothing of it is copied says nothing of the model."""
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    records = memorisation(subject(families["gan"], dataset(x[:100], x[100:]), seen="f" * 64))
    found = by_metric(records)
    assert tuple(found) == NAMES and found.pop("repeated samples").value == 0
    for record in found.values():
        assert record.value is None
        assert record.reason.startswith("it was trained on other data (fingerprint ffffffffffff,")
    assert verdict([record.to_dict() for record in records], []) == []


def test_a_model_that_does_not_say_what_it_was_trained_on_is_not_judged_by_it(
    subject, families, noise_pictures, by_metric
):
    judged = subject(families["gan"], noise_pictures())
    (judged.loaded.folder / "provenance.json").unlink()
    record = by_metric(memorisation(judged))["C_T"]
    assert record.reason == "the run does not say what it was trained on"


def test_distances_in_pixels_are_to_the_nearest_of_the_whole_training_split(
    subject, families, dataset, monkeypatch, by_metric
):
    """Half are copies; 64 pixels apart by 1/255 are 8/255 away, by 2/255 twice that. Parts are of seven."""
    monkeypatch.setattr("reverie.evaluation.memorisation.chunk_of", lambda entries: 7)
    train = torch.zeros(50, 1, 8, 8, dtype=torch.uint8)
    train[:, 0, 0, 0] = torch.arange(50) * 5
    test, made = train[:30] + 2, (train[:30] + 1) / 255
    made[:15] = train[35:] / 255
    monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: made[:count])
    record = by_metric(memorisation(subject(families["gan"], dataset(train, test))))[
        "distance to training data, pixels"
    ]
    assert record.value == pytest.approx(4 / 255, rel=1e-4) and record.n == 30
    assert record.reference == {"held-out data": pytest.approx(16 / 255, rel=1e-4)}


def test_what_does_not_sample_cannot_copy(subject, families, noise_pictures):
    for record in memorisation(subject(families["ae"], noise_pictures())):
        assert (record.value, record.reason) == (
            None,
            "an autoencoder has no prior to sample from",
        )


def test_the_nearest_pixels_are_found_in_parts(dataset, monkeypatch):
    """Each picture of a split is its own nearest, and the first of two that are equal."""
    x = torch.rand(25, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x = torch.cat([x, x])
    monkeypatch.setattr("reverie.evaluation.pages.chunk_of", lambda entries: 7)
    order = torch.randperm(25, generator=torch.Generator().manual_seed(1))
    found = nearest_pixels(x[order] + 1e-4, dataset(x, x).train)
    assert torch.equal(found, x[order])


def test_the_page_shows_the_nearest_over_their_neighbours(
    subject, families, noise_pictures, monkeypatch
):
    """Three copies among random pictures come first, each over itself twice."""
    judged = subject(families["gan"], noise_pictures())
    copies = judged.dataset.train.x[[3, 1, 2]] / 255
    made = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    made[[4, 5, 6]] = copies
    monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: made[:count])
    shown = []

    def keep(sheet, columns):
        shown.append(sheet)
        return grid(sheet, columns)

    monkeypatch.setattr("reverie.evaluation.pages.grid", keep)
    path = neighbours(judged, judged.loaded.folder / "neighbours.png")
    rows = shown[0].unflatten(0, (3, 16))
    assert torch.allclose(rows[0, :3], copies, atol=1e-6)
    assert torch.allclose(rows[1, :3], copies) and torch.allclose(rows[2, :3], copies)
    assert path.read_bytes() == to_png(grid(shown[0], 16))
