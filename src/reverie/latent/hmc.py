"""Hamiltonian Monte Carlo with many chains at once. C chains for each of B samples, in Z dimensions.

Neal (2011), MCMC Using Hamiltonian Dynamics. https://arxiv.org/abs/1206.1901
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..tensors import Noise

Density = Callable[[Tensor], tuple[Tensor, Tensor]]
"""`(C, B, Z)` to log f, up to a constant, and to a value to carry along: `(C, B)` each."""


@torch.no_grad()
def hmc_move(
    density: Density, z: Tensor, size: Tensor, leapfrogs: int, noise: Noise
) -> tuple[Tensor, Tensor, Tensor]:
    """One move that leaves f alone. Neal (2011), section 3.2, with unit masses.

    Arguments:
        density: log f; it must have a gradient.
        z: Where the chains are, `(C, B, Z)`.
        size: The step size for each sample, `(B,)`.
        leapfrogs: The number of leapfrog steps.
        noise: Of momenta and acceptance.

    Returns:
        Where the chains go, `(C, B, Z)`; the value carried along, there, `(C, B)`; and the chance of
        acceptance, averaged over chains, `(B,)`.
    """
    size, momentum = size[:, None], noise.normal(*z.shape).to(z)
    height, carried, slope = _climb(density, z)
    energy = height - 0.5 * momentum.square().sum(2)
    there, found = z, carried
    for _ in range(leapfrogs):
        momentum = momentum + 0.5 * size * slope
        there = there + size * momentum
        height, found, slope = _climb(density, there)
        momentum = momentum + 0.5 * size * slope
    after = height - 0.5 * momentum.square().sum(2)
    # Where leapfrogs flew off to infinity the difference may be NaN: that is no move.
    chance = (after - energy).exp().clamp_max(1).nan_to_num(0.0)
    taken = noise.uniform(*chance.shape).to(chance) < chance
    z = torch.where(taken[..., None], there, z)
    return z, torch.where(taken, found, carried), chance.mean(0)


@torch.enable_grad()
def _climb(density: Density, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both values of the density, and the slope of the first, `(C, B, Z)`."""
    z = z.detach().requires_grad_()
    height, carried = density(z)
    (slope,) = torch.autograd.grad(height.sum(), z)
    return height.detach(), carried.detach(), slope
