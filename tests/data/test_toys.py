"""The toy mixtures have the means, spreads and counts of PacGAN's section 4.1."""

import math

import numpy as np
import pytest
import torch

from reverie.data import DataConfig, open_dataset
from reverie.data.toys import GRID_SIGMA, RING_SIGMA, grid_means, ring_means
from reverie.errors import DataError


def test_the_means_are_where_the_paper_puts_them():
    half = math.sqrt(0.5)
    expected = [(1, 0), (half, half), (0, 1), (-half, half), (-1, 0), (-half, -half)]
    np.testing.assert_allclose(ring_means()[:6], expected, atol=1e-12)
    np.testing.assert_allclose(np.hypot(*ring_means().T), 1)
    assert {tuple(mean) for mean in grid_means().tolist()} == {
        (x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    }


@pytest.mark.parametrize(
    ("name", "means", "sigma"), [("ring", ring_means(), 0.01), ("grid", grid_means(), 0.05)]
)
def test_points_scatter_about_the_mean_of_their_label(name, means, sigma):
    """The standard error of a spread of 200,000 numbers is sigma / sqrt(400,000), 0.16 %."""
    dataset = open_dataset(DataConfig(source=name))
    assert (len(dataset.train), len(dataset.test), dataset.spec.shape) == (100_000, 10_000, (2,))
    assert (RING_SIGMA, GRID_SIGMA) == (0.01, 0.05)
    offsets = dataset.train.x.double().numpy() - means[dataset.train.y.numpy()]
    assert abs(offsets.std() / sigma - 1) < 0.01
    assert abs(offsets.mean()) < 5 * sigma / math.sqrt(200_000)
    counts = torch.bincount(dataset.train.y).double() / (100_000 / len(means))
    assert len(counts) == len(means) == len(dataset.spec.classes)
    assert (counts - 1).abs().max() < 0.1


def test_the_seed_decides_the_points():
    def first(seed):
        return open_dataset(DataConfig(source="ring", seed=seed)).train.x[0].tolist()

    assert first(1) == first(1) != first(2)


def test_options_for_pictures_are_refused():
    with pytest.raises(
        DataError, match=r"ring: holds vectors of 2 numbers; data.size, data.color and"
    ):
        open_dataset(DataConfig(source="ring", size=8))
