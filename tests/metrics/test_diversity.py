"""Classifier score and Vendi score against known answers. reference/evaluation.md, section 3.7."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from reverie.errors import ConfigError, DataError
from reverie.metrics.diversity import classifier_score, vendi_score


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- classifier score


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_uniform_predictions_score_one(classes):
    assert classifier_score(torch.full((7, classes), 1 / classes)) == pytest.approx(1.0)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_sure_and_balanced_predictions_score_the_number_of_classes(classes):
    sure = torch.eye(classes).repeat(3, 1)
    assert classifier_score(sure) == pytest.approx(classes, rel=1e-12)


def test_one_class_alone_scores_one():
    assert classifier_score(torch.eye(10)[:1].repeat(5, 1)) == 1.0


def test_two_unequal_classes_score_the_exponential_of_their_entropy():
    """Sure predictions have no entropy of their own: exp H(3/4, 1/4)."""
    sure = torch.eye(4)[[0, 0, 0, 1]]
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert classifier_score(sure) == pytest.approx(math.exp(entropy), rel=1e-12)


def test_any_predictions_score_the_mean_divergence_of_scipy():
    p = drawn(0, 50, 6).softmax(1)
    divergences = [scipy.stats.entropy(row, p.numpy().mean(0)) for row in p.numpy()]
    assert classifier_score(p) == pytest.approx(math.exp(np.mean(divergences)), rel=1e-10)


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (torch.ones(3, 4), "3 of 3 rows do not, the first sums to 4"),
        (torch.tensor([[0.5, 0.5], [1.5, -0.5]]), "1 of 2 rows do not, the first sums to 1"),
        (torch.tensor([[0.5, math.nan]]), "classifier features hold NaN"),
        (torch.ones(0, 4), "at least 1 sample; found 0"),
        (torch.ones(4), r"shape \(N, D\); found \(4,\)"),
    ],
)
def test_what_are_no_probabilities_are_refused(p, message):
    with pytest.raises(DataError, match=message):
        classifier_score(p)


# ---- Vendi score


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, math.inf])
@pytest.mark.parametrize("n", [3, 50])
def test_identical_samples_count_as_one(n, order):
    """With fewer samples than dimensions, and with more."""
    x = drawn(0, 1, 10).repeat(n, 1)
    assert vendi_score(x, order) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("order", [0.1, 0.5, 1.0, 2.0, math.inf])
def test_orthogonal_samples_count_each(order):
    q = torch.linalg.qr(drawn(0, 12, 12)).Q
    assert vendi_score(3 * q[:5], order) == pytest.approx(5.0)
    assert vendi_score(q.repeat(4, 1), order) == pytest.approx(12.0)


@pytest.mark.parametrize("order", [0.1, 1.0, math.inf])
def test_two_equal_groups_count_as_two(order):
    assert vendi_score(torch.eye(2, 8).repeat(20, 1), order) == pytest.approx(2.0)


def test_unequal_groups_have_the_hill_numbers_of_their_shares():
    """3/4 and 1/4: exp of Shannon's entropy, 1 / sum p^2 = 1.6, 1 / max p = 4/3, (sum sqrt p)^2."""
    x = torch.eye(2, 5)[[0, 0, 0, 1] * 5]
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert vendi_score(x) == pytest.approx(math.exp(entropy))
    assert vendi_score(x, 2) == pytest.approx(1.6)
    assert vendi_score(x, math.inf) == pytest.approx(4 / 3)
    assert vendi_score(x, 0.5) == pytest.approx((math.sqrt(0.75) + math.sqrt(0.25)) ** 2)


def test_orders_near_one_come_near_shannons():
    x = drawn(0, 40, 6)
    assert vendi_score(x, 1 + 1e-7) == pytest.approx(vendi_score(x), rel=1e-5)


@pytest.mark.parametrize(("n", "d"), [(8, 30), (30, 8), (30, 30)])
def test_it_is_the_definition_by_the_kernel_matrix(n, d):
    """exp H of the eigenvalues of the `(N, N)` matrix of cosines over N, whichever form is computed."""
    x = drawn(0, n, d) + 0.5
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    values = np.linalg.eigvalsh(unit @ unit.T / n).clip(1e-300)
    expected = math.exp(-float((values * np.log(values)).sum()))
    assert vendi_score(x) == pytest.approx(expected, rel=1e-9)
    assert vendi_score(x, chunk=7) == pytest.approx(expected, rel=1e-9)


def test_lengths_do_not_count():
    x = drawn(0, 20, 5)
    assert vendi_score(x * drawn(1, 20, 1).exp()) == pytest.approx(vendi_score(x))


def test_a_sample_without_direction_is_refused():
    with pytest.raises(DataError, match="not zero; found zero in 1 of 3 samples"):
        vendi_score(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]))


@pytest.mark.parametrize("order", [0.0, -1.0, math.nan])
def test_an_impossible_order_is_refused(order):
    with pytest.raises(ConfigError, match="above 0"):
        vendi_score(torch.eye(3), order)


def test_no_samples_are_refused():
    with pytest.raises(DataError, match="at least 1 sample; found 0"):
        vendi_score(torch.zeros(0, 3))
