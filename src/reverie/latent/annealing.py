"""log p(x) by annealing from prior to posterior: AIS from below and, on simulated data, BDMC from above.

The path is f_t(z) = p(z) p(x|z)^(beta_t), beta from 0 to 1. Forward, from the prior,

    log w = sum_t (beta_t - beta_(t-1)) log p(x|z_(t-1)),   E[w] = p(x):   E[log w] <= log p(x),

and backward, from an exact draw of the posterior, E[1/w] = 1/p(x): E[log w] >= log p(x). Only these
expectations are bounds; the log of the mean of some chains' weights may cross the truth.

C is the number of chains for each sample, B the samples, Z the latent dimensions; values are nats.

References:
    | Annealed Importance Sampling (Neal, 2001): https://arxiv.org/abs/physics/9803008
    | Sandwiching the Marginal Likelihood (Grosse et al., 2015): https://arxiv.org/abs/1511.02543
    | Analysis of Decoder-Based Generative Models (Wu et al., 2017): https://arxiv.org/abs/1611.04273
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import ConfigError, DataError
from ..losses.divergences import log_mean_exp
from ..tensors import Noise, float64, mix, noise_of
from .bounds import log_prob_of_draws
from .hmc import Density, hmc_move
from .likelihoods import LikelihoodModule
from .priors import PriorModule

GAIN, WARM = 0.5, 50
"""How far log step sizes follow the pilots' acceptance, and the pilots' moves before and along the path."""


@dataclass(frozen=True)
class Joint:
    """p(x, z) as functions of many chains; both densities must have a gradient in z.

    Arguments:
        sample_prior: Draws `(count, Z)` from p(z).
        log_prior: log p(z), `(C, B, Z)` to `(C, B)`.
        log_likelihood: log p(x|z), `(B, *shape)` and `(C, B, Z)` to `(C, B)`.
    """

    sample_prior: Callable[[int, Noise], Tensor]
    log_prior: Callable[[Tensor], Tensor]
    log_likelihood: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Annealing:
    """How to anneal.

    Arguments:
        steps: Temperatures after the prior's; the gap between the bounds falls as 1 / steps.
        chains: C.
        leapfrogs: Leapfrog steps of each HMC move.
        acceptance: What step sizes are tuned to. Neal (2011), section 4.2: 0.65.
        pilots: Chains for each sample that tune the step sizes and are thrown away. Tuning along the
            measured chains themselves would undo E[w] = p(x).
    """

    steps: int = 1000
    chains: int = 16
    leapfrogs: int = 10
    acceptance: float = 0.65
    pilots: int = 8

    def __post_init__(self) -> None:
        for name in ("steps", "chains", "leapfrogs", "pilots"):
            if (value := getattr(self, name)) < 1:
                raise ConfigError(f"{name} is {value}; write at least 1")
        if not 0 < self.acceptance < 1:
            raise ConfigError(f"acceptance is {self.acceptance}; write a rate between 0 and 1")


@dataclass(frozen=True)
class Annealed:
    """What chains that went one way found.

    Arguments:
        log_weights: log w, in either direction an estimate of log p(x); `(C, B)`, float64.
        acceptance: The share of HMC moves that were taken, `(B,)`; NaN if there were none.
        backward: Whether they came from the posterior.
    """

    log_weights: Tensor
    acceptance: Tensor
    backward: bool

    @property
    def bound(self) -> Tensor:
        """mean log w, `(B,)`: in expectation below log p(x) forward, above it backward."""
        return self.log_weights.mean(0)

    @property
    def error(self) -> Tensor:
        """The standard error of `bound` over chains, `(B,)`; NaN for one chain.

        Backward chains of a simulated sample share their start: of those, trust `mean`'s error alone.
        """
        chains = len(self.log_weights)
        if chains == 1:
            return torch.full_like(self.bound, math.nan)
        return self.log_weights.std(0) / math.sqrt(chains)

    @property
    def estimate(self) -> Tensor:
        """log mean w forward, -log mean 1/w backward, `(B,)`: nearer than `bound`, but no bound."""
        if self.backward:
            return -log_mean_exp(-self.log_weights)
        return log_mean_exp(self.log_weights)

    def mean(self) -> tuple[float, float]:
        """`bound` averaged over samples with its standard error: over samples, or chains if B is 1."""
        if len(self.bound) == 1:
            return float(self.bound), float(self.error)
        return _mean(self.bound)


@dataclass(frozen=True)
class Sandwich:
    """Both directions for the same simulated samples."""

    lower: Annealed
    upper: Annealed

    def gap(self) -> tuple[float, float]:
        """How far the bounds are apart, averaged over samples, and its standard error over them."""
        return _mean(self.upper.bound - self.lower.bound)


def sigmoid_schedule(steps: int, spread: float = 4.0) -> Tensor:
    """beta_0 = 0 to beta_steps = 1, slow at both ends: `(steps + 1,)`, float64.

    Grosse et al. (2015), section 6: s(spread (2 t / steps - 1)), moved and scaled to [0, 1].
    """
    s = torch.linspace(-spread, spread, steps + 1, dtype=torch.float64).sigmoid()
    return (s - s[0]) / (s[-1] - s[0])


def ais(joint: Joint, x: Tensor, how: Annealing, seed: int, chunk: int = 64) -> Annealed:
    """Anneals draws from the prior to the posteriors of x `(B, *shape)`. Neal (2001), eq. 3 to 11.

    Memory is that of a training step on C `chunk` samples. Without `torch.inference_mode`, which takes
    the gradient in z away.

    Raises:
        DataError: x is empty or holds NaN or infinite values.
    """
    _check(x)
    parts = enumerate(x.split(chunk))
    return joined([_lower(joint, part, how, mix(seed, i))[0] for i, part in parts])


def bdmc(
    joint: Joint, x: Tensor, posterior: Tensor, how: Annealing, seed: int, chunk: int = 64
) -> Sandwich:
    """Bounds log p(x) of simulated samples from both sides. Grosse et al. (2015), section 4.

    Arguments:
        joint: The model.
        x: Samples drawn from it, `(B, *shape)`.
        posterior: Exact draws from p(z|x), `(C, B, Z)`: the z that x was made from is one.
        how: How to anneal.
        seed: Of draws and moves.
        chunk: Samples at a time.

    Raises:
        DataError: x is empty or holds NaN or infinite values, or the draws are not C for each sample.
    """
    _check(x)
    if posterior.ndim != 3 or posterior.shape[:2] != (how.chains, len(x)):
        raise DataError(
            f"posterior draws must be of shape (C, B, Z) with C = {how.chains} chains of B = {len(x)} "
            f"samples; found {tuple(posterior.shape)}"
        )
    lower, upper, betas = [], [], sigmoid_schedule(how.steps).flip(0)
    pairs = zip(x.split(chunk), posterior.split(chunk, dim=1), strict=True)
    for i, (part, start) in enumerate(pairs):
        forward, sizes = _lower(joint, part, how, mix(seed, i))
        noise = noise_of(mix(mix(seed, i), 2), x.device)
        lower.append(forward)
        upper.append(_anneal(joint, part, start, betas, sizes.flip(0), how, noise))
    return Sandwich(joined(lower), joined(upper))


def joint_of(prior: PriorModule, decoder: nn.Module, likelihood: LikelihoodModule) -> Joint:
    """The joint density of a VAE, from its three generative parts."""

    def log_likelihood(x: Tensor, z: Tensor) -> Tensor:
        codes = z.transpose(0, 1)
        decoded = decoder(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
        return log_prob_of_draws(likelihood, decoded, x).T

    return Joint(prior.sample, prior.log_prob, log_likelihood)


def bdmc_of_model(
    prior: PriorModule,
    decoder: nn.Module,
    likelihood: LikelihoodModule,
    count: int,
    how: Annealing,
    seed: int,
) -> Sandwich:
    """BDMC of `count` samples that the model itself makes, with the likelihood's noise.

    Its gap says how far `ais(joint_of(...), ...)` with the same settings falls short of log p(x) on real
    samples, as far as the simulated ones are like them.
    """
    noise = noise_of(mix(seed, 3), next(decoder.parameters()).device)
    with torch.no_grad():
        z = prior.sample(count, noise)
        x = likelihood.sample(decoder(z), noise)
    posterior = z.expand(how.chains, *z.shape)
    return bdmc(joint_of(prior, decoder, likelihood), x, posterior, how, seed)


def joined(parts: list[Annealed]) -> Annealed:
    """The chains of several parts of the samples as one."""
    weights, taken = zip(*((part.log_weights, part.acceptance) for part in parts), strict=True)
    return Annealed(torch.cat(weights, dim=1), torch.cat(taken), parts[0].backward)


def _check(x: Tensor) -> None:
    if not len(x):
        raise DataError("annealing needs at least 1 sample; found none")
    if bad := int((~x.isfinite()).flatten(1).any(1).sum()):
        raise DataError(f"{bad} of {len(x)} samples hold NaN or infinite values; leave them out")


def _mean(values: Tensor) -> tuple[float, float]:
    count = len(values)
    error = float(values.std()) / math.sqrt(count) if count > 1 else math.nan
    return float(values.mean()), error


# ---- the chains


def _lower(joint: Joint, x: Tensor, how: Annealing, seed: int) -> tuple[Annealed, Tensor]:
    """The forward chains, and the step sizes that pilots found for them."""
    sizes = _tune(joint, x, how, noise_of(mix(seed, 0), x.device))
    noise = noise_of(mix(seed, 1), x.device)
    start = _start(joint, x, how.chains, noise)
    return _anneal(joint, x, start, sigmoid_schedule(how.steps), sizes, how, noise), sizes


@torch.no_grad()
def _start(joint: Joint, x: Tensor, chains: int, noise: Noise) -> Tensor:
    return joint.sample_prior(chains * len(x), noise).unflatten(0, (chains, len(x)))


def _anneal(
    joint: Joint, x: Tensor, z: Tensor, betas: Tensor, sizes: Tensor, how: Annealing, noise: Noise
) -> Annealed:
    """From the first temperature to the last, with a move at each between, `sizes` `(steps - 1, B)`."""
    with torch.no_grad():
        likelihood = joint.log_likelihood(x, z)
    ways = betas.diff().abs().tolist()
    log_weights, taken = ways[0] * float64(likelihood), torch.zeros(len(x), device=x.device)
    for way, beta, size in zip(ways[1:], betas[1:-1].tolist(), sizes, strict=True):
        density = _path(joint, x, beta)
        z, likelihood, chance = hmc_move(density, z, size, how.leapfrogs, noise)
        log_weights += way * float64(likelihood)
        taken += chance
    backward = bool(betas[0] > betas[-1])
    return Annealed(log_weights, taken / len(sizes), backward)


def _tune(joint: Joint, x: Tensor, how: Annealing, noise: Noise) -> Tensor:
    """Step sizes for each temperature between the ends and each sample, `(steps - 1, B)`.

    Pilots go the way once; log sizes follow their acceptance. Robbins & Monro (1951).
    """
    betas = sigmoid_schedule(how.steps)[1:-1].tolist()
    z = _start(joint, x, how.pilots, noise)
    log_size, sizes = z.new_full((len(x),), math.log(0.1)), []
    for place, beta in enumerate(betas):
        density = _path(joint, x, beta)
        for _ in range(WARM if place == 0 else max(1, WARM // how.steps)):
            z, _, chance = hmc_move(density, z, log_size.exp(), how.leapfrogs, noise)
            log_size = log_size + GAIN * (chance - how.acceptance)
        sizes.append(log_size.exp())
    return torch.stack(sizes) if sizes else z.new_empty(0, len(x))


def _path(joint: Joint, x: Tensor, beta: float) -> Density:
    """log p(z) + beta log p(x|z), and log p(x|z) with it."""

    def density(z: Tensor) -> tuple[Tensor, Tensor]:
        likelihood = joint.log_likelihood(x, z)
        return joint.log_prior(z) + beta * likelihood, likelihood

    return density
