"""The feature likelihood divergence: how likely held-out data is under a density made of generated samples.

N training, T test and M generated samples, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from .checks import check_features
from .regression import standardised

LEAST_VARIANCE = 1e-6
"""Where a centre's variance stops, in units of the training variance: on a copy it would fall to 0."""


@dataclass(frozen=True)
class LikelihoodDivergence:
    """What generated samples lose against held-out data, in nats x 100 per feature.

    Arguments:
        value: FLD: 0 on average if generated samples are drawn as the data are; higher is worse.
        error: The standard error of `value` over test samples. The draw of the centres comes on top, and
            can double it: repeat with fresh samples for all of it.
        gap: Negative log-likelihood of test minus that of training samples, x 100 / D, under the density
            of the generated samples. Copies of the training set make it large.
        held_out_gap: The same under the density of held-out samples: what `gap` is without copying,
            since the variances are fitted to the training samples in any case.
        centres: Samples that each density is made of.
    """

    value: float
    error: float
    gap: float
    held_out_gap: float
    centres: int


def log_likelihood(x: Tensor, centres: Tensor, variances: Tensor, chunk: int = 500) -> Tensor:
    """ln (1/M) sum_j N(x; c_j, v_j I) of each `(N, D)`, `(N,)`, with centres `(M, D)` and v `(M,)`."""
    parts = [_joint(part, centres, variances)[0].logsumexp(1) for part in x.split(chunk)]
    return torch.cat(parts) - math.log(len(centres))


def fit_variances(
    centres: Tensor, train: Tensor, steps: int = 100, tolerance: float = 1e-4, chunk: int = 500
) -> Tensor:
    """The variance of each centre `(M, D)` that makes training samples `(N, D)` likeliest, `(M,)`.

    Expectation maximisation with weights and centres held: v_j is the mean of |x - c_j|^2 / D, weighed by
    the chance that x comes from centre j. No step lowers the likelihood. All start from the mean squared
    distance of a training sample to its nearest centre, so that the result depends on no draw.

    Arguments:
        centres: `(M, D)`.
        train: `(N, D)`.
        steps: At most.
        tolerance: Ends once a step gains fewer nats per sample and feature.
        chunk: Training samples compared with all centres at once.
    """
    centres, train = centres.double(), train.double()
    d = train.shape[1]
    nearest = torch.cat([torch.cdist(part, centres).min(1).values for part in train.split(chunk)])
    start = (nearest.square().mean() / d).clamp_min(LEAST_VARIANCE)
    variances, last = start.expand(len(centres)), -math.inf
    for _ in range(steps):
        total, weight, spread = 0.0, torch.zeros_like(variances), torch.zeros_like(variances)
        for part in train.split(chunk):
            joint, square = _joint(part, centres, variances)
            evidence = joint.logsumexp(1, keepdim=True)
            share = (joint - evidence).exp()
            total += float(evidence.sum())
            weight += share.sum(0)
            spread += (share * square).sum(0)
        # A centre so remote that its every share underflows adds nothing at any variance.
        fitted = (spread / weight / d).clamp_min(LEAST_VARIANCE)
        variances = torch.where(weight > 0, fitted, variances)
        if total - last < tolerance * len(train) * d:
            break
        last = total
    return variances


def feature_likelihood_divergence(
    train: Tensor,
    test: Tensor,
    generated: Tensor,
    seed: int,
    steps: int = 100,
    chunk: int = 500,
) -> LikelihoodDivergence:
    """-100 / D E ln p(test) - C, p a Gaussian around each generated sample. Jiralerspong et al. (2023).

    The one score here that fidelity, diversity and novelty all lower: a Gaussian on a copy of a training
    sample shrinks to a point, and is lost for the test set. As computed here:

    - Features are standardised by the training set's mean and deviation; those that no set varies are left
      out of D. Variances are fitted by expectation maximisation to the whole training set.
    - C is the same quantity for a perfect generator, namely the held-out data itself: the test set is
      halved, one half gives the centres and the other the likelihoods, and the reverse. Generated samples
      are thinned to that number of centres, and scored on the same halves. So the value has mean 0 under
      equality, at any size; it is not comparable with published ones, whose C is one constant of the data.

    Few centres in many dimensions reward samples that are shrunk towards the mean, which can then score
    below 0: read it beside recall or coverage. A step costs D operations for every pair of a training
    sample and a centre; pass 10 000 or so of each.

    Arguments:
        train: `(N, D)`, what the model was trained on.
        test: `(T, D)`, what it has not seen.
        generated: `(M, D)`.
        seed: Draws the halves, and which generated samples are centres.
        steps: Steps of expectation maximisation at most.
        chunk: Samples compared with all centres at once.

    Raises:
        DataError: A set cannot be used, or no feature varies over the training set.
    """
    if steps < 1:
        raise ConfigError(f"variances are fitted in at least 1 step; found {steps}")
    check_features(2, train=train)
    check_features(4, test=test)
    check_features(1, train=train, test=test, generated=generated)
    train, test, generated = _varying(train, test, generated)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(test), generator=generator).to(test.device)
    chosen = torch.randperm(len(generated), generator=generator).to(test.device)
    half = len(test) // 2
    m = min(half, len(generated))

    def scored(centres: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """Nats x 100 per feature of held-out samples, one by one, and of the training set on average."""
        variances = fit_variances(centres, train, steps, chunk=chunk)
        unit = -100 / train.shape[1]
        return (
            unit * log_likelihood(held, centres, variances, chunk),
            unit * log_likelihood(train, centres, variances, chunk).mean(),
        )

    found, seen = scored(generated[chosen[:m]], test)
    perfect, gaps = torch.empty_like(found), []
    for own, other in ((order[:half], order[half:]), (order[half:], order[:half])):
        perfect[other], of_train = scored(test[own[:m]], test[other])
        gaps.append(float(perfect[other].mean() - of_train))
    lost = found - perfect
    return LikelihoodDivergence(
        value=float(lost.mean()),
        error=float(lost.std()) / math.sqrt(len(lost)),
        gap=float(found.mean() - seen),
        held_out_gap=sum(gaps) / 2,
        centres=m,
    )


def _joint(x: Tensor, centres: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """ln N(x; c_j, v_j I) and |x - c_j|^2, both `(n, M)` in float64."""
    square = torch.cdist(x.double(), centres.double()).square()
    scale = variances.double()
    return -0.5 * (square / scale + x.shape[1] * (2 * math.pi * scale).log()), square


def _varying(train: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """All sets in the training set's mean and deviation, without the features that are constant in all."""
    varying = [(x.double() != train[0].double()).any(0) for x in (train, *others)]
    if not varying[0].any():
        raise DataError(
            f"train features need one that varies; found {len(train)} times the same sample"
        )
    varies = torch.stack(varying).any(0)
    return tuple(x[:, varies] for x in standardised(train, *others))
