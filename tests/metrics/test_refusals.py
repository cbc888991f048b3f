"""Every metric against bad input: NaN and infinity, no and one sample, other dimensions, one point, n <= D.

A metric refuses what it has no value for, and says what was found. These have one, which is asserted:

- One sample: of it alone the Vendi score is 1; one generated sample is a density of one centre to FLD
  (test_mixture.py); it has nearest neighbours, a mode, and no repeat; pictures are compared one by one.
- All samples the same: PRDC of a set with itself is 1, its edges being its own (reference/evaluation.md,
  section 3.6); PRD compares histograms; the Vendi score is 1 (section 3.7); two-sample tests have chance;
  codes that say nothing have no disentanglement (section 3.8), no active unit and a probe's majority.
  FD, FD infinity, KID and the sliced distance compare spreads, and refuse a set that has none.
- No more samples than features: FD alone needs a covariance of full rank.

Probabilities are in test_diversity.py, histograms in test_prd.py, pixels as levels in test_baselines.py.
"""

import math

import pytest
import torch

from reverie.errors import DataError
from reverie.metrics.copying import copying, repeats
from reverie.metrics.dci import dci
from reverie.metrics.disentanglement import factor_vae_score, irs, mig, modularity, sap
from reverie.metrics.diversity import classifier_score, vendi_score
from reverie.metrics.fidelity import ms_ssim, mse, psnr, ssim
from reverie.metrics.frechet import (
    frechet_distance,
    frechet_infinity,
    moments,
    spread_by_subsampling,
)
from reverie.metrics.kernel import kid
from reverie.metrics.kmeans import kmeans
from reverie.metrics.latents import (
    active_units,
    aggregate_posterior,
    kl_per_dimension,
    knn_accuracy,
    linear_probe,
)
from reverie.metrics.mixture import feature_likelihood_divergence
from reverie.metrics.modes import assign_modes, unreached_modes
from reverie.metrics.neighbours import nearest, prdc
from reverie.metrics.prd import prd
from reverie.metrics.sliced import sliced_wasserstein
from reverie.metrics.spectrum import power_spectrum, spectrum_distance
from reverie.metrics.two_sample import classifier_test, nearest_neighbour_test

N = 80


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def like(x):
    """A third set, of x's dimension."""
    return drawn(7, N, x.shape[-1])


PAIRS = {
    "FD": lambda x, y: frechet_distance(moments(x), moments(y)),
    "FD infinity": lambda x, y: frechet_infinity(x, y).value,
    "FD spread": lambda x, y: spread_by_subsampling(moments(x), y),
    "KID": lambda x, y: kid(x, y).value,
    "sliced": lambda x, y: sliced_wasserstein(x, y, seed=0, directions=8).w1,
    "PRDC": lambda x, y: prdc(x, y).density,
    "PRD": lambda x, y: prd(x, y, seed=0, clusters=4, runs=1).f_8,
    "1-NN": lambda x, y: nearest_neighbour_test(x, y, seed=0).accuracy,
    "C2ST": lambda x, y: classifier_test(x, y, seed=0).accuracy,
    "FLD": lambda x, y: feature_likelihood_divergence(x, like(x), y, seed=0).value,
    "FLD, held-out": lambda x, y: feature_likelihood_divergence(x, y, like(x), seed=0).value,
    "copying": lambda x, y: copying(x, like(x), y, 0, cells=1, quantile=0.1).authenticity.value,
    "copying, held-out": lambda x, y: (
        copying(x, y, like(x), 0, cells=1, quantile=0.1).near.expected
    ),
    "nearest": lambda x, y: float(nearest(x, y).distance.sum()),
    "assigned modes": lambda x, y: float(assign_modes(x, y, 1.0)[1].double().mean()),
    "unreached modes": lambda x, y: unreached_modes(x, y, 2, seed=0).expected,
}
"""Metrics of two sets, each to one number."""
SIDES = [(name, side) for name in PAIRS for side in (0, 1)]


def judged(name, side, bad, d=3):
    """A metric of N samples on each side, with another set in the place of one of them."""
    sets = [drawn(0, N, d), drawn(1, N, d)]
    sets[side] = bad
    return PAIRS[name](*sets)


def broken(value, d=3):
    x = drawn(2, N, d)
    x[4, 1] = value
    return x


@pytest.mark.parametrize("name", PAIRS)
def test_good_sets_have_a_finite_value(name):
    """What the refusals below are refusals of."""
    assert math.isfinite(judged(name, 0, drawn(0, N, 3)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("name", "side"), SIDES)
def test_sets_that_are_not_finite_are_refused(name, side, value):
    with pytest.raises(
        DataError, match=f"features hold NaN or infinite values in 1 of {N} samples"
    ):
        judged(name, side, broken(value))


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_empty_sets_are_refused(name, side):
    with pytest.raises(DataError, match=r"features need at least \d+ samples?; found 0"):
        judged(name, side, torch.zeros(0, 3))


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_sets_of_different_dimensions_are_refused(name, side):
    with pytest.raises(DataError, match="features of one extractor have one dimension; found"):
        judged(name, side, drawn(2, N, 4))


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_what_is_no_matrix_is_refused(name, side):
    with pytest.raises(DataError, match=r"must be of shape \(N, D\); found \(80,\)"):
        PAIRS[name](*(drawn(s, N) if s == side else drawn(s, N, 3) for s in (0, 1)))


FEW = {
    "FD": ("covariance of 3 features needs at least 4 samples",) * 2,
    "FD infinity": ("features need at least 30 samples; found 1",) * 2,
    "FD spread": ("needs at least 4 samples", "features need at least 40 samples; found 1"),
    "KID": ("features need at least 3 samples; found 1",) * 2,
    "sliced": ("features need at least 2 samples; found 1",) * 2,
    "PRDC": tuple(f"5 neighbours need more than 5 {s} samples" for s in ("real", "generated")),
    "PRD": ("features need at least 2 samples; found 1",) * 2,
    "1-NN": ("features need at least 2 samples; found 1",) * 2,
    "C2ST": ("features need at least 4 samples; found 1",) * 2,
    "FLD": ("train features need at least 2 samples; found 1", None),
    "FLD, held-out": ("train features need at least 2", "test features need at least 4"),
    "copying": ("train features need at least 2 samples", None),
    "copying, held-out": (
        "train features need at least 2",
        "quantile of distances needs at least 10",
    ),
    "nearest": (None, None),
    "assigned modes": (None, None),
    "unreached modes": ("held_out features need at least 2 samples; found 1", None),
}


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_one_sample_is_refused_but_by_what_needs_no_more(name, side):
    one, message = drawn(2, 1, 3), FEW[name][side]
    if message is None:
        assert math.isfinite(judged(name, side, one))
    else:
        with pytest.raises(DataError, match=message):
            judged(name, side, one)


@pytest.mark.parametrize("name", ["FD", "FD infinity", "FD spread", "KID", "sliced"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_set_without_spread_is_refused_by_distances_of_spreads(name, side):
    message = f"all samples have the same features: .* are {N} times one point.* collapsed"
    if name == "FD spread" and side == 1:
        message = f"all samples have the same features: .* are {N - N // 20} times one point"
    with pytest.raises(DataError, match=message):
        judged(name, side, torch.full((N, 3), 0.7))


def test_a_training_set_without_spread_has_no_unit_for_fld():
    for name in ("FLD", "FLD, held-out"):
        with pytest.raises(DataError, match="train features need one that varies; found 80 times"):
            judged(name, 0, torch.full((N, 3), 0.7))


def test_one_point_has_the_values_that_are_defined_for_it():
    x, same = torch.full((20, 3), 0.7), torch.full((20, 3), 0.7)
    found = prdc(x, same)
    assert (found.precision, found.recall, found.density, found.coverage) == (1, 1, 20 / 5, 1)
    found = prd(x, same, seed=0, clusters=4, runs=1)
    assert (found.f_8, found.f_1_8) == pytest.approx((1, 1))
    assert vendi_score(x) == pytest.approx(1, abs=1e-9)
    assert classifier_test(x, same, seed=0).accuracy == 0.5
    # All have the first of them for neighbour, which has the second: it agrees with 19 of the 39 others.
    assert nearest_neighbour_test(x, same, seed=0).accuracy in (19 / 40, 20 / 40)
    found = copying(x, same, same.clone(), seed=0, cells=1, quantile=0.1)
    assert found.data_copying.z == 0 and found.authenticity.value == 0
    assert found.exact.value == 1 and found.near.share.value == 1
    assert repeats(x).value == 19 / 20
    assert not nearest(x, same).distance.any()
    assert len(kmeans(x, 4, 0).centres) == 1
    assert assign_modes(x, same[:1], 1.0)[1].all()
    assert unreached_modes(x, same, 2, seed=0).unreached == []


@pytest.mark.parametrize("name", PAIRS)
def test_no_more_samples_than_features_are_refused_by_what_needs_a_covariance_alone(name):
    d = N + 20
    if name.startswith("FD"):
        with pytest.raises(DataError, match=f"covariance of {d} features needs at least {d + 1} "):
            judged(name, 0, drawn(2, N, d), d)
    else:
        assert math.isfinite(judged(name, 0, drawn(2, N, d), d))


# ---- one set


ONE = {
    "Vendi": vendi_score,
    "classifier score": classifier_score,
    "active units": active_units,
    "repeats": repeats,
    "k-means": lambda x: kmeans(x, 2, 0),
    "posterior mean": lambda x: kl_per_dimension(x, like(x)[: len(x)]),
    "posterior log-variance": lambda x: kl_per_dimension(like(x), x),
    "aggregate mean": lambda x: aggregate_posterior(x, like(x)[: len(x)], seed=0),
    "aggregate log-variance": lambda x: aggregate_posterior(like(x), x, seed=0),
}
"""Metrics of one set, or of means with log-variances."""


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ONE)
def test_a_set_that_is_not_finite_is_refused(name, value):
    with pytest.raises(
        DataError, match=f"features hold NaN or infinite values in 1 of {N} samples"
    ):
        ONE[name](broken(value))


@pytest.mark.parametrize("name", ONE)
def test_an_empty_set_is_refused(name):
    with pytest.raises(DataError, match=r"features need at least [12] samples?; found 0"):
        ONE[name](torch.zeros(0, 3))


@pytest.mark.parametrize("name", [name for name in ONE if name not in ("Vendi", "repeats")])
def test_one_sample_is_refused_where_a_spread_is_asked_for(name):
    if name == "classifier score":
        assert classifier_score(torch.tensor([[0.2, 0.8]])) == 1
        return
    with pytest.raises(DataError, match="features need at least 2 samples; found 1"):
        ONE[name](drawn(0, 1, 3))


def test_one_sample_counts_once():
    assert vendi_score(drawn(0, 1, 3)) == pytest.approx(1) and repeats(drawn(0, 1, 3)).value == 0


@pytest.mark.parametrize("of", [kl_per_dimension, lambda m, v: aggregate_posterior(m, v, seed=0)])
def test_means_and_log_variances_that_do_not_fit_are_refused(of):
    with pytest.raises(DataError, match="posterior mean 3, posterior log-variance 4"):
        of(drawn(0, N, 3), drawn(1, N, 4))
    with pytest.raises(DataError, match="one log-variance a mean; found 80 and 79"):
        of(drawn(0, N, 3), drawn(1, N - 1, 3))


def test_a_code_that_never_varies_is_not_active():
    assert active_units(torch.full((N, 3), 0.7)).count == 0


# ---- codes and labels


LABELS = torch.arange(N) % 2
PROBES = {
    "linear": lambda x, y: linear_probe(x, LABELS[: len(x)], y, LABELS[: len(y)], seed=0),
    "nearest": lambda x, y: knn_accuracy(x, LABELS[: len(x)], y, LABELS[: len(y)]),
}


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", PROBES)
def test_probes_of_bad_codes_are_refused(name, side):
    for bad, message in (
        (broken(math.nan), f"features hold NaN or infinite values in 1 of {N} samples"),
        (broken(math.inf), f"features hold NaN or infinite values in 1 of {N} samples"),
        (torch.zeros(0, 3), r"features need at least \d samples?; found 0"),
        (drawn(2, N, 4), "features of one extractor have one dimension; found"),
    ):
        sets = [drawn(0, N, 3), drawn(1, N, 3)]
        sets[side] = bad
        with pytest.raises(DataError, match=message):
            PROBES[name](*sets)


@pytest.mark.parametrize(("name", "message"), [("linear", "5 samples"), ("nearest", "5 samples")])
def test_probes_of_one_code_are_refused(name, message):
    with pytest.raises(DataError, match=f"need at least {message}; found 1"):
        PROBES[name](drawn(0, 1, 3), drawn(1, N, 3))


def test_a_probe_of_codes_that_never_vary_names_the_majority():
    x, labels = torch.full((N, 3), 0.7), (torch.arange(N) % 4 == 0).long()
    found = linear_probe(x, labels, x, labels, seed=0)
    assert found.accuracy.value == found.majority == 0.75


# ---- codes and factors


SCORES = {
    "MIG": lambda z, v: mig(z, v).score,
    "modularity": modularity,
    "SAP": lambda z, v: sap(z, v).score,
    "IRS": lambda z, v: irs(z, v).score,
    "DCI": lambda z, v: dci(z, v, seed=0).disentanglement,
    "FactorVAE": lambda z, v: factor_vae_score(z, lambda *_: z[:64], 2, 0, votes=4).score.value,
}
FACTORS = torch.stack([torch.arange(N) % 2, torch.arange(N) // 2 % 2], 1)


@pytest.mark.parametrize("name", SCORES)
def test_codes_that_cannot_be_scored_are_refused(name):
    for bad, message in (
        (broken(math.nan), f"codes features hold NaN or infinite values in 1 of {N} samples"),
        (broken(-math.inf), f"codes features hold NaN or infinite values in 1 of {N} samples"),
        (torch.zeros(0, 3), "codes features need at least 2 samples; found 0"),
        (drawn(0, 1, 3), "codes features need at least 2 samples; found 1"),
    ):
        with pytest.raises(DataError, match=message):
            SCORES[name](bad, FACTORS[: len(bad)])


@pytest.mark.parametrize("name", [name for name in SCORES if name != "FactorVAE"])
def test_factors_that_do_not_fit_or_never_vary_are_refused(name):
    z = drawn(0, N, 3)
    with pytest.raises(
        DataError, match=r"whole numbers of shape \(80, K\), one row a code; found"
    ):
        SCORES[name](z, FACTORS[1:])
    with pytest.raises(
        DataError, match="at least 2 values each; found one value only in column 1"
    ):
        SCORES[name](z, FACTORS * torch.tensor([1, 0]))


@pytest.mark.parametrize("value", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("name", SCORES)
def test_codes_that_never_vary_disentangle_nothing(name, value):
    assert SCORES[name](torch.full((N, 3), value), FACTORS) == pytest.approx(0, abs=1e-9)


# ---- pictures


PICTURES = {"MSE": mse, "PSNR": psnr, "SSIM": ssim, "MS-SSIM": lambda x, y: ms_ssim(x, y, 1)}


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_that_cannot_be_compared_are_refused(name, side):
    good = torch.rand(4, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    for value in (math.nan, math.inf):
        bad = good.clone()
        bad[2, 0, 3, 3] = value
        sets = (bad, good) if side == 0 else (good, bad)
        with pytest.raises(DataError, match="hold NaN or infinite pixels in 1 of 4 pictures"):
            PICTURES[name](*sets)
    sets = (good[:, :, 1:], good) if side == 0 else (good, good[:, :, 1:])
    with pytest.raises(DataError, match="must be of one shape"):
        PICTURES[name](*sets)
    with pytest.raises(DataError, match="there are no pixels to compare"):
        PICTURES[name](good[:0], good[:0])
    assert PICTURES[name](good[:1], 0.9 * good[:1]).isfinite().all()


def test_pictures_without_a_spectrum_are_refused():
    good = torch.rand(4, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    for value in (math.nan, math.inf):
        bad = good.clone()
        bad[2, 0, 3, 3] = value
        with pytest.raises(DataError, match="NaN or infinite values in 1 of 4 pictures"):
            power_spectrum(bad)
    for few in (good[:0], good[:1]):
        with pytest.raises(DataError, match="a spectrum needs at least 2 pictures"):
            power_spectrum(few)
    with pytest.raises(DataError, match="constant pictures have no spectrum; found 4"):
        power_spectrum(torch.full((4, 1, 12, 12), 0.7))
    with pytest.raises(DataError, match="spectra are compared at the same frequencies"):
        spectrum_distance(power_spectrum(good), power_spectrum(good[:, :, :8, :8]))
