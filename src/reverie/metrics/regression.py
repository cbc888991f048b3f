"""The regressions that metrics predict labels and factors with, and the standardised features they want.

N samples `x` of D features, all in float64. An intercept comes last, and is never penalised.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

NEWTON = 100
"""Steps at most, of each method."""
QUASI_NEWTON = 500
PROXIMAL, TOLERANCE = 2000, 1e-9


def standardised(fitted: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """All `(N, D)` in the mean and deviation of the first; a feature constant there keeps its unit."""
    fitted = fitted.double()
    # The deviation of equal numbers is a rounding error, not 0, and so is their distance to the mean.
    varies = (fitted != fitted[0]).any(0)
    mean = torch.where(varies, fitted.mean(0), fitted[0])
    deviation = torch.where(varies, fitted.std(0, correction=0), 1.0)
    return tuple((x.double() - mean) / deviation for x in (fitted, *others))


def with_one(x: Tensor) -> Tensor:
    """`(N, D)` with a column of ones for the intercept, `(N, D + 1)`."""
    return F.pad(x, (0, 1), value=1.0)


def logistic(x: Tensor, labels: Tensor, penalty: float = 1.0) -> Tensor:
    """The weights `(D + 1,)` of the logistic regression of labels (0 or 1) `(N,)` on `(N, D)`.

    They minimise the summed cross-entropy plus `penalty` |w|^2 / 2, which scikit-learn writes as
    C = 1 / `penalty`. Newton's method, with steps halved until they descend.
    """
    x, labels = with_one(x.double()), labels.double()
    ridge = torch.full((x.shape[1],), penalty, dtype=torch.float64, device=x.device)
    ridge[-1] = 0

    def loss(w: Tensor) -> float:
        return float(
            F.binary_cross_entropy_with_logits(x @ w, labels, reduction="sum") + ridge @ w**2 / 2
        )

    w = torch.zeros_like(ridge)
    value = loss(w)
    for _ in range(NEWTON):
        p = (x @ w).sigmoid()
        gradient = x.T @ (p - labels) + ridge * w
        curvature = (x.T * (p * (1 - p))) @ x + ridge.diag()
        step = torch.linalg.solve(curvature, gradient)
        decrement = float(gradient @ step)
        if decrement < 1e-12 * max(1.0, value):
            break
        size = 1.0
        while (tried := loss(w - size * step)) > value - 0.25 * size * decrement and size > 1e-8:
            size /= 2
        w, value = w - size * step, tried
    return w


def softmax_regression(x: Tensor, y: Tensor, penalty: float, start: Tensor) -> Tensor:
    """The weights `(D + 1, K)` of the multinomial logistic regression of y of K classes `(N,)` on `(N, D)`.

    They minimise the same as those of `logistic`, by L-BFGS from `start`: Newton's method would want
    the inverse of a matrix of D K rows.
    """
    x, weights = with_one(x.double()), start.clone()
    target = F.one_hot(y, weights.shape[1]).double()
    optimizer = _LBFGS(
        [weights],
        max_iter=QUASI_NEWTON,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def loss() -> float:
        logits = (x @ weights).log_softmax(1)
        shrunk = weights.clone()
        shrunk[-1] = 0
        ridge = penalty / len(x)
        weights.grad = x.T @ (logits.exp() - target) / len(x) + ridge * shrunk
        return float(-(logits * target).sum() / len(x) + 0.5 * ridge * shrunk.square().sum())

    optimizer.step(loss)
    return weights


def lasso(x: Tensor, y: Tensor, penalty: float) -> Tensor:
    """The w that minimises |y - x w|^2 / 2N + `penalty` |w|_1: `(N, D)` and `(N, R)` to `(D, R)`.

    Without an intercept. Tibshirani (1996). Of equal columns, each has the same weight.
    """
    gram, target = x.T @ x / len(x), x.T @ y / len(x)
    return _proximal(
        lambda w: gram @ w - target, _largest(gram), torch.zeros_like(target), penalty
    )


def sparse_softmax_regression(x: Tensor, y: Tensor, classes: int, penalty: float) -> Tensor:
    """The weights `(D + 1, K)` of L1-penalised multinomial logistic regression of y `(N,)` on `(N, D)`.

    They minimise the mean cross-entropy plus `penalty` |w|_1.
    """
    design = with_one(x)
    target = F.one_hot(y, classes).double()

    def gradient(w: Tensor) -> Tensor:
        return design.T @ ((design @ w).softmax(1) - target) / len(x)

    # Softmax has a Hessian of at most one half. Boehning (1992).
    curvature = _largest(design.T @ design / len(x)) / 2
    start = torch.zeros(design.shape[1], classes, dtype=torch.float64, device=x.device)
    shrink = torch.full_like(start, penalty)
    shrink[-1] = 0
    return _proximal(gradient, curvature, start, shrink)


def _proximal(
    gradient: Callable[[Tensor], Tensor],
    curvature: float,
    start: Tensor,
    penalty: Tensor | float,
) -> Tensor:
    """Minimises a smooth function plus `penalty` |w|_1. Beck & Teboulle (2009), FISTA, section 4.

    The momentum starts anew where it points uphill: O'Donoghue & Candes (2015), section 3.2.
    """
    now = ahead = start
    momentum, step = 1.0, 1 / curvature if curvature > 0 else 1.0
    for _ in range(PROXIMAL):
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


class _LBFGS(torch.optim.LBFGS):
    # As it is beneath the decorator that imports the compiler, for seconds; see optim.FusedAdam.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
