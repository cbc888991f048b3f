"""Disentanglement, completeness and informativeness of codes: Eastwood & Williams (2018).

This is their variant with L1-penalised linear models, not the one with trees; values of the two are not
comparable. Codes are `(N, D)`, factors `(N, K)` whole numbers; all in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from .disentanglement import check_factors, check_nominal

PENALTY = 0.02
"""On weights of standardised codes: smaller partial correlations count as none."""
HELD_OUT = 0.2
STEPS, TOLERANCE = 2000, 1e-9


@dataclass(frozen=True)
class Shares:
    """D and C of an importance matrix, with each code's and each factor's part: `(D,)` and `(K,)`."""

    disentanglement: float
    completeness: float
    codes: Tensor
    factors: Tensor


@dataclass(frozen=True)
class DCI(Shares):
    """All three; `importance` is `(D, K)`, and `predicted` `(K,)` has the informativeness as its mean.

    Informativeness is what held-out samples are predicted better than by a constant: R^2, and for
    nominal factors (accuracy - a) / (1 - a) with a that of the most common level.
    """

    informativeness: float
    predicted: Tensor
    importance: Tensor


def dci(
    codes: Tensor,
    factors: Tensor,
    seed: int,
    nominal: Collection[int] = (),
    penalty: float = PENALTY,
) -> DCI:
    """Predicts every factor from the codes, and asks which codes were needed for which.

    An ordered factor is predicted by the lasso, a nominal one by L1-penalised multinomial logistic
    regression; a code's importance is the sum of its absolute weights. Importances of a factor sum to 1,
    so that logits weigh no more than regressions. Equal codes share their weight.

    Arguments:
        codes: `(N, D)`.
        factors: `(N, K)`.
        seed: Holds out a random fifth of the samples.
        nominal: The columns of factors whose levels have no order, or a circular one as a rotation has.
        penalty: Of the absolute weights, beside half the mean squared error of standardised factors, or
            over the root of L beside the mean cross-entropy of L levels, whose noise is less by that.

    Raises:
        DataError: Codes and factors do not fit together or are not finite, there are fewer than 2 of
            either, or a factor has only one value among the samples held out or those fitted to.
    """
    columns = check_factors(codes, factors)
    check_nominal(nominal, len(columns))
    if not penalty > 0:
        raise ConfigError(f"the L1 penalty must be above 0; found {penalty}")
    order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))
    held, fitted = order.to(codes.device).tensor_split([math.ceil(HELD_OUT * len(codes))])
    x, x_held = _standardised(codes[fitted].double(), codes[held].double())
    importance = torch.zeros(codes.shape[1], len(columns), dtype=torch.float64)
    predicted = torch.zeros(len(columns), dtype=torch.float64)
    for k, column in enumerate(columns):
        for name, part in (("held out", held), ("fitted to", fitted)):
            if len(column[part].unique()) < 2:
                raise DataError(
                    f"factor {k} has one value among the {len(part)} samples {name}; "
                    "DCI needs more samples"
                )
        if k in nominal:
            weights, gain = _nominal(x, column[fitted], x_held, column[held], penalty)
        else:
            y = factors[:, k].double()
            weights, gain = _ordered(x, y[fitted], x_held, y[held], penalty)
        importance[:, k] = weights.abs().sum(1).cpu()
        predicted[k] = gain
    total = importance.sum(0)
    importance = torch.where(total > 0, importance / total, 0.0)
    shares = dci_of(importance)
    return DCI(
        **vars(shares),
        informativeness=float(predicted.mean()),
        predicted=predicted,
        importance=importance,
    )


def dci_of(importance: Tensor) -> Shares:
    """Disentanglement and completeness of importances `(D, K)`.

    A code's part is one less the entropy, in base K, of how its importance spreads over factors; a
    factor's is one less that, in base D, of how it spreads over codes. Both are averaged by importance,
    so that dead codes and factors that nothing predicts have no say.

    Raises:
        DataError: There are fewer than 2 codes or factors, or an importance is negative or not finite.
    """
    if importance.ndim != 2 or min(importance.shape) < 2:
        raise DataError(
            f"DCI needs at least 2 codes and 2 factors; found shape {tuple(importance.shape)}"
        )
    importance = importance.double()
    if not importance.isfinite().all() or float(importance.min()) < 0:
        raise DataError("importances must be finite and not negative")
    codes, factors = _concentration(importance), _concentration(importance.T)
    total = float(importance.sum()) or 1.0
    return Shares(
        float((importance.sum(1) * codes).sum()) / total,
        float((importance.sum(0) * factors).sum()) / total,
        codes,
        factors,
    )


def lasso(x: Tensor, y: Tensor, penalty: float) -> Tensor:
    """The w that minimises |y - x w|^2 / 2N + penalty |w|_1: `(N, D)` and `(N, R)` to `(D, R)`.

    Tibshirani (1996). Of equal columns, each has the same weight.
    """
    gram, target = x.T @ x / len(x), x.T @ y / len(x)
    return _proximal(
        lambda w: gram @ w - target, _largest(gram), torch.zeros_like(target), penalty
    )


def sparse_logistic(x: Tensor, y: Tensor, levels: int, penalty: float) -> tuple[Tensor, Tensor]:
    """The weights `(D, L)` and intercepts `(L,)` of L1-penalised multinomial logistic regression.

    They minimise the mean cross-entropy of y `(N,)` given x `(N, D)` plus penalty |w|_1; intercepts are
    free.
    """
    design = torch.nn.functional.pad(x, (0, 1), value=1.0)
    target = torch.nn.functional.one_hot(y, levels).double()

    def gradient(w: Tensor) -> Tensor:
        return design.T @ ((design @ w).softmax(1) - target) / len(x)

    # Softmax has a Hessian of at most one half. Boehning (1992).
    curvature = _largest(design.T @ design / len(x)) / 2
    start = torch.zeros(design.shape[1], levels, dtype=torch.float64, device=x.device)
    shrink = torch.full_like(start, penalty)
    shrink[-1] = 0
    weights = _proximal(gradient, curvature, start, shrink)
    return weights[:-1], weights[-1]


def _ordered(
    x: Tensor, y: Tensor, x_held: Tensor, y_held: Tensor, penalty: float
) -> tuple[Tensor, float]:
    """The weights `(D, 1)` and the R^2 on held-out samples."""
    mean, deviation = y.mean(), y.std(correction=0)
    weights = lasso(x, (y - mean)[:, None] / deviation, penalty)
    error = (x_held @ weights)[:, 0] * deviation + mean - y_held
    # A constant is the mean of what was fitted to: it knows no more than the model does.
    return weights, 1 - float(error.square().sum() / (y_held - mean).square().sum())


def _nominal(
    x: Tensor, y: Tensor, x_held: Tensor, y_held: Tensor, penalty: float
) -> tuple[Tensor, float]:
    """The weights `(D, L)` and the gain in accuracy on held-out samples."""
    levels = 1 + max(int(y.max()), int(y_held.max()))
    weights, intercepts = sparse_logistic(x, y, levels, penalty / math.sqrt(levels))
    named = (x_held @ weights + intercepts).argmax(1)
    common = float((y_held == y.bincount().argmax()).double().mean())
    accuracy = float((named == y_held).double().mean())
    return weights, (accuracy - common) / (1 - common)


def _proximal(
    gradient: Callable[[Tensor], Tensor],
    curvature: float,
    start: Tensor,
    penalty: Tensor | float,
) -> Tensor:
    """Minimises a smooth function plus penalty |w|_1. Beck & Teboulle (2009), FISTA, section 4.

    The momentum starts anew where it points uphill: O'Donoghue & Candes (2015), section 3.2.
    """
    now = ahead = start
    momentum, step = 1.0, 1 / curvature if curvature > 0 else 1.0
    for _ in range(STEPS):
        moved = ahead - step * gradient(ahead)
        shrunk = moved.sign() * (moved.abs() - step * penalty).clamp_min(0)
        if bool(((ahead - shrunk) * (shrunk - now)).sum() > 0):
            momentum = 1.0
        after = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        change = shrunk - now
        ahead = shrunk + (momentum - 1) / after * change
        now, momentum = shrunk, after
        if float(change.abs().max()) <= TOLERANCE * max(1.0, float(now.abs().max())):
            break
    return now


def _largest(gram: Tensor) -> float:
    return float(torch.linalg.eigvalsh(gram)[-1])


def _concentration(importance: Tensor) -> Tensor:
    """1 - entropy of each row's shares in base of their number; 0 of a row without importance."""
    total = importance.sum(1, keepdim=True)
    shares = importance / torch.where(total > 0, total, 1.0)
    entropy = -torch.special.xlogy(shares, shares).sum(1) / math.log(importance.shape[1])
    return torch.where(total[:, 0] > 0, 1 - entropy, 0.0)


def _standardised(fitted: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = fitted.mean(0), fitted.std(0, correction=0)
    scale = torch.where(deviation > 0, deviation, 1.0)
    return (fitted - mean) / scale, (other - mean) / scale
