"""Mode counts: how many of the data's modes a generator reaches, and how evenly. N samples, K modes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from .checks import check_features
from .intervals import Interval, wilson
from .kmeans import kmeans, nearest_centre

FAIR = 0.2
"""The part of its fair share from which on a mode counts as more than reached by chance."""


@dataclass(frozen=True)
class ModeCounts:
    """How N samples fall on K modes.

    Arguments:
        counts: Good samples in each mode, `(K,)`.
        reached: Modes with at least one good sample; a single stray sample is enough.
        fair: Modes with at least 20 % of their share of the good samples.
        good: The share of good samples among all, with its 95 % Wilson interval.
        kl: KL(generated || data) of the mode histograms of good samples, in nats; None without any.
        kl_floor: What `kl` is on average for perfect samples of this number; near (K - 1) / 2N for many.
        kl_ceiling: What `kl` is with all samples in the rarest mode: ln K for equal modes.
    """

    counts: Tensor
    reached: int
    fair: int
    good: Interval
    kl: float | None
    kl_floor: float
    kl_ceiling: float


@dataclass(frozen=True)
class UnreachedModes:
    """Clusters of held-out real samples that generated ones do not reach.

    Arguments:
        real: Held-out samples in each cluster, `(K,)`.
        generated: Generated samples in each, `(K,)`.
        unreached: Clusters without generated samples, the largest first.
        representatives: For each of them, the index of the held-out sample nearest to its centre.
        expected: How many clusters as many real samples would leave unreached by chance.
    """

    real: Tensor
    generated: Tensor
    unreached: list[int]
    representatives: list[int]
    expected: float


def assign_modes(
    samples: Tensor, centres: Tensor, sigma: float | Tensor, within: float = 3.0
) -> tuple[Tensor, Tensor]:
    """The nearest known centre of each sample, and whether it lies within 3 sigma of it: `(N,)` both.

    The protocol of the ring and the grid: Srivastava et al. (2017); Lin et al. (2018). In two dimensions,
    1 - exp(-9/2) = 98.889 % of perfect samples are good, in D the chi distribution's share below 3.

    Arguments:
        samples: `(N, D)`.
        centres: `(K, D)`.
        sigma: The modes' standard deviation in each direction, one for all or `(K,)`.
        within: How many of it are good.

    Raises:
        DataError: Samples or centres cannot be used.
    """
    check_features(samples=samples, centres=centres)
    labels, distances = nearest_centre(samples.double(), centres.double())
    reach = within * torch.as_tensor(sigma, dtype=torch.float64, device=samples.device)
    if not (reach > 0).all() or reach.shape not in ((), (len(centres),)):
        raise ConfigError(f"sigma must be above 0, one or {len(centres)} numbers; found {sigma}")
    return labels, distances < reach.expand(len(centres))[labels]


def count_modes(
    labels: Tensor, modes: int, good: Tensor | None = None, shares: Tensor | None = None
) -> ModeCounts:
    """How samples with assigned modes `(N,)` fall on `modes` of them.

    Arguments:
        labels: The mode of each sample, 0 to modes - 1, e.g. by a classifier or `assign_modes`.
        modes: K.
        good: Which samples count, `(N,)`; None counts all, as for Stacked MNIST.
        shares: The data's share of each mode, `(K,)`, or counts; None for equal ones.

    Raises:
        DataError: No samples, labels that are no mode, or shares that are not above 0.
    """
    if modes < 2:
        raise ConfigError(f"mode counts need at least 2 modes; found {modes}")
    if labels.ndim != 1 or not len(labels) or labels.is_floating_point():
        raise DataError(
            f"mode labels must be whole numbers in one row, at least 1; found {tuple(labels.shape)} "
            f"of {labels.dtype}"
        )
    if labels.min() < 0 or labels.max() >= modes:
        raise DataError(
            f"mode labels must be 0 to {modes - 1}; found {int(labels.min())} to {int(labels.max())}"
        )
    if good is not None and (good.shape != labels.shape or good.dtype != torch.bool):
        raise DataError(
            f"good must be one bool for each of {len(labels)} samples; found {tuple(good.shape)} "
            f"of {good.dtype}"
        )
    share = _shares(shares, modes, labels.device)
    counts = (labels if good is None else labels[good]).bincount(minlength=modes)
    n = int(counts.sum())
    kl = None
    if n:
        found = counts.double() / n
        kl = float((torch.xlogy(found, found) - torch.xlogy(found, share)).sum())
    return ModeCounts(
        counts=counts,
        reached=int((counts > 0).sum()),
        fair=int(((counts > 0) & (counts >= FAIR * n * share)).sum()),
        good=wilson(n, len(labels)),
        kl=kl,
        kl_floor=expected_kl(share, n) if n else math.inf,
        kl_ceiling=-math.log(float(share.min())),
    )


def expected_kl(shares: Tensor, count: int) -> float:
    """E[KL(counts / N || shares)] in nats of N draws from shares `(K,)` themselves.

    The sum over modes of E[(X/N) ln(X / (N p))] with X binomial, exactly.
    """
    x = torch.arange(1, count + 1, dtype=torch.float64, device=shares.device)
    ways = math.lgamma(count + 1) - torch.lgamma(x + 1) - torch.lgamma(count - x + 1)
    total = 0.0
    for share, times in zip(*shares.unique(return_counts=True), strict=True):
        chance = (ways + x * share.log() + (count - x) * torch.log1p(-share)).exp()
        total += float(times * (chance * x / count * (x / (count * share)).log()).sum())
    return total


def unreached_modes(held_out: Tensor, generated: Tensor, modes: int, seed: int) -> UnreachedModes:
    """Which k-means clusters of held-out real features `(N, D)` no generated sample `(M, D)` is nearest to.

    For data without labels. M more real samples leave a cluster with n_k of the N held-out ones unreached
    with the chance prod_{i<M} (N - n_k + i) / (N + i): the beta-binomial, which allows for a share n_k / N
    that is itself uncertain. It does not allow for clusters being drawn around single outliers, as happens
    in many dimensions; measure that by passing as many training samples as `generated`, with this seed.

    Arguments:
        held_out: `(N, D)`, not the training set: its clusters would fit what the model has memorised.
        generated: `(M, D)`.
        modes: The number of clusters; few enough that each holds several samples.
        seed: Of k-means.

    Raises:
        DataError: A set cannot be used, or fewer samples are held out than modes.
    """
    check_features(modes, held_out=held_out)
    check_features(1, held_out=held_out, generated=generated)
    found = kmeans(held_out, modes, seed)
    real = found.counts
    labels, _ = nearest_centre(generated.to(found.centres.dtype), found.centres)
    counts = labels.bincount(minlength=len(real))
    largest = real.argsort(descending=True, stable=True).tolist()
    missed = [k for k in largest if real[k] and not counts[k]]
    far = torch.full_like(found.distances, math.inf)
    representatives = [
        int(torch.where(found.labels == k, found.distances, far).argmin()) for k in missed
    ]
    n, m = len(held_out), len(generated)
    rest = (n - real[real > 0]).double()
    # prod_{i<M} (a + i) = Gamma(a + M) / Gamma(a); a cluster of all samples is always reached.
    chances = torch.lgamma(rest + m) - torch.lgamma(rest) - math.lgamma(n + m) + math.lgamma(n)
    return UnreachedModes(real, counts, missed, representatives, float(chances.exp().sum()))


def _shares(shares: Tensor | None, modes: int, device: torch.device) -> Tensor:
    if shares is None:
        return torch.full((modes,), 1 / modes, dtype=torch.float64, device=device)
    if shares.shape != (modes,) or not (shares > 0).all() or not shares.isfinite().all():
        raise DataError(
            f"the data's shares must be {modes} numbers above 0; found shape {tuple(shares.shape)}, "
            f"smallest {float(shares.min()) if shares.numel() else 'none'}"
        )
    return shares.double().to(device) / shares.double().sum()
