"""What a code holds: the posteriors of a data set against the prior, and labels read off their means.

Posteriors are q(z|x) = N(mean, diag exp(log_var)), both `(N, D)`: N samples of D latent dimensions; the
prior p(z) is N(0, I); q(z) is the mean of the N posteriors. Information is in nats, all in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from .checks import check_features
from .intervals import Interval, wilson
from .neighbours import nearest
from .regression import softmax_regression, standardised, with_one

BLOCK = 2**21
"""How many log-densities are held at a time."""
NEIGHBOURS = 5
"""Training codes that name the label of a code, unless said otherwise."""
GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
VALIDATION = 0.2


@dataclass(frozen=True)
class PerDimension:
    """A value of each latent dimension with its standard error over samples, `(D,)` both."""

    value: Tensor
    error: Tensor


@dataclass(frozen=True)
class ActiveUnits:
    """How many dimensions have a variance above the threshold, which is part of the metric."""

    count: int
    threshold: float
    variance: PerDimension


@dataclass(frozen=True)
class AggregatePosterior:
    """The aggregate q(z) of a data set's posteriors.

    Attributes:
        rate: The mean of KL(q(z|x) || p) over the data; the sum of information and gap.
        mutual_information: Of x and z; never above `cap`, nor above the true value in expectation.
        information_above: The same, never below the true value in expectation.
        gap: KL(q(z) || p), what is left of the rate; too large by what the information is too small.
        gap_below: What is left of the rate by `information_above`: not above the true value in expectation.
        rate_error, information_error, gap_error: One standard error over samples.
        cap: ln N; information near it says no more than "large".
        mean, variance: Of q(z), `(D,)`; 0 and 1 where it matches the prior.
    """

    rate: float
    mutual_information: float
    information_above: float
    gap: float
    gap_below: float
    rate_error: float
    information_error: float
    gap_error: float
    cap: float
    mean: Tensor
    variance: Tensor


@dataclass(frozen=True)
class Probe:
    """A linear classifier's test accuracy with its 95 % interval.

    Attributes:
        accuracy: Of the test split.
        majority: What always naming the most common training class would reach there.
        strength: The C that was chosen; at an end of the grid, a wider one might do better.
        validation: The accuracy of each C on the part of the training split kept for the choice.
    """

    accuracy: Interval
    majority: float
    strength: float
    validation: dict[float, float]


def active_units(mean: Tensor, threshold: float = 0.01) -> ActiveUnits:
    """Counts dimensions with Var_x E[z_j|x] above the threshold. Burda et al. (2016).

    Raises:
        DataError: No `(N, D)`, fewer than 2 samples, or values that are not finite.
    """
    check_features(2, mean=mean)
    squares = (mean.double() - mean.double().mean(0)).square()
    variance = squares.mean(0)
    error = _error(squares)
    return ActiveUnits(int((variance > threshold).sum()), threshold, PerDimension(variance, error))


def kl_per_dimension(mean: Tensor, log_var: Tensor) -> PerDimension:
    """The mean over samples of KL(q(z_j|x) || N(0, 1)). Kingma & Welling (2014), appendix B.

    Raises:
        DataError: Not two `(N, D)`, fewer than 2 samples, or values that are not finite.
    """
    divergence = _kl(*_posteriors(mean, log_var))
    return PerDimension(divergence.mean(0), _error(divergence))


def aggregate_posterior(
    mean: Tensor, log_var: Tensor, seed: int, block: int = BLOCK
) -> AggregatePosterior:
    """Splits the rate into I_q(x; z) and KL(q(z) || p). Hoffman & Johnson (2016).

    The information is the mean of ln q(z|x) - ln q(z) over one draw z of every posterior, with q(z) the
    mixture of all N, its own among them: He et al. (2019), there by minibatches. That is a lower bound in
    expectation and never above ln N; the mixture of the others alone gives an upper one (Poole et
    al. 2019). N^2 densities are computed, of which `block` are held at a time.

    Raises:
        DataError: Not two `(N, D)`, fewer than 2 samples, or values that are not finite.
    """
    mean, log_var = _posteriors(mean, log_var)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(mean.shape, generator=generator, dtype=torch.float64).to(mean)
    divergence = _kl(mean, log_var).sum(1)
    information, above = _log_ratios(mean, log_var, noise, block)
    return AggregatePosterior(
        rate=float(divergence.mean()),
        mutual_information=float(information.mean()),
        information_above=float(above.mean()),
        gap=float((divergence - information).mean()),
        gap_below=float((divergence - above).mean()),
        rate_error=float(_error(divergence)),
        information_error=float(_error(information)),
        gap_error=float(_error(divergence - information)),
        cap=math.log(len(mean)),
        mean=mean.mean(0),
        variance=mean.var(0, correction=0) + log_var.exp().mean(0),
    )


def linear_probe(
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    seed: int,
    grid: tuple[float, ...] = GRID,
) -> Probe:
    """How well multinomial logistic regression tells the label of a code, e.g. of posterior means.

    Inputs are standardised by the training split. The loss is C times the summed cross-entropy plus half
    the squared weights, without the intercepts; of the grid, the C is taken that does best on a random
    fifth of the training split (of equals the smallest), and fitted again on all of it.

    Arguments:
        train: Codes `(N, D)`.
        train_labels: `(N,)` whole numbers.
        test: Codes `(M, D)`.
        test_labels: `(M,)`; a class that was not trained on is never named.
        seed: Chooses the fifth.
        grid: The strengths C, ascending.

    Raises:
        DataError: Codes and labels do not fit together, are fewer than 5, or of one class.
    """
    _check_labels(train, train_labels, "training")
    _check_labels(test, test_labels, "test")
    check_features(5, training=train)
    check_features(1, training=train, test=test)
    if min(grid, default=0) <= 0:
        raise ConfigError(f"a probe needs strengths C above 0; found {grid}")
    classes, y = train_labels.unique(return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            f"a probe needs labels of at least 2 classes; found only {int(classes[0])}"
        )
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    kept, fitted = order.to(y.device).tensor_split([math.ceil(VALIDATION * len(order))])
    validation: dict[float, float] = {}
    start = torch.zeros(train.shape[1] + 1, len(classes), dtype=torch.float64, device=train.device)
    x, held = standardised(train[fitted], train[kept])
    for strength in sorted(grid):
        # The last strength's weights are near the next one's.
        start = softmax_regression(x, y[fitted], 1 / strength, start)
        validation[strength] = float(
            ((with_one(held) @ start).argmax(1) == y[kept]).double().mean()
        )
    best = max(validation, key=lambda strength: validation[strength])
    x, held = standardised(train, test)
    weights = softmax_regression(x, y, 1 / best, torch.zeros_like(start))
    named = classes[(with_one(held) @ weights).argmax(1)]
    most = classes[y.bincount().argmax()]
    return Probe(
        accuracy=wilson(int((named == test_labels).sum()), len(test)),
        majority=float((test_labels == most).double().mean()),
        strength=best,
        validation=validation,
    )


def knn_accuracy(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, k: int = NEIGHBOURS
) -> Interval:
    """How often the k nearest codes of the training split `(N, D)` name the label of one of the test split.

    Codes are not standardised, which would raise dimensions that hold nothing to the rank of the others.
    Of classes with equally many votes, the one with the nearest neighbour is named.

    Raises:
        DataError: Codes and labels do not fit together, or the training split has fewer than k.
    """
    _check_labels(train, train_labels, "training")
    _check_labels(test, test_labels, "test")
    check_features(1, training=train, test=test)
    classes, y = train_labels.unique(return_inverse=True)
    neighbours = nearest(test, train, k).index
    # What a vote has above 1 is less than one vote in sum, and more than all that come after it.
    rank = torch.arange(k, dtype=torch.float64, device=test.device)
    weights = (1 + 0.5 ** (rank + 2)).expand(len(test), -1)
    votes = torch.zeros(len(test), len(classes), dtype=torch.float64, device=test.device)
    named = classes[votes.scatter_add_(1, y[neighbours], weights).argmax(1)]
    return wilson(int((named == test_labels).sum()), len(test))


def _kl(mean: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)


def _error(values: Tensor) -> Tensor:
    return values.std(0) / math.sqrt(len(values))


def _log_ratios(mean: Tensor, log_var: Tensor, noise: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """ln q(z_n|x_n) - ln mean_m q(z_n|x_m) of z_n = mean_n + sd_n noise_n, and without m = n: `(N,)`."""
    count = len(mean)
    # Of the expanded square below, less cancels about the origin. (2 pi)^(D/2) falls out of the ratio.
    mean = mean - mean.mean(0)
    z, precision = mean + (0.5 * log_var).exp() * noise, (-log_var).exp()
    own = -0.5 * (noise.square() + log_var).sum(1)
    constant = (mean.square() * precision + log_var).sum(1)
    whole, others = [], []
    for rows in torch.arange(count, device=mean.device).split(max(1, block // count)):
        part = z[rows]
        square = part.square() @ precision.T - 2 * part @ (mean * precision).T
        density = -0.5 * (square + constant)
        density[torch.arange(len(rows), device=mean.device), rows] = -math.inf
        rest = density.logsumexp(1)
        others.append(own[rows] - rest + math.log(count - 1))
        whole.append(own[rows] - torch.logaddexp(rest, own[rows]) + math.log(count))
    return torch.cat(whole), torch.cat(others)


def _posteriors(mean: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
    check_features(2, **{"posterior mean": mean, "posterior log-variance": log_var})
    if len(mean) != len(log_var):
        raise DataError(
            f"posteriors need one log-variance a mean; found {len(mean)} and {len(log_var)}"
        )
    return mean.double(), log_var.double()


def _check_labels(codes: Tensor, labels: Tensor, name: str) -> None:
    if labels.ndim != 1 or len(labels) != len(codes) or labels.is_floating_point():
        raise DataError(
            f"{name} labels must be one whole number a code; found {labels.dtype} of shape "
            f"{tuple(labels.shape)} for {len(codes)} codes"
        )
