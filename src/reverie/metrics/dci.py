"""Disentanglement, completeness and informativeness of codes: Eastwood & Williams (2018).

This is their variant with L1-penalised linear models, not the one with trees; values of the two are not
comparable. Codes are `(N, D)`, factors `(N, K)` whole numbers; all in float64.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from .disentanglement import check_factors, check_nominal
from .regression import lasso, sparse_softmax_regression, standardised, with_one

PENALTY = 0.02
"""On weights of standardised codes: smaller partial correlations count as none."""
HELD_OUT = 0.2


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
    x, x_held = standardised(codes[fitted], codes[held])
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
    # As much say to a factor as was predicted of it: weights that predict nothing are of noise.
    shares = dci_of(importance * predicted.clamp_min(0))
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
    weights = sparse_softmax_regression(x, y, levels, penalty / math.sqrt(levels))
    named = (with_one(x_held) @ weights).argmax(1)
    common = float((y_held == y.bincount().argmax()).double().mean())
    accuracy = float((named == y_held).double().mean())
    return weights[:-1], (accuracy - common) / (1 - common)


def _concentration(importance: Tensor) -> Tensor:
    """1 - entropy of each row's shares in base of their number; 0 of a row without importance."""
    total = importance.sum(1, keepdim=True)
    shares = importance / torch.where(total > 0, total, 1.0)
    entropy = -torch.special.xlogy(shares, shares).sum(1) / math.log(importance.shape[1])
    return torch.where(total[:, 0] > 0, 1 - entropy, 0.0)
