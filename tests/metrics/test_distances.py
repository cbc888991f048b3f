"""Bounds of distances hold, and what they decide is what float64 decides."""

import pytest
import torch

from reverie.metrics.distances import Distances

SIZES = (1, 30, 10_000)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def squares(x, y):
    return (x.double()[:, None] - y.double()[None]).square().sum(2)


def outlier(seed, *shape):
    x = drawn(seed, *shape)
    x[3] *= 1e9
    return x


def clusters(seed, *shape):
    return 10 * drawn(9, 3, shape[1])[torch.arange(shape[0]) % 3] + 1e-5 * drawn(seed, *shape)


SETS = {
    "normal": drawn,
    "off centre": lambda *a: drawn(*a) + 1e4,
    "huge": lambda *a: 1e30 * drawn(*a),
    "tiny": lambda *a: 1e-30 * drawn(*a),
    "one far outlier": outlier,
    "tight clusters": clusters,
    "float64": lambda *a: 1 + 1e-9 * drawn(*a).double(),
    "constant": lambda seed, *shape: torch.full(shape, 0.7),
    "integers": lambda *a: drawn(*a).round(),
    "half precision": lambda *a: drawn(*a).half(),
}


def both_bounds(pairs, size):
    """The lower and upper bounds of all pairs, in the squares' own unit."""
    least = torch.full((len(pairs.x), len(pairs.y)), torch.nan, dtype=torch.float64)
    for tile in pairs.tiles(size):
        least[tile.rows, tile.columns] = tile.least.double()
    wrong = 2 * (pairs.row.double()[:, None] + pairs.column.double())
    return least * pairs.scale**2, (least + wrong) * pairs.scale**2


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", SETS)
def test_every_distance_lies_within_its_bounds(kind, size):
    x, y = SETS[kind](0, 17, 40), SETS[kind](1, 11, 40)
    least, most = both_bounds(Distances(x, y), size)
    assert bool((least <= squares(x, y)).all()) and bool((squares(x, y) <= most).all())


def test_the_bounds_hold_where_products_may_be_coarser():
    """Rounded to bfloat16 by hand, as a matrix unit would with `medium`, the product stays in bounds."""
    x, y = drawn(0, 40, 64), drawn(1, 30, 64)
    torch.set_float32_matmul_precision("medium")
    try:
        pairs = Distances(x, y)
    finally:
        torch.set_float32_matmul_precision("highest")
    left, right = (t.bfloat16().float() for t in (pairs._lefts(slice(None)), pairs.right))
    least = (left @ right.T).double() * pairs.scale**2
    wrong = 2 * (pairs.row[:, None] + pairs.column).double() * pairs.scale**2
    assert bool((least <= squares(x, y)).all()) and bool((squares(x, y) <= least + wrong).all())


def test_tight_clusters_far_apart_take_float64():
    assert Distances(clusters(0, 60, 8), clusters(1, 60, 8)).row.dtype == torch.float64
    for kind in ("normal", "off centre", "one far outlier"):
        assert Distances(SETS[kind](0, 60, 8), SETS[kind](1, 60, 8)).row.dtype == torch.float32


@pytest.mark.parametrize("value", [0.1, 0.7, 1e20])
def test_coinciding_samples_have_no_extent(value):
    x = torch.full((47, 3), value, dtype=torch.float64)
    assert Distances(x, x.clone()).scale == 0


def test_half_the_tiles_are_those_from_the_diagonal_on():
    x = drawn(0, 10, 3)
    met = torch.zeros(10, 10)
    for tile in Distances(x, x).tiles(9, half=True):
        met[tile.rows, tile.columns] += 1
    assert torch.equal(met + met.T - met * met.T, torch.ones(10, 10))
    assert (
        int(met.sum()) == 3 * 3 * 6 + 3 * 3 + 1
    )  # six full tiles, three of 3 x 1, and the corner


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", SETS)
def test_pairs_within_reach_are_float64s(kind, size):
    """The reach of each row, and then of each column, is exactly one of its distances: an edge."""
    x, y = SETS[kind](0, 17, 40), SETS[kind](1, 11, 40)
    d = squares(x, y)
    rows, columns = d[:, 4:5], d[3:4]
    pairs, found = Distances(x, y), torch.zeros(2, 17, 11, dtype=torch.bool)
    for tile in pairs.tiles(size):
        for to, reach in zip(found, (rows[tile.rows], columns[:, tile.columns]), strict=True):
            to[pairs.within(tile, reach)] = True
    assert torch.equal(found[0], d <= rows * (1 + 1e-12))
    assert torch.equal(found[1], d <= columns * (1 + 1e-12))
    assert bool(found[0][:, 4].all()) and bool(found[1][3].all())
