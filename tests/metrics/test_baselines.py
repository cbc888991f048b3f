"""Baselines against closed forms, scipy and the values of reference/evaluation.md, sections 1.2, 3.11."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import bernoulli, multivariate_normal

from reverie.data import DataConfig, open_dataset
from reverie.errors import DataError
from reverie.latent.likelihoods import DiscretizedLogistic
from reverie.metrics.baselines import (
    binarisation_floor,
    bits_per_dimension,
    check_above_floor,
    fit_levels,
    independent_bernoulli,
    ppca,
)


def rolled(seed, *shape):
    """Levels 0 to 255."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def noised(x, seed):
    """Levels with the noise that a fit of that seed adds."""
    generator = torch.Generator().manual_seed(seed)
    return x.double() + torch.rand(x.shape, generator=generator, dtype=torch.float64)


def levels_of(source, cache):
    """The training and test split of pictures as levels `(N, D)`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVERIE_CACHE", str(cache))
        data = open_dataset(DataConfig(source=source))
    return data.train.x.flatten(1), data.test.x.flatten(1)


@pytest.fixture(scope="module")
def mnist(data_cache):
    return levels_of("mnist", data_cache)


@pytest.fixture(scope="module")
def fashion(data_cache):
    """Fashion-MNIST is not shipped. With its four IDX files, plain or .gz, under their classic names:

    REVERIE_FASHION=path/to/folder python -m pytest tests/metrics/test_baselines.py -k fashion
    """
    folder = os.environ.get("REVERIE_FASHION")
    if not folder:
        pytest.skip("REVERIE_FASHION names no folder of the four IDX files of Fashion-MNIST")
    return levels_of(folder, data_cache)


# ---- bits/dim


@pytest.mark.parametrize("size", [1, 784])
def test_uniform_levels_cost_eight_bits(size):
    """-ln(1/256) nats an entry; as a density of values in [0, 1] the uniform law is 1, or 0 nats."""
    mass = torch.full((3,), size * math.log(256), dtype=torch.float64)
    torch.testing.assert_close(bits_per_dimension(mass, size), torch.full((3,), 8.0).double())
    density = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(
        bits_per_dimension(density, size, unit_range=True), torch.full((3,), 8.0).double()
    )


def test_a_flat_logistic_over_levels_costs_nearly_eight_bits():
    """Scale e^4 over [0, 1]: levels 1 to 254 share what the two tails leave, each 1/4 e^-4 / 255."""
    x = rolled(0, 50, 6).clamp(1, 254) / 255
    decoded = torch.zeros(50, 2, 6)
    decoded[:, 1] = 4.0
    nats = -DiscretizedLogistic().build().log_prob(decoded, x)
    expected = math.log2(4 * math.exp(4) * 255)
    assert (bits_per_dimension(nats, 6) - expected).abs().max() < 1e-3


def test_no_dimensions_are_refused():
    with pytest.raises(DataError, match="at least 1 dimension; found 0"):
        bits_per_dimension(torch.zeros(1), 0)


# ---- the floor


def test_the_floor_of_bits_is_zero_and_of_halves_ln_2():
    x = torch.tensor([[0.0, 1.0, 1.0], [0.5, 0.5, 0.0]])
    torch.testing.assert_close(
        binarisation_floor(x), torch.tensor([0.0, 2 * math.log(2)]).double(), rtol=1e-6, atol=0
    )


def test_the_floor_is_scipys_entropy():
    x = rolled(1, 23, 7).double() / 255
    expected = bernoulli(x.numpy()).entropy().sum(1)
    np.testing.assert_allclose(binarisation_floor(x, chunk=5), expected, rtol=1e-12)


def test_no_prediction_of_the_bits_passes_the_floor():
    """Gibbs: the expected cost of any p is more than that of p = x, where it is the floor."""
    x = rolled(2, 40, 5).double() / 255
    floor = binarisation_floor(x)
    for scale in (0.5, 0.9, 1.0, 1.1):
        p = ((x - 0.5) * scale + 0.5).clamp(1e-6, 1 - 1e-6)
        cost = -(torch.xlogy(x, p) + torch.xlogy(1 - x, 1 - p)).sum(1)
        assert (cost >= floor - 1e-5).all()
        if scale < 1:
            assert (cost > floor).all()


def test_the_floor_of_mnists_test_set_is_known(mnist):
    assert float(binarisation_floor(mnist[1] / 255).mean()) == pytest.approx(45.53, abs=0.005)


@pytest.mark.parametrize(("nll", "error"), [(45.53, 0.0), (80.0, 0.1), (45.0, 0.14)])
def test_what_lies_above_the_floor_or_within_its_error_passes(nll, error):
    check_above_floor(nll, 45.53, error)


@pytest.mark.parametrize(("nll", "error"), [(45.52, 0.0), (45.0, 0.1), (0.1, 0.5), (-3.0, 0.0)])
def test_what_lies_below_the_floor_is_refused(nll, error):
    message = rf"of {nll:.2f} nats is below 45.53, the entropy of the binarisation itself"
    with pytest.raises(DataError, match=message):
        check_above_floor(nll, 45.53, error)


@pytest.mark.parametrize("nll", [math.nan, math.inf])
def test_what_is_no_number_is_refused(nll):
    with pytest.raises(DataError, match="must be finite"):
        check_above_floor(nll, 45.53)


# ---- independent pixels


def test_independent_pixels_cost_the_cross_entropy_with_their_means():
    """Means 1/4 and 1/2; of the test sample (1, 0) that is -ln(1/4) - ln(1/2) = ln 8."""
    train = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    found = independent_bernoulli(train.mean(0), torch.tensor([[1.0, 0.0]]))
    assert float(found) == pytest.approx(math.log(8))


def test_on_its_own_training_bits_it_is_the_entropy_of_the_means():
    """With p the mean, the average cost is sum_i H(p_i)."""
    train = (rolled(3, 500, 6) < 100).double()
    found = independent_bernoulli(train.mean(0), train, chunk=7).mean()
    expected = bernoulli(train.mean(0).numpy()).entropy().sum()
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_a_pixel_never_seen_costs_no_more_than_the_clip():
    mean, test = torch.zeros(1), torch.ones(1, 1)
    assert float(independent_bernoulli(mean, test)) == pytest.approx(-math.log(1e-4))
    assert float(independent_bernoulli(mean, test, clip=0)) == math.inf


def test_independent_pixels_on_mnist_have_their_known_cost(mnist):
    found = independent_bernoulli(mnist[0].double().mean(0) / 255, mnist[1] / 255)
    assert found.shape == (10_000,)
    assert float(found.mean()) == pytest.approx(205.82, abs=0.006)


# ---- probabilistic PCA


def correlated(count, size=6, seed=0):
    """Levels with correlations, uint8."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(size, size, generator=torch.Generator().manual_seed(9))
    z = torch.randn(count, size, generator=generator) @ mix
    return (128 + 20 * z).clamp(0, 255).to(torch.uint8)


def test_the_fit_is_numpys_covariance_of_dequantised_levels():
    x = correlated(300)
    fitted = fit_levels(x, seed=4, chunk=70)
    y = torch.cat([part for part in noised(x, 4).split(70)]).numpy()
    np.testing.assert_allclose(fitted.mean, y.mean(0), rtol=1e-12)
    rebuilt = fitted.vectors @ fitted.values.diag() @ fitted.vectors.T
    np.testing.assert_allclose(rebuilt, np.cov(y.T, bias=True), rtol=1e-9)
    assert (fitted.values.diff() <= 0).all()


@pytest.mark.parametrize("rank", [0, 2, 5, None])
def test_each_sample_costs_what_scipys_gaussian_says(rank):
    """Covariance W W^T + sigma^2 I = U diag(l_1..l_k, sigma^2..) U^T, sigma^2 the mean of the others."""
    fitted, x = fit_levels(correlated(300)), correlated(40, seed=1)
    values = fitted.values.numpy().copy()
    if rank is not None:
        values[rank:] = values[rank:].mean()
    covariance = fitted.vectors.numpy() @ np.diag(values) @ fitted.vectors.numpy().T
    log_p = multivariate_normal(fitted.mean.numpy(), covariance).logpdf(noised(x, 1).numpy())
    np.testing.assert_allclose(ppca(fitted, x, rank), -log_p / (6 * math.log(2)), rtol=1e-9)


@pytest.mark.parametrize("rank", [0, 1, 3, 5])
def test_on_its_training_set_it_is_the_closed_form(rank):
    """Tipping & Bishop (1999), eq. 8 at the optimum: (sum ln l_j + (D - k) ln s^2 + D ln 2 pi + D) / 2.

    With the fit's seed the noise is the fit's own.
    """
    x = correlated(300)
    fitted = fit_levels(x, seed=3)
    values, size = fitted.values, 6
    logs = values[:rank].log().sum() + (size - rank) * values[rank:].mean().log()
    expected = 0.5 * (float(logs) + size * math.log(2 * math.pi) + size) / (size * math.log(2))
    assert float(ppca(fitted, x, rank, seed=3).mean()) == pytest.approx(expected, rel=1e-10)


def test_more_rank_never_costs_the_training_set_more():
    x = correlated(300)
    fitted = fit_levels(x, seed=3)
    costs = [float(ppca(fitted, x, rank, seed=3).mean()) for rank in (0, 1, 2, 3, 4, 5, None)]
    assert costs == sorted(costs, reverse=True)


def test_chunks_change_no_more_than_the_noise():
    """The noise is drawn row by row: chunks differ in rounding alone."""
    x = correlated(300)
    one, other = fit_levels(x, chunk=1000), fit_levels(x, chunk=64)
    torch.testing.assert_close(one.values, other.values, rtol=1e-9, atol=0)
    torch.testing.assert_close(
        ppca(one, x, 2, chunk=1000), ppca(one, x, 2, chunk=17), rtol=1e-9, atol=0
    )


def test_levels_without_variance_cost_nothing_but_their_noise():
    """One level: dequantised it is uniform on [0, 1), a Gaussian of variance 1/12 to the fit.

    E -log2 N(u) = log2(2 pi e / 12) / 2 = 0.254 bits, where the levels themselves cost 0.
    """
    x = torch.full((20_000, 2), 77, dtype=torch.uint8)
    found = float(ppca(fit_levels(x), x, None).mean())
    assert found == pytest.approx(0.5 * math.log2(2 * math.pi * math.e / 12), abs=0.01)


@pytest.mark.slow
def test_ppca_of_mnist_has_its_known_bits(mnist):
    """Section 1.2: 5.285 bits/dim in full, 7.042 at rank 50."""
    fitted = fit_levels(mnist[0])
    assert float(ppca(fitted, mnist[1]).mean()) == pytest.approx(5.285, abs=0.001)
    assert float(ppca(fitted, mnist[1], 50).mean()) == pytest.approx(7.042, abs=0.001)


# ---- Fashion-MNIST: section 1.2


@pytest.fixture(scope="module")
def sums():
    """What both figures hang on: each pixel's sum over the 60,000 training images and over the 10,000 test
    images, and how often each level occurs among test pixels. Xiao et al. (2017); MIT licence.
    """
    return np.load(Path(__file__).with_name("fashion_sums.npz"))


def test_independent_pixels_of_fashion_have_their_known_cost(sums):
    """The cross-entropy is linear in the test pixels, so that of their mean is the mean over images."""
    train, test = (torch.from_numpy(sums[name]).double() / 255 for name in ("train", "test"))
    found = independent_bernoulli(train / 60_000, test[None] / 10_000)
    assert float(found) == pytest.approx(385.02, abs=0.005)


def test_the_floor_of_fashion_has_its_known_height(sums):
    """An image's floor is the sum of its pixels' entropies: each level's as often as it occurs."""
    of_level = binarisation_floor(torch.arange(256.0)[:, None] / 255)
    counts = torch.from_numpy(sums["levels"]).double()
    assert int(counts.sum()) == 10_000 * 784
    assert float(of_level @ counts) / 10_000 == pytest.approx(189.86, abs=0.005)


# ---- the same from the images themselves, where they are at hand


def test_independent_pixels_and_the_floor_of_fashion_have_their_known_cost(fashion):
    train, test = (x / 255 for x in fashion)
    assert len(train) == 60_000 and len(test) == 10_000
    assert float(binarisation_floor(test).mean()) == pytest.approx(189.86, abs=0.005)
    mean = train.mean(0, dtype=torch.float64)
    assert float(independent_bernoulli(mean, test).mean()) == pytest.approx(385.02, abs=0.005)


@pytest.mark.slow
def test_ppca_of_fashion_has_its_known_bits(fashion):
    """6.461 bits/dim in full, 7.051 at rank 50."""
    fitted = fit_levels(fashion[0])
    assert float(ppca(fitted, fashion[1]).mean()) == pytest.approx(6.461, abs=0.001)
    assert float(ppca(fitted, fashion[1], 50).mean()) == pytest.approx(7.051, abs=0.001)


# ---- refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: binarisation_floor(torch.full((2, 3), 2.0)),
            r"test pixels must lie in \[0, 1\]; found",
        ),
        (
            lambda: binarisation_floor(torch.full((2, 3), math.nan)),
            "NaN or infinite values in 2 of 2",
        ),
        (lambda: binarisation_floor(torch.zeros(3)), r"shape \(N, D\); found \(3,\)"),
        (lambda: binarisation_floor(torch.zeros(0, 3)), "at least 1 sample; found 0"),
        (
            lambda: independent_bernoulli(torch.zeros(3) - 1, torch.zeros(2, 3)),
            r"mean pixels must lie in \[0, 1\]; found values from -1 to -1",
        ),
        (
            lambda: independent_bernoulli(torch.zeros(3), torch.zeros(2, 4)),
            "one dimension; found mean 3, test 4",
        ),
        (
            lambda: fit_levels(torch.rand(5, 3)),
            "train levels must be uint8, from 0 to 255; found torch.float32",
        ),
        (lambda: fit_levels(rolled(0, 1, 3)), "at least 2 samples; found 1"),
        (
            lambda: ppca(fit_levels(rolled(0, 9, 3)), rolled(0, 2, 4)),
            "one dimension; found 3, test 4",
        ),
        (
            lambda: ppca(fit_levels(rolled(0, 9, 3)), rolled(0, 2, 3), 3),
            r"rank must lie in \[0, 2\]",
        ),
        (
            lambda: ppca(fit_levels(rolled(0, 9, 3)), rolled(0, 2, 3), -1),
            "or be None for all 3; found -1",
        ),
        (
            lambda: ppca(fit_levels(rolled(0, 5, 9)), rolled(0, 2, 9)),
            "singular at rank None; fit it to more",
        ),
        (lambda: ppca(fit_levels(rolled(0, 5, 9)), rolled(0, 2, 9), 4), "singular at rank 4"),
    ],
)
def test_what_has_no_baseline_is_refused_with_what_is_needed(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_fewer_samples_than_entries_have_a_baseline_of_low_rank():
    """Five samples span four directions; at rank 3 the fourth is the noise."""
    assert ppca(fit_levels(rolled(0, 5, 9)), rolled(0, 2, 9), 3).isfinite().all()
