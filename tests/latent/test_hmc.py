"""HMC leaves its target alone at any step size, finds it from elsewhere, and refuses what flew off."""

import math

import pytest
import torch

from reverie.latent.hmc import hmc_move
from reverie.tensors import noise_of

SCALE = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(z):
    """log N(z; 1, SCALE^2) up to a constant, and the first coordinate to carry along."""
    return -0.5 * ((z - 1) / SCALE).square().sum(2), z[..., 0]


def sizes(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("size", [0.1, 0.6, 0.95])
def test_draws_of_the_target_stay_draws_of_it(size):
    """40,000 chains, 5 moves: mean 1 and variance SCALE^2 to four standard errors, at every step size.

    The stability limit is 2 * 0.5 = 1: at 0.95 the leapfrog is far off, and acceptance mends it.
    """
    count, noise = 40_000, noise_of(0)
    z = 1 + SCALE * drawn(0, count, 1, 3)
    for _ in range(5):
        z, _, chance = hmc_move(gaussian, z, sizes(size), 5, noise)
    assert 0 < float(chance) <= 1
    deviation = ((z[:, 0] - 1) / SCALE).mean(0).abs()
    assert (deviation < 4 / math.sqrt(count)).all()
    spread = ((z[:, 0] - 1) / SCALE).square().mean(0) - 1
    assert (spread.abs() < 4 * math.sqrt(2 / count)).all()


def test_chains_from_elsewhere_come_to_the_target():
    z, noise = torch.full((4000, 1, 3), -5.0, dtype=torch.float64), noise_of(1)
    for _ in range(60):
        z, _, _ = hmc_move(gaussian, z, sizes(0.5), 5, noise)
    assert (((z[:, 0] - 1) / SCALE).mean(0).abs() < 4 / math.sqrt(4000)).all()
    assert ((((z[:, 0] - 1) / SCALE).var(0) - 1).abs() < 4 * math.sqrt(2 / 4000)).all()


def test_small_steps_keep_the_energy_and_are_always_taken():
    """The leapfrog errs by O(size^2): ten times smaller steps err a hundred times less."""
    z = 1 + SCALE * drawn(2, 500, 2, 3)
    _, _, chance = hmc_move(gaussian, z, sizes(0.1, 0.01), 3, noise_of(2))
    coarse, fine = (1 - chance).tolist()
    assert fine < 1e-4 and fine < coarse / 50


def test_each_sample_has_its_own_step_size():
    z = torch.ones(50, 2, 3, dtype=torch.float64)
    moved, _, _ = hmc_move(gaussian, z, sizes(0.0, 0.3), 2, noise_of(3))
    assert torch.equal(moved[:, 0], z[:, 0]) and not torch.equal(moved[:, 1], z[:, 1])


def test_the_value_carried_along_is_that_of_where_the_chain_is():
    """Some moves are taken and some are not; either way the value is z's first coordinate."""
    z = 1 + SCALE * drawn(4, 300, 1, 3)
    moved, carried, _ = hmc_move(gaussian, z, sizes(0.95), 5, noise_of(4))
    stayed = (moved == z).all(2)
    assert stayed.any() and not stayed.all()
    assert torch.equal(carried, moved[..., 0])


def test_a_leapfrog_that_flies_off_is_no_move():
    """Steps of 1e200 overflow to infinity and then to NaN."""
    z = drawn(5, 20, 1, 3)
    moved, carried, chance = hmc_move(gaussian, z, sizes(1e200), 5, noise_of(5))
    assert torch.equal(moved, z) and torch.equal(carried, z[..., 0]) and float(chance) == 0


def test_moves_are_a_function_of_the_noise_and_carry_no_graph():
    z = drawn(6, 5, 1, 3)
    one, two, other = (hmc_move(gaussian, z, sizes(0.3), 3, noise_of(s))[0] for s in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other) and not one.requires_grad
