"""k-means: its start has the chances of k-means++, its end is a fixed point of Lloyd's algorithm."""

import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from reverie.errors import ConfigError, DataError
from reverie.metrics.kmeans import _means, kmeans, nearest_centre


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blobs(seed=0, k=5, n=40):
    """k groups of n, far apart."""
    return (10 * torch.eye(k, 6)).repeat_interleave(n, 0) + 0.1 * drawn(seed, k * n, 6)


def test_groups_far_apart_are_found():
    x = blobs()
    found = kmeans(x, 5, seed=0)
    groups = found.labels.view(5, 40)
    assert (groups == groups[:, :1]).all() and len(groups[:, 0].unique()) == 5
    for group, label in zip(x.view(5, 40, 6), groups[:, 0], strict=True):
        torch.testing.assert_close(found.centres[label], group.mean(0))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_end_is_a_fixed_point(seed):
    """Each centre is the mean of its samples, and each sample is nearest to its own centre."""
    x = drawn(seed, 200, 3)
    found = kmeans(x, 7, seed, iterations=1000)
    distances = torch.cdist(x, found.centres)
    torch.testing.assert_close(found.distances, distances.min(1).values)
    assert torch.equal(found.labels, distances.argmin(1))
    for k in range(7):
        torch.testing.assert_close(found.centres[k], x[found.labels == k].mean(0))
    assert found.counts.tolist() == [int((found.labels == k).sum()) for k in range(7)]


def test_from_one_start_the_end_is_scikit_learns():
    x = drawn(0, 150, 4)
    start = kmeans(x, 6, seed=3, iterations=0).centres
    oracle = KMeans(6, init=start.numpy(), n_init=1, max_iter=1000, tol=0).fit(x.numpy())
    found = kmeans(x, 6, seed=3, iterations=1000)
    np.testing.assert_allclose(found.centres, oracle.cluster_centers_, rtol=1e-10)
    np.testing.assert_array_equal(found.labels, oracle.labels_)


def test_the_start_has_the_chances_of_kmeans_plus_plus():
    """Of 0, 1, 3, the first is any; the second has the chance D^2 / sum D^2. The pairs' chances:
    {0, 1}: (1/10 + 1/5) / 3; {0, 3}: (9/10 + 9/13) / 3; {1, 3}: (4/5 + 4/13) / 3.
    """
    x, draws = torch.tensor([[0.0], [1.0], [3.0]]), 2000
    starts = [kmeans(x, 2, seed, iterations=0).centres.sum() for seed in range(draws)]
    sums = torch.stack(starts).round().long().tolist()
    for total, chance in ((1, 0.1), (3, (9 / 10 + 9 / 13) / 3), (4, (4 / 5 + 4 / 13) / 3)):
        error = math.sqrt(chance * (1 - chance) / draws)
        assert abs(sums.count(total) / draws - chance) < 4 * error


def test_one_cluster_is_the_mean():
    x = drawn(0, 30, 3)
    found = kmeans(x, 1, seed=0)
    torch.testing.assert_close(found.centres[0], x.mean(0))
    assert not found.labels.any()


def test_as_many_clusters_as_samples_are_the_samples():
    x = drawn(0, 12, 3)
    found = kmeans(x, 12, seed=0)
    assert sorted(found.labels.tolist()) == list(range(12)) and found.distances.max() < 1e-6


@pytest.mark.parametrize("k", [2, 3, 8])
def test_equal_samples_share_a_cluster(k):
    """Three distinct samples have at most three clusters."""
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]]).repeat(4, 1)
    found = kmeans(x, k, seed=0)
    assert len(found.centres) == min(k, 3)
    assert torch.equal(found.labels.view(4, 3), found.labels[:3].expand(4, 3))


def test_an_empty_cluster_takes_the_farthest_sample_that_another_can_spare():
    """Sample 3 is the farthest but alone in its cluster; sample 2 is next."""
    x = torch.tensor([[0.0], [1.0], [4.0], [50.0]])
    labels, distances = torch.tensor([0, 0, 0, 1]), torch.tensor([1.0, 0.0, 3.0, 9.0])
    assert _means(x, labels, distances, 3).flatten().tolist() == [0.5, 50.0, 4.0]
    assert labels.tolist() == [0, 0, 0, 1]


def test_it_is_a_function_of_the_seed():
    x = drawn(0, 100, 2)
    first, again, other = (kmeans(x, 9, seed) for seed in (0, 0, 1))
    assert torch.equal(first.centres, again.centres) and torch.equal(first.labels, again.labels)
    assert not torch.equal(first.centres, other.centres)


def test_chunks_change_nothing():
    x = drawn(0, 53, 3)
    assert torch.equal(kmeans(x, 4, 0, chunk=7).labels, kmeans(x, 4, 0).labels)


def test_a_large_offset_does_not_swallow_the_distances():
    """In float32, |x|^2 of 1e4 + {0, 1} in 6 dimensions is coarser than the distances."""
    groups = torch.arange(2).repeat_interleave(30)
    x = (1e4 + groups[:, None] + 0.05 * drawn(0, 60, 6)).float()
    found = kmeans(x, 2, seed=0)
    assert torch.equal(found.labels == found.labels[0], groups == 0)
    assert found.centres.dtype == torch.float32


def test_half_precision_is_computed_in_float32():
    assert kmeans(blobs().half(), 5, seed=0).centres.dtype == torch.float32


def test_the_nearest_centre_is_that_of_all_distances():
    x, centres = drawn(0, 31, 4), drawn(1, 6, 4)
    expected = (x[:, None] - centres).norm(dim=2).min(1)
    labels, distances = nearest_centre(x, centres, chunk=10)
    assert torch.equal(labels, expected.indices)
    torch.testing.assert_close(distances, expected.values)


def test_more_clusters_than_samples_are_refused():
    with pytest.raises(DataError, match="clustered features need at least 4 samples; found 3"):
        kmeans(torch.zeros(3, 2), 4, seed=0)


def test_no_clusters_are_refused():
    with pytest.raises(ConfigError, match="at least 1 cluster; found 0"):
        kmeans(torch.zeros(3, 2), 0, seed=0)


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="NaN or infinite values in 1 of 3"):
        kmeans(torch.tensor([[0.0], [math.nan], [1.0]]), 2, seed=0)
