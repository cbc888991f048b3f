"""Mode counts against their ceilings and floors. reference/evaluation.md, section 3.10."""

import itertools
import math

import pytest
import scipy.stats
import torch

from reverie.errors import ConfigError, DataError
from reverie.metrics.modes import assign_modes, count_modes, expected_kl, unreached_modes


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def picked(seed, modes, n):
    return torch.randint(modes, (n,), generator=torch.Generator().manual_seed(seed))


def ring(modes=8):
    angle = torch.arange(modes).double() / modes * 2 * math.pi
    return torch.stack([angle.cos(), angle.sin()], 1)


# ---- known centres


def test_perfect_samples_of_the_ring_reach_the_ceiling_and_not_more():
    """1 - exp(-9/2) = 98.889 % of N(c, s^2 I) in two dimensions lie within 3 s."""
    n, sigma, ceiling = 100_000, 0.01, 1 - math.exp(-4.5)
    assert ceiling == pytest.approx(0.98889, abs=5e-6)
    mode = picked(0, 8, n)
    labels, good = assign_modes(ring()[mode] + sigma * drawn(1, n, 2), ring(), sigma)
    assert torch.equal(labels, mode)
    found = count_modes(labels, 8, good)
    assert abs(found.good.value - ceiling) < 4 * math.sqrt(ceiling * (1 - ceiling) / n)
    assert found.good.low < found.good.value < found.good.high < 1
    assert found.reached == found.fair == 8


@pytest.mark.parametrize("d", [1, 5])
def test_in_other_dimensions_the_ceiling_is_chis(d):
    labels, good = assign_modes(drawn(0, 50_000, d), torch.zeros(1, d), 1.0)
    expected = scipy.stats.chi.cdf(3, d)
    assert not labels.any()
    assert abs(float(good.double().mean()) - expected) < 4 * math.sqrt(
        expected * (1 - expected) / 5e4
    )


def test_samples_belong_to_the_nearest_centre_and_are_good_within_its_own_sigma():
    samples = torch.tensor([[0.2], [3.5], [6.5], [9.5]])
    centres, sigma = torch.tensor([[0.0], [10.0]]), torch.tensor([0.1, 1.0])
    labels, good = assign_modes(samples, centres, sigma)
    assert labels.tolist() == [0, 0, 1, 1]
    assert good.tolist() == [True, False, False, True]
    assert assign_modes(samples, centres, 0.1, within=1)[1].tolist() == [False] * 4


@pytest.mark.parametrize("sigma", [0.0, -1.0, torch.ones(3)])
def test_an_impossible_sigma_is_refused(sigma):
    with pytest.raises(ConfigError, match="above 0, one or 2 numbers; found"):
        assign_modes(torch.zeros(4, 2), torch.eye(2), sigma)


def test_samples_and_centres_of_different_dimensions_are_refused():
    with pytest.raises(DataError, match="found samples 3, centres 2"):
        assign_modes(torch.zeros(4, 3), torch.eye(2), 1.0)


# ---- counts


def test_counts_by_hand():
    """10 samples, one of them bad: 6, 2, 1 and 0 good ones in four modes of 9 / 4 each.

    One sample reaches the third mode, and is above 20 % of 2.25. KL = ln 4 - H(6/9, 2/9, 1/9).
    """
    labels = torch.tensor([0] * 6 + [1] * 2 + [2, 3])
    good = torch.tensor([True] * 9 + [False])
    found = count_modes(labels, 4, good)
    assert found.counts.tolist() == [6, 2, 1, 0]
    assert found.reached == 3 and found.fair == 3
    assert found.good.value == 0.9
    entropy = scipy.stats.entropy([6, 2, 1])
    assert found.kl == pytest.approx(math.log(4) - entropy, rel=1e-12)
    assert found.kl_ceiling == pytest.approx(math.log(4))


@pytest.mark.parametrize("shares", [[0.25] * 4, [0.7, 0.2, 0.06, 0.04]])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_the_divergence_of_few_perfect_samples_is_its_mean_over_all_outcomes(shares, count):
    """Every outcome of so many draws, with its chance. Of one draw it is the entropy of the shares."""
    expected = 0.0
    for drawn in itertools.product(range(4), repeat=count):
        chance = math.prod(shares[mode] for mode in drawn)
        expected += chance * scipy.stats.entropy([drawn.count(m) for m in range(4)], shares)
    found = expected_kl(torch.tensor(shares, dtype=torch.float64), count)
    assert found == pytest.approx(expected, rel=1e-10)
    if count == 1:
        assert found == pytest.approx(scipy.stats.entropy(shares), rel=1e-12)


def test_a_stray_sample_reaches_a_mode_without_a_fair_share():
    labels = torch.tensor([0] * 98 + [1] * 1 + [2] * 10)
    found = count_modes(labels, 3)
    assert (found.reached, found.fair) == (3, 2)


def test_exactly_a_fifth_of_the_fair_share_is_fair():
    """20 samples on 2 modes: 20 % of 10 is 2."""
    assert count_modes(torch.tensor([0] * 18 + [1] * 2), 2).fair == 2
    assert count_modes(torch.tensor([0] * 19 + [1] * 1), 2).fair == 1


@pytest.mark.parametrize("modes", [2, 8, 1000])
def test_one_mode_alone_has_the_ceiling(modes):
    found = count_modes(torch.zeros(50, dtype=torch.long), modes)
    assert found.reached == 1
    assert found.kl == pytest.approx(math.log(modes)) == pytest.approx(found.kl_ceiling)


@pytest.mark.parametrize(
    ("modes", "n", "floor"), [(8, 2500, 0.0014), (25, 2500, 0.0048), (1000, 26_000, 0.0192)]
)
def test_the_floors_of_the_published_protocols(modes, n, floor):
    """(K - 1) / 2N but for 1 %, and what perfect samples have on average: within 4 errors."""
    found = [count_modes(picked(seed, modes, n), modes) for seed in range(20)]
    assert found[0].kl_floor == pytest.approx(floor, rel=0.01, abs=5e-5)
    kl = torch.tensor([one.kl for one in found])
    assert abs(float(kl.mean()) - found[0].kl_floor) < 4 * float(kl.std()) / 20**0.5
    assert all(one.reached == modes for one in found)


def test_unequal_data_are_the_measure_if_their_shares_are_given():
    """Samples in proportion to the data have no divergence, and each mode its fair share."""
    labels = torch.tensor([0] * 90 + [1] * 9 + [2])
    alike = count_modes(labels, 3, shares=torch.tensor([900, 90, 10]))
    assert alike.kl == pytest.approx(0.0, abs=1e-12) and alike.fair == 3
    assert alike.kl_ceiling == pytest.approx(math.log(100))
    assert count_modes(labels, 3).fair == 2


def test_no_good_samples_have_no_divergence():
    found = count_modes(torch.tensor([0, 1]), 2, torch.tensor([False, False]))
    assert found.kl is None and found.reached == found.fair == 0
    assert found.good.value == 0.0 and found.kl_floor == math.inf


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(0, dtype=torch.long), r"at least 1; found \(0,\) of torch.int64"),
        (torch.zeros(3), r"whole numbers .* found \(3,\) of torch.float32"),
        (torch.tensor([0, 4]), "must be 0 to 3; found 0 to 4"),
        (torch.tensor([-1, 2]), "must be 0 to 3; found -1 to 2"),
    ],
)
def test_what_are_no_labels_is_refused(labels, message):
    with pytest.raises(DataError, match=message):
        count_modes(labels, 4)


def test_what_are_no_choices_and_no_shares_is_refused():
    labels = torch.tensor([0, 1, 1])
    with pytest.raises(DataError, match=r"one bool for each of 3 samples; found \(2,\)"):
        count_modes(labels, 2, torch.tensor([True, False]))
    with pytest.raises(DataError, match=r"2 numbers above 0; found shape .*, smallest 0.0"):
        count_modes(labels, 2, shares=torch.tensor([1.0, 0.0]))
    with pytest.raises(ConfigError, match="at least 2 modes; found 1"):
        count_modes(torch.zeros(3, dtype=torch.long), 1)


# ---- unlabelled data


def groups(kept, seed, n):
    kept = torch.tensor(kept)
    return 10 * torch.eye(6, 8)[kept[torch.arange(n) % len(kept)]] + 0.1 * drawn(seed, n, 8)


def test_dropped_groups_are_found_and_shown():
    real, fake = groups(range(6), 0, 300), groups([0, 1, 2, 4], 1, 200)
    found = unreached_modes(real, fake, 6, seed=0)
    assert len(found.unreached) == 2
    # Sample i is of group i modulo 6.
    assert sorted(i % 6 for i in found.representatives) == [3, 5]
    assert found.real.tolist() == [50] * 6 and sorted(found.generated.tolist())[:2] == [0, 0]
    assert int(found.generated.sum()) == 200


def test_a_representative_is_the_sample_nearest_to_its_cluster():
    real = torch.cat([groups([0], 0, 40), groups([1], 1, 30)])
    found = unreached_modes(real, groups([0], 2, 20), 2, seed=0)
    own = real[40:]
    assert found.representatives == [40 + int((own - own.mean(0)).norm(dim=1).argmin())]


def test_unreached_clusters_come_with_the_largest_first():
    real = torch.cat([groups([k], k, n) for k, n in enumerate((20, 30, 50, 40))])
    found = unreached_modes(real, groups([0], 9, 20), 4, seed=0)
    assert [int(found.real[k]) for k in found.unreached] == [50, 40, 30]


def test_the_expected_number_has_its_closed_form():
    """Two clusters of 2 and 3 of 5, and 2 samples: (3 * 4 + 2 * 3) / (5 * 6) = 0.6."""
    real = torch.tensor([[0.0], [0.1], [9.0], [9.1], [9.2]])
    found = unreached_modes(real, torch.tensor([[0.0], [9.0]]), 2, seed=0)
    assert found.unreached == [] and found.representatives == []
    assert found.expected == pytest.approx(0.6, rel=1e-10)


def test_as_many_are_unreached_by_chance_as_expected():
    """20 pairs of equal distributions, 20 held-out samples a cluster, one tenth as many generated:
    about 11 of 50, to 15 %.
    """
    found = [
        unreached_modes(drawn(2 * k, 1000, 2), drawn(2 * k + 1, 100, 2), 50, seed=k)
        for k in range(20)
    ]
    missed = sum(len(one.unreached) for one in found)
    assert missed > 100
    assert sum(one.expected for one in found) == pytest.approx(missed, rel=0.15)


def test_one_cluster_of_everything_is_always_reached():
    found = unreached_modes(torch.zeros(9, 2), torch.ones(4, 2), 3, seed=0)
    assert found.real.tolist() == [9] and found.unreached == [] and found.expected == 0.0


def test_held_out_and_generated_may_differ_in_precision():
    real, fake = groups(range(6), 0, 60), groups([0], 1, 20)
    assert len(unreached_modes(real, fake.float(), 6, seed=0).unreached) == 5


def test_more_modes_than_held_out_samples_are_refused():
    with pytest.raises(DataError, match="held_out features need at least 9 samples; found 8"):
        unreached_modes(drawn(0, 8, 2), drawn(1, 8, 2), 9, seed=0)


def test_no_generated_samples_are_refused():
    with pytest.raises(DataError, match="generated features need at least 1 sample; found 0"):
        unreached_modes(drawn(0, 8, 2), torch.zeros(0, 2), 3, seed=0)


def test_a_large_offset_does_not_move_samples_to_other_clusters():
    """In float32, |x|^2 of 1e4 + {0, 1} in 8 dimensions is coarser than the distances."""
    real = torch.arange(2).repeat(30)[:, None] + 0.05 * drawn(0, 60, 8)
    fake = torch.arange(2).repeat(20)[:, None] + 0.05 * drawn(1, 40, 8)
    found = unreached_modes((1e4 + real).float(), (1e4 + fake).float(), 2, seed=0)
    assert found.real.tolist() == [30, 30] and found.generated.tolist() == [20, 20]
