"""Copying against its null distributions, exact copies and cases by hand.

reference/evaluation.md, sections 1.1 and 3.6.
"""

import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from sklearn.neighbors import NearestNeighbors

from reverie.errors import ConfigError, DataError
from reverie.metrics.copying import (
    authentic,
    copying,
    data_copying,
    near_duplicates,
    repeats,
)
from reverie.metrics.neighbours import nearest


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def share_authentic(train, samples):
    return float(authentic(nearest(samples, train), train).double().mean())


# ---- C_T


def test_exact_copies_reach_the_least_z_that_there_is():
    """U = 0: -(mn / 2) / sqrt(mn (m + n + 1) / 12), -21.1955 for 300 each."""
    train, held_out = drawn(0, 300, 3), drawn(1, 300, 3)
    found = copying(train, held_out, train, seed=0, cells=1, quantile=0.01)
    expected = -(300 * 300 / 2) / math.sqrt(300 * 300 * 601 / 12)
    assert expected == pytest.approx(-21.1955, abs=5e-5)
    assert found.data_copying.z == pytest.approx(expected, rel=1e-12)
    assert found.exact.value == 1.0 and found.held_out_exact.value == 0.0


def test_a_z_of_one_cell_is_scipys_rank_statistic():
    generated, held_out = drawn(0, 40).square(), drawn(1, 50).square() * 1.5
    u = mannwhitneyu(generated, held_out).statistic
    expected = (u - 40 * 50 / 2) / math.sqrt(40 * 50 * 91 / 12)
    found = data_copying(generated, held_out)
    assert found.z == pytest.approx(expected, rel=1e-12) and found.null_sd == 1.0
    assert [(c.held_out, c.generated) for c in found.cells] == [(50, 40)]


def test_alike_samples_have_a_standard_normal_z_in_one_cell():
    """Training data drawn anew each time, 300 times: mean 0 and sd 1 within four standard errors."""
    z = []
    for k in range(300):
        train, held_out, generated = drawn(k, 3 * 60, 2).split(60)
        distances = (nearest(x, train).distance[:, 0] for x in (generated, held_out))
        z.append(data_copying(*distances).z)
    assert abs(np.mean(z)) < 4 / math.sqrt(300)
    assert abs(np.std(z) - 1) < 4 / math.sqrt(600)


def test_alike_samples_have_the_sd_that_an_average_of_cells_says():
    """Three cells of shares 1/2, 1/4 and 1/4: sqrt(1/4 + 1/16 + 1/16) = 0.612."""
    cells = torch.tensor([0, 1, 0, 2]).repeat(30)
    found = [
        data_copying(drawn(2 * k, 120), drawn(2 * k + 1, 120), cells, cells) for k in range(400)
    ]
    assert all(result.null_sd == pytest.approx(math.sqrt(0.375)) for result in found)
    z = [result.z for result in found]
    assert abs(np.mean(z)) < 4 * math.sqrt(0.375 / 400)
    assert abs(np.std(z) / math.sqrt(0.375) - 1) < 4 / math.sqrt(800)


def test_cells_are_weighted_by_their_held_out_share():
    generated, held_out = drawn(0, 90), drawn(1, 120) + 0.3
    mine, other = torch.arange(90) % 2, (torch.arange(120) % 4 == 0).long()
    found = data_copying(generated, held_out, mine, other)
    alone = [data_copying(generated[mine == c], held_out[other == c]).z for c in (0, 1)]
    assert [cell.z for cell in found.cells] == pytest.approx(alone)
    assert found.z == pytest.approx(0.75 * alone[0] + 0.25 * alone[1])
    assert [(c.held_out, c.generated) for c in found.cells] == [(90, 45), (30, 45)]


def test_a_cell_that_one_side_hardly_reaches_is_left_out_and_shown():
    generated, held_out = drawn(0, 60), drawn(1, 80)
    mine = torch.tensor([0] * 57 + [1] * 3)
    other = torch.tensor([0] * 40 + [1] * 20 + [2] * 20)
    found = data_copying(generated, held_out, mine, other)
    assert [cell.z is None for cell in found.cells] == [False, True, True]
    assert [cell.generated for cell in found.cells] == [57, 3, 0]
    assert found.z == found.cells[0].z and found.null_sd == 1.0


def test_copies_in_one_cell_are_seen_there_and_nowhere_else():
    """Two clusters; near one the generator copies with little noise, near the other it is the truth."""
    far = torch.tensor([20.0, 0.0])
    train, held_out, generated = (drawn(k, 200, 2) for k in range(3))
    generated[100:] = train[100:] + 0.01 * drawn(3, 100, 2)
    for x in (train, held_out, generated):
        x[100:] += far
    found = copying(train, held_out, generated, seed=0, cells=2, quantile=0.01)
    low, high = sorted(cell.z for cell in found.data_copying.cells if cell.z is not None)
    assert low < -8 and abs(high) < 4
    assert found.data_copying.null_sd == pytest.approx(math.sqrt(0.5))


def test_samples_farther_away_than_held_out_ones_have_a_positive_z():
    train, held_out, generated = drawn(0, 100, 2), drawn(1, 100, 2), 5 * drawn(2, 100, 2)
    assert copying(train, held_out, generated, 0, cells=1, quantile=0.01).data_copying.z > 4


# ---- authenticity


def test_authenticity_of_a_case_by_hand():
    """Training 0, 1, 4 are 1, 1 and 3 from their nearest. 0.5 is 0.5 from 0 or 1: not authentic; -2 is 2
    from 0: authentic; 6.9 is 2.9 from 4: not; 7 is 3 from 4, which is not farther: not; 8 is.
    """
    train = torch.tensor([[0.0], [1.0], [4.0]])
    samples = torch.tensor([[0.5], [-2.0], [6.9], [7.0], [8.0]])
    found = authentic(nearest(samples, train), train)
    assert found.tolist() == [False, True, False, False, True]


def test_authenticity_is_scikit_learns_neighbours_compared():
    train, samples = drawn(0, 90, 3), drawn(1, 70, 3)
    trees = NearestNeighbors().fit(train.numpy())
    distance, index = trees.kneighbors(samples.numpy(), 1)
    own = trees.kneighbors(train.numpy(), 2)[0][:, 1]
    found = authentic(nearest(samples, train), train)
    np.testing.assert_array_equal(found, distance[:, 0] > own[index[:, 0]])


@pytest.mark.parametrize(("d", "shared"), [(1, 1 / 2), (2, 2 / 3 - math.sqrt(3) / (2 * math.pi))])
def test_alike_samples_have_the_authenticity_of_their_dimension(d, shared):
    """Of evenly spread points x has its nearest r at distance s, and the ball about x is empty. It is not
    authentic if what the ball of r has beyond that, f = 1 - shared of it, is empty too: with the points
    in a ball Exp(1), 1 / (1 + f). So 1/3 in one dimension and 0.3785 in two (reference: 0.33, 0.38).
    """
    expected = 1 - 1 / (2 - shared)
    shares = []
    for k in range(40):
        x = torch.rand(1200, d, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
        # Samples keep clear of the edge, where points have neighbours on one side alone.
        inside = ((x - 0.5).abs() < 0.35).all(1) & (torch.arange(1200) < 600)
        shares.append(share_authentic(x[600:], x[inside]))
    assert abs(np.mean(shares) - expected) < 4 * np.std(shares) / math.sqrt(40)


@pytest.mark.parametrize(
    ("d", "count", "known"), [(16, 300, 0.69), (64, 300, 0.78), (64, 1000, 0.81)]
)
def test_alike_samples_of_many_dimensions_have_more_of_it(d, count, known):
    """reference, section 1.1: of Gaussians 0.69 in 16 dimensions and 0.81 in 64, to two decimals and four
    errors of 40 sets. In 64 the share still rises with the number of samples.
    """
    shares = [share_authentic(*drawn(k, 2 * count, d).split(count)) for k in range(40)]
    error = np.std(shares, ddof=1) / math.sqrt(40)
    assert error < 0.007
    assert abs(np.mean(shares) - known) < 4 * error + 0.005


@pytest.mark.parametrize("d", [2, 16])
def test_near_copies_are_not_authentic(d):
    train = drawn(0, 300, d)
    assert share_authentic(train, train + 1e-6 * drawn(1, 300, d)) == 0.0


def test_a_training_sample_with_a_twin_makes_everything_near_it_authentic():
    """Its own nearest is at distance 0; an exact copy of it is not farther than that."""
    train = torch.tensor([[0.0], [0.0], [9.0]])
    assert authentic(nearest(torch.tensor([[0.1], [0.0]]), train), train).tolist() == [True, False]


# ---- duplicates


def test_repeats_are_counted_but_for_the_first():
    x = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 3.0], [1.0, 2.0], [-0.0, 3.0]])
    assert repeats(x).value == 3 / 5
    assert repeats(drawn(0, 50, 2)).value == 0.0


def test_near_duplicates_of_a_case_by_hand():
    """Of 1000 distances 1..1000 the 0.001 quantile is the first and 0.0025 floors to the second."""
    held_out = torch.arange(1.0, 1001.0).flip(0)
    generated = torch.tensor([0.5, 1.0, 1.5, 2.0, 2.5])
    first, second = (
        near_duplicates(generated, held_out),
        near_duplicates(generated, held_out, 0.0025),
    )
    assert (first.threshold, first.share.value, first.expected) == (1.0, 2 / 5, 1 / 1001)
    assert (second.threshold, second.share.value, second.expected) == (2.0, 4 / 5, 2 / 1001)


def test_alike_samples_have_the_expected_share_of_near_duplicates():
    """r / (N + 1) = 5 / 101, over 400 sets of 100, to four standard errors."""
    found = [near_duplicates(drawn(2 * k, 100), drawn(2 * k + 1, 100), 0.05) for k in range(400)]
    shares = [result.share.value for result in found]
    assert found[0].expected == 5 / 101
    assert abs(np.mean(shares) - 5 / 101) < 4 * np.std(shares) / math.sqrt(400)


# ---- together


def test_the_neighbours_are_scikit_learns():
    train, held_out, generated = drawn(0, 80, 4), drawn(1, 100, 4), drawn(2, 60, 4)
    found = copying(train, held_out, generated, 0, cells=2, quantile=0.01)
    for neighbours, x in ((found.generated, generated), (found.held_out, held_out)):
        distance, index = NearestNeighbors().fit(train.numpy()).kneighbors(x.numpy(), 1)
        np.testing.assert_array_equal(neighbours.index, index)
        np.testing.assert_allclose(neighbours.distance, distance, rtol=1e-12)


def test_held_out_data_taken_for_generated_look_like_themselves():
    train, held_out = drawn(0, 200, 2), drawn(1, 200, 2)
    found = copying(train, held_out, held_out, 0, cells=3, quantile=0.01)
    assert found.data_copying.z == 0.0
    assert found.authenticity == found.held_out_authenticity
    assert found.near.share.value == 2 / 200


def test_the_seed_decides_the_cells_and_all_else_follows():
    sets = [drawn(k, 200, 2) for k in range(3)]
    assert (
        copying(*sets, 1, quantile=0.01).data_copying
        == copying(*sets, 1, quantile=0.01).data_copying
    )


def test_precisions_may_differ():
    train, held_out, generated = drawn(0, 60, 2), drawn(1, 60, 2).float(), drawn(2, 60, 2).half()
    assert copying(train, held_out, generated, 0, cells=1, quantile=0.05).exact.value == 0.0


# ---- refusals


def test_sets_that_do_not_fit_are_refused():
    x = drawn(0, 30, 2)
    bad = x.clone()
    bad[3] = torch.nan
    cases = [
        ((x, x, bad), "generated features hold NaN or infinite values in 1 of 30"),
        ((x, bad, x), "held-out features hold NaN"),
        ((bad, x, x), "train features hold NaN"),
        ((x, x[:0], x), "held-out features need at least 1 sample; found 0"),
        ((x[:1], x, x), "train features need at least 5 samples; found 1"),
        ((x, x, x[:, :1]), "held-out 2, generated 1"),
        ((x, x, x), r"the 0.001 quantile of distances needs at least 1000 held-out.*found 30"),
    ]
    for sets, message in cases:
        with pytest.raises(DataError, match=message):
            copying(*sets, seed=0, least=1)
    with pytest.raises(DataError, match="found train 3, held-out 2, generated 2"):
        copying(drawn(0, 30, 3), x, x, seed=0)
    with pytest.raises(DataError, match="train features need at least 2 samples; found 1"):
        authentic(nearest(x, x[:1]), x[:1])


def test_distances_and_cells_that_do_not_fit_are_refused():
    d = torch.ones(30)
    with pytest.raises(DataError, match="at least 40 generated and held-out samples; found 30/30"):
        data_copying(d, d, least=40)
    with pytest.raises(DataError, match=r"held-out distances must be one row .*\(30, 1\)"):
        data_copying(d, d[:, None])
    with pytest.raises(DataError, match=r"generated distances .*\(2,\), 1 of them not finite"):
        near_duplicates(torch.tensor([1.0, torch.inf]), d)
    with pytest.raises(
        DataError, match=r"generated cells must be whole numbers .*float32 of shape"
    ):
        data_copying(d, d, d, d.long())
    with pytest.raises(DataError, match=r"held-out cells .* shape \(3,\) for 30 distances"):
        data_copying(d, d, d.long(), d[:3].long())
    with pytest.raises(ConfigError, match="or of neither"):
        data_copying(d, d, d.long())
    with pytest.raises(ConfigError, match="a quantile lies between 0 and 1; found 1"):
        near_duplicates(d, d, 1.0)
