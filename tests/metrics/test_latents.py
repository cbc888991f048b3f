"""Latent measures against probabilistic PCA, where all have closed forms, and scikit-learn.

reference/evaluation.md, section 3.1: with eigenvalues l of the data's covariance and noise s2, the
optimal posterior means have variance 1 - s2 / l, the posterior variance is s2 / l, the average KL of a
dimension is 1/2 ln(l / s2), and that is its mutual information where the data are Gaussian.
"""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from reverie.errors import ConfigError, DataError
from reverie.metrics.latents import (
    active_units,
    aggregate_posterior,
    kl_per_dimension,
    knn_accuracy,
    linear_probe,
)

NOISE = 1.5
EIGENVALUES = torch.tensor([9.0, 6.0, 4.0, 2.5], dtype=torch.float64)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ppca(count, eigenvalues=EIGENVALUES, noise=NOISE, exact=True):
    """Posteriors of the optimal linear VAE on data whose covariance has these eigenvalues.

    `exact` makes it the covariance of the sample (1/N), not of what the sample is drawn from.
    """
    d = len(eigenvalues) + 2
    spectrum = torch.cat([eigenvalues, torch.full((2,), noise, dtype=torch.float64)])
    x = drawn(0, count, d)
    if exact:
        x = math.sqrt(count) * torch.linalg.svd(x - x.mean(0), full_matrices=False)[0]
    axes = torch.linalg.qr(drawn(1, d, d)).Q
    x = x * spectrum.sqrt() @ axes.T + 3
    loading = axes[:, : len(eigenvalues)] * (eigenvalues - noise).clamp_min(0).sqrt()
    precision = loading.T @ loading + noise * torch.eye(len(eigenvalues), dtype=torch.float64)
    mean = (x - 3) @ loading @ precision.inverse()
    log_var = (noise / precision.diagonal()).log().expand(count, -1)
    return mean, log_var


# ---- probabilistic PCA


def test_the_variance_of_means_is_one_less_the_share_of_noise():
    found = active_units(ppca(500)[0])
    torch.testing.assert_close(found.variance.value, 1 - NOISE / EIGENVALUES, rtol=1e-10, atol=0)
    assert (found.count, found.threshold) == (4, 0.01)


def test_dimensions_below_the_noise_are_inactive():
    """s2 = 3 and l = 9, 6, 4, 2.5: the last is not worth coding, and its posterior is the prior."""
    mean, log_var = ppca(500, noise=3.0)
    assert active_units(mean).count == 3
    assert float(kl_per_dimension(mean, log_var).value[3]) == pytest.approx(0, abs=1e-12)


def test_the_threshold_is_part_of_the_count():
    """Variances 1 - s2 / l of 5/6, 3/4, 5/8 and 2/5."""
    mean = ppca(300)[0]
    assert [active_units(mean, t).count for t in (0.3, 0.5, 0.7, 0.8, 0.9)] == [4, 3, 2, 1, 0]


def test_the_divergence_of_a_dimension_is_half_the_log_of_its_signal():
    found = kl_per_dimension(*ppca(500))
    torch.testing.assert_close(found.value, 0.5 * (EIGENVALUES / NOISE).log(), rtol=1e-10, atol=0)


def test_the_aggregate_of_the_optimum_has_the_priors_moments():
    found = aggregate_posterior(*ppca(500), seed=0)
    torch.testing.assert_close(found.mean, torch.zeros(4).double(), rtol=0, atol=1e-10)
    torch.testing.assert_close(found.variance, torch.ones(4).double(), rtol=1e-10, atol=0)


def test_the_information_is_that_of_gaussian_data():
    """I = sum 1/2 ln(l / s2) = 2.33 nats, far below ln 3000 = 8, and then the gap is 0."""
    found = aggregate_posterior(*ppca(3000, exact=False), seed=1)
    expected = float(0.5 * (EIGENVALUES / NOISE).log().sum())
    assert expected == pytest.approx(0.5 * math.log(9 * 6 * 4 * 2.5 / 1.5**4), rel=1e-12)
    assert abs(found.mutual_information - expected) < 4 * found.information_error
    assert abs(found.gap) < 4 * found.gap_error
    assert found.rate == pytest.approx(found.mutual_information + found.gap, rel=1e-12)


# ---- errors


def test_standard_errors_are_the_spread_over_data_sets():
    """100 sets of 200: the sd of each estimate is its mean error, to four errors of an sd (28 %)."""
    sets = [(drawn(k, 200, 2) * 2, drawn(1000 + k, 200, 2) * 0.3 - 1) for k in range(100)]
    for estimates in (
        [active_units(mean).variance for mean, _ in sets],
        [kl_per_dimension(*posteriors) for posteriors in sets],
    ):
        spread = torch.stack([e.value for e in estimates]).std(0)
        error = torch.stack([e.error for e in estimates]).mean(0)
        assert ((error / spread - 1).abs() < 0.28).all()


def test_the_rates_error_is_that_of_its_mean():
    mean, log_var = drawn(0, 50, 3), drawn(1, 50, 3)
    divergence = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
    found = aggregate_posterior(mean, log_var, 0)
    assert found.rate == pytest.approx(float(divergence.mean()), rel=1e-12)
    assert found.rate_error == pytest.approx(float(divergence.std()) / math.sqrt(50), rel=1e-12)


# ---- mutual information


@pytest.mark.parametrize("name", ["mutual_information", "gap"])
def test_the_errors_of_the_rates_parts_are_their_spread_over_data_sets(name):
    """200 data sets of 200 posteriors that overlap: a deviation is known to a twentieth, held to four."""

    def found(k):
        mean, log_var = drawn(2 * k, 200, 2), 0.3 * drawn(2 * k + 1, 200, 2) - 1.4
        return aggregate_posterior(mean, log_var, seed=10**6 + k)

    sets = [found(k) for k in range(200)]
    error = {"mutual_information": "information_error", "gap": "gap_error"}[name]
    values = torch.tensor([getattr(one, name) for one in sets])
    errors = torch.tensor([getattr(one, error) for one in sets])
    assert float(values.std() / errors.mean()) == pytest.approx(1, abs=0.2)


def test_posteriors_that_never_meet_reach_the_cap_and_do_not_pass_it():
    mean = 1000 * torch.arange(64.0)[:, None]
    found = aggregate_posterior(mean, torch.zeros(64, 1), 0)
    assert found.cap == math.log(64)
    assert found.mutual_information == pytest.approx(found.cap, rel=1e-12)
    assert found.information_error < 1e-12


def test_two_groups_carry_one_bit():
    """Half the posteriors at one place, half far off: I = ln 2 and q(z) is a mixture of two."""
    mean = 50.0 * (torch.arange(40) % 2)[:, None]
    found = aggregate_posterior(mean, torch.zeros(40, 1), 0)
    assert found.mutual_information == pytest.approx(math.log(2), rel=1e-12)


def test_a_collapsed_posterior_holds_nothing():
    found = aggregate_posterior(torch.zeros(30, 3), torch.zeros(30, 3), 0)
    assert found.mutual_information == pytest.approx(0, abs=1e-12)
    assert found.gap == pytest.approx(0, abs=1e-12) and found.rate == 0


def test_a_shifted_aggregate_shows_in_the_gap_alone():
    """All posteriors N(2, I) in 3 dimensions: nothing about x, and KL 1/2 * 3 * 2^2 = 6."""
    found = aggregate_posterior(torch.full((20, 3), 2.0), torch.zeros(20, 3), 0)
    assert found.mutual_information == pytest.approx(0, abs=1e-12)
    assert found.gap == pytest.approx(6, rel=1e-12)


def test_the_estimate_is_the_mixtures_density_by_torch_distributions():
    mean, log_var = drawn(0, 25, 3), drawn(1, 25, 3)
    noise = torch.randn(25, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    z = mean + (log_var / 2).exp() * noise
    normal = torch.distributions.Normal(mean, (log_var / 2).exp())
    own = normal.log_prob(z).sum(1)
    mixture = normal.log_prob(z[:, None]).sum(2).logsumexp(1) - math.log(25)
    found = aggregate_posterior(mean, log_var, seed=7)
    assert found.mutual_information == pytest.approx(float((own - mixture).mean()), rel=1e-10)


def test_sharp_posteriors_far_from_the_origin_keep_their_digits():
    """Variance 1e-8 about 10^4 and 10^4 + 0.0003, three deviations apart: as the same about 0 and 3 of unit
    variance, twenty of each.
    """
    side = (torch.arange(40) % 2).double()[:, None]
    sharp = aggregate_posterior(1e4 + 3e-4 * side, torch.full((40, 1), math.log(1e-8)), 0)
    wide = aggregate_posterior(3 * side, torch.zeros(40, 1), 0)
    assert sharp.mutual_information == pytest.approx(wide.mutual_information, abs=1e-5)


def test_blocks_change_nothing_and_the_seed_does():
    posteriors = drawn(0, 37, 2), drawn(1, 37, 2)
    whole, parts = (aggregate_posterior(*posteriors, 3, block) for block in (10**6, 100))
    assert parts.mutual_information == pytest.approx(whole.mutual_information, rel=1e-12)
    other = aggregate_posterior(*posteriors, 4)
    assert other.mutual_information != whole.mutual_information and other.rate == whole.rate


# ---- probes


def labelled(seed, count, d=4, classes=3, noise=1.0):
    x = drawn(seed, count, d) * torch.tensor([1.0, 5.0, 0.1, 1.0])[:d] + 2
    weights = drawn(99, d, classes) / torch.tensor([1.0, 5.0, 0.1, 1.0])[:d, None]
    return x, ((x - 2) @ weights + noise * drawn(seed + 1, count, classes)).argmax(1)


def test_the_probe_is_scikit_learns_of_the_chosen_strength():
    x, y = labelled(0, 600)
    test, test_y = labelled(10, 500)
    found = linear_probe(x, y, test, test_y, seed=0)
    scale = x.std(0, correction=0)
    model = LogisticRegression(C=found.strength, tol=1e-9, max_iter=10_000)
    model.fit(((x - x.mean(0)) / scale).numpy(), y.numpy())
    expected = model.score(((test - x.mean(0)) / scale).numpy(), test_y.numpy())
    assert found.accuracy.value == pytest.approx(expected, abs=1 / 500)
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high
    best = max(found.validation.values())
    assert found.strength == min(c for c, value in found.validation.items() if value == best)
    assert list(found.validation) == [1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]
    assert found.majority == float((test_y == y.bincount().argmax()).double().mean())


def test_few_noisy_codes_of_many_dimensions_are_fitted_weakly():
    """One of 40 dimensions holds the label: 80 samples fit any labels by the other 39."""
    x, y = drawn(0, 100, 40), torch.arange(100) % 2
    x[:, 0] += 1.5 * y
    test, test_y = drawn(1, 2000, 40), torch.arange(2000) % 2
    test[:, 0] += 1.5 * test_y
    found = linear_probe(x, y, test, test_y, seed=1)
    assert found.strength < 100 and found.accuracy.value > 0.6


def test_separable_classes_are_told_apart_whatever_their_names_and_units():
    labels = torch.arange(60) % 3
    x = 1e6 * torch.eye(3).double()[labels] + drawn(0, 60, 3)
    names = torch.tensor([7, -2, 40])[labels]
    found = linear_probe(x, names, x, names, seed=0)
    assert found.accuracy.value == 1.0 and found.majority == 1 / 3


def test_a_class_that_was_not_trained_on_is_never_named():
    x, y = labelled(0, 100)
    test_y = torch.full((100,), 9)
    assert linear_probe(x, y, x, test_y, seed=0).accuracy.value == 0.0
    assert knn_accuracy(x, y, x, test_y).value == 0.0


def test_a_dimension_without_variance_says_nothing_and_breaks_nothing():
    x, y = labelled(0, 200)
    padded = torch.nn.functional.pad(x, (0, 1), value=3.0)
    expected = linear_probe(x, y, x, y, seed=0)
    found = linear_probe(padded, y, padded, y, seed=0)
    assert found.accuracy.value == pytest.approx(expected.accuracy.value, abs=1 / 200)


def test_the_seed_chooses_the_validation_part():
    x, y = labelled(0, 100, noise=5.0)
    first, again, other = (linear_probe(x, y, x, y, seed) for seed in (0, 0, 1))
    assert first == again and first.validation != other.validation


@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_vote_as_scikit_learns_do(k):
    """Two classes and an odd k, which leaves no ties to break."""
    (x, y), (test, test_y) = labelled(0, 300, classes=2), labelled(10, 200, classes=2)
    model = KNeighborsClassifier(k).fit(x.numpy(), y.numpy())
    found = knn_accuracy(x, y, test, test_y, k)
    assert found.value == pytest.approx(model.score(test.numpy(), test_y.numpy()))


def test_a_tie_goes_to_the_nearest():
    """Neighbours of 0 at 1 (b), 2 (a), 3 (a), 4 (b), 5 (c): two votes each, and b is nearer."""
    train, labels = torch.arange(1.0, 6.0)[:, None], torch.tensor([1, 0, 0, 1, 2])
    assert knn_accuracy(train, labels, torch.zeros(1, 1), torch.tensor([1]), 5).value == 1.0
    assert knn_accuracy(train, labels, torch.zeros(1, 1), torch.tensor([0]), 3).value == 1.0


# ---- refusals


@pytest.mark.parametrize("measure", [kl_per_dimension, lambda m, v: aggregate_posterior(m, v, 0)])
def test_posteriors_that_do_not_fit_are_refused(measure):
    x = drawn(0, 5, 2)
    bad = x.clone()
    bad[1, 0] = -torch.inf
    with pytest.raises(DataError, match="posterior log-variance features hold NaN or infinite"):
        measure(x, bad)
    with pytest.raises(DataError, match="one log-variance a mean; found 5 and 4"):
        measure(x, x[:4])
    with pytest.raises(DataError, match="posterior mean 2, posterior log-variance 1"):
        measure(x, x[:, :1])
    with pytest.raises(
        DataError, match="posterior mean features need at least 2 samples; found 1"
    ):
        measure(x[:1], x[:1])


def test_means_without_a_variance_are_refused():
    with pytest.raises(DataError, match="mean features need at least 2 samples; found 1"):
        active_units(torch.zeros(1, 3))


def test_codes_and_labels_that_do_not_fit_are_refused():
    x, y = labelled(0, 20)
    cases = [
        ((x, y[:5], x, y), r"training labels .* shape \(5,\) for 20 codes"),
        (
            (x, y, x, y.double()),
            r"test labels must be one whole number a code; found torch.float64",
        ),
        ((x, y, x[:, :2], y), "training 4, test 2"),
        ((x, y, x[:0], y[:0]), "test features need at least 1 sample; found 0"),
    ]
    for given, message in cases:
        for measure in (lambda *g: linear_probe(*g, seed=0), knn_accuracy):
            with pytest.raises(DataError, match=message):
                measure(*given)
    with pytest.raises(DataError, match="training features need at least 5 samples; found 4"):
        linear_probe(x[:4], y[:4], x, y, seed=0)
    with pytest.raises(DataError, match="at least 2 classes; found only 3"):
        linear_probe(x, torch.full((20,), 3), x, y, seed=0)
    with pytest.raises(DataError, match="30 neighbours need at least 30 samples; found 20"):
        knn_accuracy(x, y, x, y, k=30)
    for grid in ((), (0.0, 1.0)):
        with pytest.raises(ConfigError, match="strengths C above 0"):
            linear_probe(x, y, x, y, seed=0, grid=grid)
