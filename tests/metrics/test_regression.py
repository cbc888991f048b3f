"""The regressions against scikit-learn's, closed forms and their own optimality."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, LogisticRegression
from torch.nn import functional as F

from reverie.metrics.regression import (
    lasso,
    logistic,
    softmax_regression,
    sparse_softmax_regression,
    standardised,
)


def drawn(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_standardised_sets_are_in_the_units_of_the_first():
    """numpy's mean and deviation; a feature that is always 0.1 there is only shifted."""
    x, y = 3 * drawn(0, 40, 3) + 5, drawn(1, 30, 3).float()
    x[:, 1], y[0, 1] = 0.1, 7.1
    a, b = standardised(x, y)
    for found, of in ((a, x), (b, y)):
        expected = (of.double().numpy() - x.numpy().mean(0)) / x.numpy().std(0)
        np.testing.assert_allclose(found[:, ::2], expected[:, ::2], rtol=1e-10, atol=1e-12)
    assert bool((a[:, 1] == 0).all()) and float(b[0, 1]) == pytest.approx(7.0)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("apart", [0.3, 30.0])
def test_the_logistic_regression_of_two_classes_is_scikit_learns(penalty, apart):
    """Also of sets that a plane separates, whose weights only the penalty holds."""
    labels = torch.arange(80) % 2
    x = drawn(0, 80, 5) * torch.tensor([1.0, 2.0, 0.1, 1.0, 1.0]) + apart * labels[:, None]
    oracle = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    oracle.fit(x.numpy(), labels.numpy())
    found = logistic(x, labels, penalty)
    np.testing.assert_allclose(found[:-1], oracle.coef_[0], rtol=1e-4, atol=1e-5)
    assert float(found[-1]) == pytest.approx(oracle.intercept_[0], rel=1e-4, abs=1e-5)


def test_the_logistic_regression_halves_steps_that_overshoot():
    """Five samples and nearly no penalty: the sixth full Newton step from 0 raises the loss sixfold. The
    slope at the end must be 0 all the same.
    """
    x = torch.tensor(
        [[-1.4, -1.0], [0.0, 0.0], [-4.4, -0.2], [-1.3, 20.5], [0.0, -0.4]], dtype=torch.float64
    )
    labels = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    padded = torch.cat([x, torch.ones(5, 1)], 1)
    ridge = torch.tensor([1e-4, 1e-4, 0.0], dtype=torch.float64)
    w, losses = torch.zeros(3, dtype=torch.float64), []
    for _ in range(7):
        logits = padded @ w
        losses.append(float(F.softplus(logits).sum() - labels @ logits + ridge @ w**2 / 2))
        p = logits.sigmoid()
        slope = padded.T @ (p - labels) + ridge * w
        w = w - torch.linalg.solve((padded.T * (p * (1 - p))) @ padded + ridge.diag(), slope)
    assert max(losses[i + 1] / losses[i] for i in range(6)) > 5
    w = logistic(x, labels, penalty=1e-4)
    slope = padded.T @ ((padded @ w).sigmoid() - labels) + ridge * w
    assert float(slope.abs().max()) < 1e-6


@pytest.mark.parametrize("strength", [1e-3, 1.0, 100.0])
def test_the_softmax_regression_is_scikit_learns(strength):
    x = drawn(0, 400, 4) * torch.tensor([1.0, 5.0, 0.1, 1.0]) + 2
    y = (standardised(x)[0] @ drawn(99, 4, 3) + drawn(1, 400, 3)).argmax(1)
    [z] = standardised(x)
    found = softmax_regression(z, y, 1 / strength, torch.zeros(5, 3, dtype=torch.float64))
    model = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(z.numpy(), y)
    torch.testing.assert_close(found[:-1].T, torch.tensor(model.coef_), rtol=0, atol=1e-4)
    free = torch.tensor(model.intercept_)
    torch.testing.assert_close(found[-1] - found[-1].mean(), free - free.mean(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("penalty", [0.02, 0.3])
def test_the_lasso_is_scikit_learns(penalty):
    """Also of columns that are nearly one another."""
    x = drawn(0, 300, 6)
    x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    y = x[:, :1] - 0.5 * x[:, 3:4] + drawn(1, 300, 1)
    model = Lasso(penalty, fit_intercept=False, tol=1e-12, max_iter=100_000)
    expected = model.fit(x.numpy(), y.numpy()).coef_
    found = lasso(x, y, penalty)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found == 0).tolist() == (expected == 0).tolist()


def test_the_lasso_of_orthogonal_codes_is_a_soft_threshold():
    """x'x = N I: w = sign(c) max(|c| - penalty, 0) of c = x'y / N."""
    x = math.sqrt(50) * torch.linalg.qr(drawn(0, 50, 4)).Q
    y = x @ torch.tensor([[2.0], [-0.5], [0.1], [0.0]]).double()
    expected = torch.tensor([[1.8], [-0.3], [0.0], [0.0]]).double()
    torch.testing.assert_close(lasso(x, y, 0.2), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("penalty", [0.005, 0.05])
def test_the_sparse_softmax_regression_is_scikit_learns(penalty):
    x = drawn(0, 400, 5)
    y = (x[:, 0] + 0.5 * x[:, 3] + 0.5 * drawn(1, 400)).round().clamp(-1, 1).long() + 1
    model = LogisticRegression(C=1 / (penalty * 400), l1_ratio=1, solver="saga", tol=1e-9)
    with warnings.catch_warnings():
        # Older versions warn that the penalty is not named, newer ones where it is.
        warnings.simplefilter("ignore")
        model.set_params(max_iter=20_000).fit(x.numpy(), y.numpy())
    found = sparse_softmax_regression(x, y, 3, penalty)
    weights, intercepts = found[:-1], found[-1]
    np.testing.assert_allclose(weights.T, model.coef_, atol=1e-4)
    free = model.intercept_ - model.intercept_.mean()
    np.testing.assert_allclose(intercepts - intercepts.mean(), free, atol=1e-4)


def test_equal_codes_share_their_weight():
    x = standardised(drawn(0, 200, 2))[0].repeat(1, 2)
    y = x[:, :1] + drawn(1, 200, 1)
    weights = lasso(x, y, 0.02)
    torch.testing.assert_close(weights[:2], weights[2:])
    assert float(weights[0]) > 0.3
    labels = (y[:, 0] > 0).long()
    weights = sparse_softmax_regression(x, labels, 2, 0.01)[:-1]
    torch.testing.assert_close(weights[:2], weights[2:])
    assert float(weights[0, 1]) > 0.3
