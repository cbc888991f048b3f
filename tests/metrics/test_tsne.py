"""t-SNE against scikit-learn's affinities and automatic differentiation."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import _t_sne

from reverie.metrics.tsne import _gradient, affinities, tsne


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("perplexity", [2.0, 5.0, 12.0])
def test_affinities_are_scikit_learns(perplexity):
    x = drawn(0, 40, 4) * torch.tensor([1.0, 10.0, 0.1, 3.0])
    distances = squareform(pdist(x.numpy(), "sqeuclidean")).astype(np.float32)
    expected = squareform(_t_sne._joint_probabilities(distances, perplexity, 0))
    np.testing.assert_allclose(affinities(x, perplexity), expected, rtol=2e-3, atol=1e-7)


def test_affinities_are_a_symmetric_distribution():
    p = affinities(drawn(0, 30, 3), 5.0)
    assert torch.equal(p, p.T) and not p.diagonal().any()
    assert float(p.sum()) == pytest.approx(1.0)


def test_points_at_equal_distances_are_equally_near():
    """The corners of a simplex: p_ij = 1 / N (N - 1), whatever the perplexity."""
    p = affinities(torch.eye(5, dtype=torch.float64), 2.0)
    torch.testing.assert_close(p, (1 - torch.eye(5, dtype=torch.float64)) / 20)


def test_the_gradient_is_that_of_the_kullback_leibler_divergence():
    """d/dy of sum p ln(p / q), q_ij = (1 + d^2)^-1 over its sum, by automatic differentiation."""
    p, y = affinities(drawn(0, 12, 3), 3.0), drawn(1, 12, 2).requires_grad_()
    square = (y[:, None] - y[None]).square().sum(2)
    kernel = (1 - torch.eye(12)) / (1 + square)
    q = kernel / kernel.sum()
    off = ~torch.eye(12, dtype=torch.bool)
    divergence = (p[off] * (p[off] / q[off]).log()).sum()
    (expected,) = torch.autograd.grad(divergence, y)
    torch.testing.assert_close(_gradient(p, y.detach()), expected)


def test_clusters_stay_together():
    """Three tight clusters far apart in 5 dimensions: every point's nearest on the map is of its own."""
    centres = 20 * torch.eye(3, 5)
    x = (centres[torch.arange(60) % 3] + drawn(0, 60, 5)).float()
    y = tsne(x, perplexity=10)
    nearest = torch.cdist(y, y).fill_diagonal_(torch.inf).argmin(1)
    assert y.shape == (60, 2) and y.isfinite().all()
    assert torch.equal(nearest % 3, torch.arange(60) % 3)


def test_the_map_is_a_function_of_the_points():
    x = drawn(0, 20, 4).float()
    assert torch.equal(tsne(x, steps=20), tsne(x, steps=20))


def test_points_that_all_coincide_do_not_break_it():
    """A collapsed encoder gives one code for all."""
    assert tsne(torch.ones(12, 3), steps=5).isfinite().all()
