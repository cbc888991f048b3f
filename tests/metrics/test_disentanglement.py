"""Disentanglement scores on full grids of factors, where they are known, and cases by hand.

reference/evaluation.md, section 3.8.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from reverie.errors import ConfigError, DataError
from reverie.metrics.disentanglement import (
    factor_vae_score,
    information,
    irs,
    mig,
    modularity,
    modularity_of,
    sap,
)

GRID = torch.tensor(list(itertools.product(range(4), range(3), range(5))))
CODES = GRID.double()


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def levels(seed, count, *sizes):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(n, (count,), generator=generator) for n in sizes], 1)


# ---- information


def test_information_is_scikit_learns_of_numpys_histogram():
    codes, factors = drawn(0, 500, 2), levels(1, 500, 3, 6)
    codes[:, 1] += factors[:, 0]
    found = information(codes, factors)
    for d, k in itertools.product(range(2), range(2)):
        inner = np.histogram(codes[:, d], 20)[1][1:-1]
        expected = mutual_info_score(np.digitize(codes[:, d], inner), factors[:, k])
        assert float(found.value[d, k]) == pytest.approx(expected, rel=1e-9)
    for k in range(2):
        entropy = mutual_info_score(factors[:, k], factors[:, k])
        assert float(found.entropy[k]) == pytest.approx(entropy, rel=1e-9)


def test_the_bias_is_what_independent_codes_show():
    """20 bins and 10 levels of 1000 samples: 19 * 9 / 2000 = 0.0855, over 20 sets of 5 codes."""
    found = [
        information(
            torch.rand(1000, 5, generator=torch.Generator().manual_seed(k)), levels(k, 1000, 10)
        )
        for k in range(20)
    ]
    values = torch.cat([each.value for each in found])
    assert torch.unique(torch.cat([each.bias for each in found])).tolist() == [0.0855]
    assert float(values.mean()) == pytest.approx(0.0855, abs=4 * float(values.std()) / 10 + 0.002)


def test_a_code_without_variance_informs_about_nothing():
    found = information(torch.full((60, 1), 0.1), GRID)
    assert not found.value.any() and not found.bias.any()


# ---- MIG


def test_mig_of_codes_that_are_the_factors_is_one():
    found = mig(CODES, GRID)
    assert found.score == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(found.gaps, torch.ones(3).double())


def test_mig_does_not_care_about_order_sign_and_unit():
    codes = torch.stack([-3 * CODES[:, 2], CODES[:, 0] / 7 + 5, CODES[:, 1] * 1e6], 1)
    assert mig(codes, GRID).score == pytest.approx(1, abs=1e-12)


def test_mig_of_codes_that_come_twice_or_never_move_is_zero():
    assert mig(torch.cat([CODES, CODES], 1), GRID).score == pytest.approx(0, abs=1e-12)
    assert mig(torch.zeros(60, 3), GRID).score == pytest.approx(0, abs=1e-12)


def test_mig_of_half_a_factor_is_half():
    """Of four levels a code tells the upper two from the lower: ln 2 of ln 4."""
    codes = torch.cat([(CODES[:, :1] >= 2).double(), CODES[:, 1:]], 1)
    assert mig(codes, GRID).gaps.tolist() == pytest.approx([0.5, 1, 1])


def test_mig_of_random_codes_vanishes_with_the_samples():
    """The gap of two biases, (B - 1)(L - 1) / 2N at most: below 0.01 at 1000, ten times less at 10,000."""
    small, large = (mig(drawn(0, n, 6), levels(1, n, 10, 10)).score for n in (1000, 10_000))
    assert 0 < small < 0.01 and 0 < large < 0.001


def test_bins_are_part_of_mig():
    """32 levels in 20 bins lose information: a perfect code stays below 1."""
    factors = torch.tensor(list(itertools.product(range(32), range(2))))
    assert mig(factors.double(), factors).gaps[0] < 0.95
    assert mig(factors.double(), factors, bins=32).score == pytest.approx(1, abs=1e-12)


# ---- modularity


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.eye(5), 1),
        (torch.eye(3)[:, :2], 2 / 3),
        (torch.eye(5).repeat(1, 2), 1 - 1 / 9),
        (torch.eye(5).repeat(2, 1), 1),
        (torch.zeros(3, 2), 0),
        (torch.tensor([[0.2, 0.1, 0.05]]), 1 - (0.1**2 + 0.05**2) / (2 * 0.2**2)),
    ],
    ids=["diagonal", "empty code", "two factors in a code", "duplicated", "nothing", "by hand"],
)
def test_modularity_has_its_known_values(value, expected):
    assert modularity_of(value) == pytest.approx(expected, rel=1e-6)


def test_modularity_of_codes_that_are_the_factors_is_one():
    assert modularity(CODES, GRID) == pytest.approx(1, abs=1e-12)
    assert modularity(torch.cat([CODES, CODES], 1), GRID) == pytest.approx(1, abs=1e-12)
    padded = torch.nn.functional.pad(CODES, (0, 1))
    assert modularity(padded, GRID) == pytest.approx(3 / 4, abs=1e-12)


# ---- SAP


def test_sap_of_codes_that_are_the_factors_is_one():
    assert sap(CODES, GRID).score == pytest.approx(1, abs=1e-12)
    assert sap(CODES * torch.tensor([-1.0, 10.0, 0.1]), GRID).score == pytest.approx(1, abs=1e-12)


def test_sap_of_codes_that_come_twice_or_never_move_is_zero():
    for codes in (torch.cat([CODES, CODES], 1), torch.full((60, 3), 0.1)):
        assert sap(codes, GRID).score == pytest.approx(0, abs=1e-12)
        assert sap(codes, GRID, nominal=[0, 1, 2]).score == pytest.approx(0, abs=1e-12)


def test_saps_ratings_are_squared_correlations():
    codes, factors = drawn(0, 200, 3), levels(1, 200, 4, 7)
    codes[:, 0] += factors[:, 1]
    both = np.corrcoef(codes.T, factors.T)[:3, 3:] ** 2
    found = sap(codes, factors)
    np.testing.assert_allclose(found.ratings, both, rtol=1e-9)
    first, second = np.sort(both, axis=0)[::-1][:2]
    assert found.score == pytest.approx(float((first - second).mean()), rel=1e-9)


def test_a_nominal_factor_needs_no_order():
    """Levels 0, 1, 2 at 0, 2, 1 are named perfectly, and by a code without them with chance 1/3."""
    codes = CODES.clone()
    codes[:, 1] = torch.tensor([0.0, 2.0, 1.0]).double()[GRID[:, 1]]
    found = sap(codes, GRID, nominal=[1])
    assert found.ratings[:, 1].tolist() == pytest.approx([1 / 3, 1, 1 / 3])
    assert found.gaps.tolist() == pytest.approx([1, 2 / 3, 1])


def test_the_accuracy_of_a_nominal_factor_is_balanced():
    """90 of level 0, 10 of level 1; the code knows 5 of the 10: (1 + 1/2) / 2, not 0.95."""
    factor = torch.tensor([0] * 90 + [1] * 10)
    codes = torch.stack([torch.tensor([0.0] * 95 + [1.0] * 5), torch.zeros(100)], 1)
    assert float(sap(codes, factor[:, None], nominal=[0]).ratings[0, 0]) == pytest.approx(0.75)


# ---- IRS


def test_irs_of_codes_that_are_the_factors_is_one():
    found = irs(CODES, GRID)
    assert found.score == pytest.approx(1, abs=1e-12)
    assert found.factors.tolist() == [0, 1, 2]
    # The farthest from the mean of 0..3, 0..2 and 0..4.
    assert found.weights.tolist() == pytest.approx([1.5, 1, 2])


def test_irs_of_a_code_of_two_factors_by_hand():
    """z = a + b of 0..3 and 0..2 has mean 2.5 and a deviation of at most 2.5. With a fixed it moves by 1
    about its mean, with b fixed by 1.5: 1 - 1 / 2.5 = 0.6. The other code is the third factor.
    """
    codes = torch.stack([CODES[:, 0] + CODES[:, 1], CODES[:, 2]], 1)
    found = irs(codes, GRID, quantile=1.0)
    assert found.codes.tolist() == pytest.approx([0.6, 1])
    assert found.factors.tolist() == [0, 2]
    assert found.score == pytest.approx((2.5 * 0.6 + 2 * 1) / 4.5)


def test_irs_averages_over_samples_not_over_levels():
    """Level 0 with 3 of 4 samples is still; level 1 moves by 2 about its mean, the whole by 3 about 1."""
    codes = torch.tensor([[0.0], [0.0], [0.0], [0.0], [0.0], [0.0], [4.0], [0.0]])
    factors = torch.tensor([[0], [0], [0], [0], [0], [0], [1], [1]])
    found = irs(codes, factors, quantile=1.0)
    assert found.score == pytest.approx(1 - 0.25 * 2 / 3.5)


def test_irs_of_random_and_dead_codes():
    """A random code moves as much with a factor fixed; one that never moves has no weight."""
    factors = levels(0, 20_000, 3, 4)
    assert irs(drawn(1, 20_000, 2), factors).score < 0.05
    assert irs(torch.zeros(60, 2), GRID).score == 0.0
    assert irs(torch.nn.functional.pad(CODES, (0, 1)), GRID).score == pytest.approx(1, abs=1e-12)


def test_a_quantile_bears_an_outlier_that_the_maximum_does_not():
    codes, factors = CODES.repeat(200, 1), GRID.repeat(200, 1)
    codes[7, 0] = 100.0
    assert irs(codes, factors).codes[0] > 0.9 > irs(codes, factors, quantile=1.0).codes[0]


# ---- the FactorVAE score


SIZES = (4, 3, 5, 6, 2)
DATA = levels(0, 5000, *SIZES).double()


def sampler(encode):
    def sample(factor, count, seed):
        factors = levels(seed, count, *SIZES)
        factors[:, factor] = factors[0, factor]
        return encode(factors.double())

    return sample


def test_the_factor_vae_score_of_codes_that_are_the_factors_is_one():
    """Whatever their units are, and in any order."""
    scale = torch.tensor([1.0, 100.0, 3.0, 0.5, 9.0]).double()
    found = factor_vae_score(DATA.flip(1) * scale, sampler(lambda f: f.flip(1) * scale), 5, seed=0)
    assert found.score.value == 1.0 and found.active == 5
    assert int(found.votes.sum()) == 800
    for code, row in enumerate(found.votes):
        assert int(row[4 - code]) == int(row.sum()) > 0


def test_the_factor_vae_score_of_dead_codes_is_zero():
    found = factor_vae_score(torch.zeros(100, 3), sampler(lambda f: f[:, :3] * 0), 5, seed=0)
    assert found.score.value == 0.0 and found.active == 0


def test_codes_that_hardly_vary_have_no_vote():
    """The still code would win every vote, and tell nothing."""
    still = torch.nn.functional.pad(DATA, (0, 1), value=2.0)

    def encode(factors):
        return torch.nn.functional.pad(factors, (0, 1), value=2.0)

    found = factor_vae_score(still, sampler(encode), 5, seed=0, votes=100)
    assert found.score.value == 1.0 and found.active == 5 and not found.votes[5].any()


def test_variances_are_compared_in_units_of_each_code():
    """Codes with a tenth of their variance in noise: the one of the smallest unit would win all votes."""
    scale = torch.tensor([1.0, 100.0, 3.0, 0.5, 9.0]).double()
    spread = DATA.std(0) / 3

    def noisy(factors):
        return scale * (factors + spread * drawn(int(factors.sum()), *factors.shape))

    found = factor_vae_score(noisy(DATA), sampler(noisy), 5, seed=0, votes=100)
    assert found.score.value == 1.0


def test_the_factor_vae_score_of_codes_without_factors_is_chance():
    """1 / 5 over 40 scores of 20 votes each, to four standard errors: votes that a classifier is made of
    are not those it is tried on.
    """

    def noise(factor, count, seed):
        return drawn(seed, count, 5)

    found = [
        factor_vae_score(drawn(0, 1000, 5), noise, 5, seed, votes=20, batch=4).score
        for seed in range(40)
    ]
    assert abs(np.mean([s.value for s in found]) - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 800)
    assert all(s.low < s.value + 1e-12 and s.value - 1e-12 < s.high for s in found)


def test_a_code_of_two_factors_tells_the_one_it_is_more_often_of():
    """Two codes, the first of factor 0 and the second of neither 1 nor 2: votes for the second are of
    two factors with equal shares, so that 1/3 + 1/3 are right.
    """
    data = levels(0, 5000, 4, 3, 5).double()

    def sample(factor, count, seed):
        noise = drawn(seed, count, 2)
        if factor == 0:
            noise[:, 0] = 1.0
        else:
            noise[:, 1] *= 0.1
        return noise

    found = factor_vae_score(drawn(1, len(data), 2), sample, 3, seed=0, votes=600)
    assert abs(found.score.value - 2 / 3) < 4 * math.sqrt(2 / 9 / 600)
    assert found.votes[0, 1:].sum() == 0 and found.votes[1, 0] == 0


def test_the_seed_decides_the_votes():
    first, again, other = (
        factor_vae_score(DATA, sampler(lambda f: f), 5, seed, votes=50).votes for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


# ---- refusals


@pytest.mark.parametrize("score", [information, mig, modularity, sap, irs])
def test_codes_and_factors_that_do_not_fit_are_refused(score):
    bad = CODES.clone()
    bad[0, 0] = torch.nan
    constant = GRID.clone()
    constant[:, 1] = 2
    cases = [
        (bad, GRID, "codes features hold NaN or infinite values in 1 of 60"),
        (CODES[:1], GRID[:1], "codes features need at least 2 samples; found 1"),
        (CODES, GRID[:9], r"shape \(60, K\), one row a code; found torch.int64 of shape \(9, 3\)"),
        (CODES, CODES, r"factors must be whole numbers .* found torch.float64"),
        (CODES, constant, "at least 2 values each; found one value only in column 1"),
        (CODES, GRID[:, :0], "at least 2 values each; found no column"),
    ]
    for codes, factors, message in cases:
        with pytest.raises(DataError, match=message):
            score(codes, factors)


def test_too_few_codes_or_factors_are_refused():
    for score in (mig, sap):
        with pytest.raises(DataError, match="a gap needs at least 2 codes; found 1"):
            score(CODES[:, :1], GRID)
    with pytest.raises(DataError, match=r"shape \(D, K\), K >= 2; found \(3, 1\)"):
        modularity(CODES, GRID[:, :1])
    with pytest.raises(DataError, match="cannot be negative or NaN; found -1"):
        modularity_of(torch.tensor([[1.0, -1.0]]))


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(ConfigError, match="at least 2 bins; found 1"):
        mig(CODES, GRID, bins=1)
    with pytest.raises(ConfigError, match=r"columns 0 to 2; found \[1, 3\]"):
        sap(CODES, GRID, nominal=[3, 1])
    with pytest.raises(ConfigError, match="a quantile lies between 0 and 1; found 0"):
        irs(CODES, GRID, quantile=0.0)
    with pytest.raises(
        ConfigError, match="at least 2 factors, 1 vote and batches of 2; found 5, 1 and 1"
    ):
        factor_vae_score(DATA, sampler(lambda f: f), 5, seed=0, votes=1, batch=1)


def test_a_sampler_of_other_codes_is_refused():
    with pytest.raises(DataError, match=r"codes of shape \(64, 5\); found \(64, 4\), 0 numbers"):
        factor_vae_score(DATA, sampler(lambda f: f[:, :4]), 5, seed=0)
    with pytest.raises(DataError, match=r"found \(64, 5\), 320 numbers not finite"):
        factor_vae_score(DATA, sampler(lambda f: f * torch.nan), 5, seed=0)
