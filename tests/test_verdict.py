"""Every sentence rests on a record, and says no more than it does."""

from dataclasses import replace

import pytest

from reverie.records import Record
from reverie.verdict import verdict, warnings


def said(*records, log=()):
    return verdict([record.to_dict() for record in records], list(log))


def shares(metric, value, training, **more):
    return Record(
        metric=f"{metric}[x@1]", value=value, reference={"training data": training}, **more
    )


def test_nothing_known_is_nothing_said():
    assert said() == []
    assert said(Record(metric="held-out -elbo", value=None, reason="x")) == []


def test_a_cost_is_named_with_its_error_where_there_is_one():
    elbo = Record(metric="held-out -elbo", value=100.0, uncertainty=0.5)
    assert said(elbo) == ["Held-out samples cost 100 nats (-ELBO, standard error 0.5)."]
    alone = Record(metric="held-out -elbo", value=100.0)  # one held-out sample
    assert said(alone) == ["Held-out samples cost 100 nats (-ELBO)."]


def bound(draws, value, **reference):
    metric = f"-log p(x) bound, k={draws}"
    return Record(metric=metric, value=value, settings={"draws": draws}, reference=reference)


def test_the_tightest_bound_is_the_one_spoken_of():
    elbo = Record(metric="held-out -elbo", value=100.0, uncertainty=0.5)
    lines = said(elbo, bound(50, 98.0), bound(5000, 97.0))
    assert lines[1] == (
        "With 5,000 draws the bound is 97 nats: the approximate posterior costs 3 of the ELBO or more."
    )


def test_a_bound_above_the_elbo_by_chance_costs_nothing():
    elbo = Record(metric="held-out -elbo", value=100.0, uncertainty=0.5)
    assert said(elbo, bound(50, 100.1))[1] == "With 50 draws the bound is 100.1 nats."


def test_a_difference_within_its_noise_is_not_called_a_cost():
    """Two standard errors of 0.5 and 0.5: 1.41."""
    elbo = Record(metric="held-out -elbo", value=100.0, uncertainty=0.5)
    for value, costs in ((98.7, False), (98.5, True)):
        line = said(elbo, replace(bound(50, value), uncertainty=0.5))[1]
        assert ("costs" in line) == costs


def test_the_floor_and_the_trivial_model_stand_beside_the_bound():
    elbo = Record(metric="held-out -elbo", value=100.0, uncertainty=0.5)
    anchors = {"hard floor": 45.5, "independent Bernoulli": 205.8}
    lines = said(elbo, bound(50, 98.0, **anchors))
    assert lines[2] == (
        "No model of these pixels can be below 45.5; one without latents reaches 205.8."
    )


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        (0.98, "nearly all of the data"),
        (0.94, "most of the data"),
        (0.61, "much of the data"),
        (0.31, "a part of the data"),
        (0.05, "little of the data"),
        (0.0, "little of the data"),
    ],
)
def test_coverage_is_a_share_of_what_real_data_reaches(coverage, words):
    """0.98 of the 0.8 that training data reaches is nearly all, though it is 78 % of neighbourhoods."""
    records = shares("coverage", 0.8 * coverage, 0.8), shares("FD", 3.0, 0.5)
    [line] = said(*records)
    assert line.startswith(f"Samples cover {words}: {80 * coverage:.0f} % of held-out")
    assert line.endswith("real data reaches 80 %; FD[x@1] is 3, where real data has 0.5.")
    assert said(records[0])[0].endswith("real data reaches 80 %.")
    alone = Record(metric="FD[x@1]", value=3.0)  # training samples too few for a covariance
    assert said(records[0], alone)[0].endswith("real data reaches 80 %; FD[x@1] is 3.")


@pytest.mark.parametrize(
    ("recall", "words"),
    [(0.7, "nearly all"), (0.5, "much"), (0.0, "little")],
)
def test_samples_in_the_middle_of_the_data_are_not_said_to_cover_it(recall, words):
    """Of a Gaussian of half the spread in 64 dimensions coverage is 1 and recall 0."""
    [line] = said(shares("coverage", 1.0, 0.97), shares("recall", recall, 0.7))
    assert line.startswith(f"Samples cover {words}")
    assert (
        f", and {100 * recall:.0f} % of held-out samples lie among them (real data: 70 %)" in line
    )


COPIES = (
    "samples lie closer to the training data than held-out data does (C_T -9.0): the model copies"
)
CROWD = (
    "samples lie closer to the training data than held-out data does (C_T -9.0): but as close to "
    "held-out data as well, so they crowd where the data is dense"
)
EXACT = (
    "3.0 % of samples have exactly the features of a training sample; of held-out ones 0.0 % do"
)
NEAR = "9.0 % of samples lie as near to a training sample as the nearest 0.10 % of held-out ones"
REPEATS = "30.0 % of samples repeat another one"


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ((), "No sign of copying"),
        ((COPIES, NEAR), "It copies its training data"),
        ((NEAR,), "Some samples may be copies of training data"),
        ((EXACT, REPEATS), "Some samples may be copies of training data"),
        ((REPEATS,), "No sign of copying"),  # copies of each other, not of the training data
        ((CROWD,), "No sign of copying"),
    ],
)
def test_copying_is_said_where_a_warning_says_it(texts, words):
    near = Record(
        metric="nearest is training data[x@1]",
        value=0.86,
        reference={"held-out data": 0.857},
        warnings=texts,
    )
    [line] = said(Record(metric="C_T[x@1]", value=-1.25), near)
    assert line.startswith(words)
    [without] = said(near)
    assert without == line.replace(" (C_T -1.2)", "")
    honest = "86.0 % of samples lie nearest to training data, where honest ones do in 85.7 % (C_T -1.2)."
    assert line.endswith(honest) == words.startswith("No sign")


def test_samples_that_are_too_few_for_balls_are_not_said_to_cover_anything():
    few = "balls of 5 neighbours among 6 samples cover nearly everything; 50 samples or more are needed"
    assert said(Record(metric="coverage", value=None, reason=few)) == [
        f"What samples cover is not known: {few}."
    ]
    assert said(Record(metric="coverage", value=None, reason="an autoencoder has no prior")) == []


def test_modes_and_clusters_are_counted_and_those_hardly_reached_are_told_apart():
    clusters = Record(metric="clusters reached[x@1]", value=40.0, reference={"all": 50.0})
    modes = Record(metric="modes reached", value=7.0, reference={"all": 8.0})
    fair = Record(metric="modes with a fair share", value=5.0, reference={"all": 8.0})
    assert said(clusters) == ["Samples reach 40 of 50 clusters of the data."]
    both = "Samples reach 7 of 8 modes{} and 40 of 50 clusters of the data."
    assert said(clusters, modes) == [both.format("")]
    assert said(clusters, modes, fair) == [both.format(" (5 with a fair share)")]


def test_latents_in_use_and_what_a_probe_reads():
    lines = said(
        Record(metric="active units", value=9.0, reference={"latents": 20.0}),
        Record(metric="held-out rate", value=25.31, uncertainty=0.1),
        Record(metric="linear probe", value=0.961, reference={"commonest class": 0.113}),
    )
    assert lines == [
        "9 of 20 latents are in use, carrying 25.31 nats.",
        "A linear classifier reads the class from the code in 96.1 % of cases "
        "(always the commonest: 11.3 %).",
    ]


def test_reconstruction_and_health_are_said():
    records = [
        Record(metric=m, value=v)
        for m, v in (("reconstruction MSE", 0.01), ("PSNR", 20.0), ("SSIM", 0.9))
    ]
    lines = said(*records, log=[{"health": "balanced"}])
    assert lines == [
        "Reconstruction error: 0.01 (MSE, PSNR 20 dB, SSIM 0.9).",
        "At the end of training: balanced.",
    ]
    assert said(Record(metric="held-out distortion", value=3.0)) == [
        "Held-out samples are given back at 3 nats."
    ]


def test_warnings_name_their_metric_in_the_records_order():
    records = [
        Record(metric="FD[x@1]", value=1.0, warnings=("few", "biased")),
        Record(metric="C_T", value=1.0),
        Record(metric="KID", value=None, reason="r", warnings=("odd",)),
    ]
    assert warnings([record.to_dict() for record in records]) == [
        "FD[x@1]: few",
        "FD[x@1]: biased",
        "KID: odd",
    ]
