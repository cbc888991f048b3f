"""Divergences between distributions, in nats.

K is the number of draws for each sample, B the batch, Z the latent dimensions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def kl_to_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) || N(0, 1)) of each dimension: two `(B, Z)` to `(B, Z)`.

    Kingma & Welling (2014), appendix B.
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)


def normal_log_prob(x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log N(x; mean, exp(log_var)) of each entry, elementwise and with its constants."""
    return -0.5 * (LOG_2PI + log_var + (x - mean).square() / log_var.exp())


def log_mean_exp(x: Tensor) -> Tensor:
    """log of the mean of exp over the first axis: `(K, B)` to `(B,)`."""
    return x.logsumexp(0) - math.log(len(x))


def mmd(x: Tensor, y: Tensor, scale: float) -> Tensor:
    """The squared maximum mean discrepancy of `(B, Z)` and `(B, Z)`, never negative.

    Inverse multiquadratic kernels k(a, b) = c / (c + |a - b|^2), summed over c = scale * {0.1, ..., 10},
    as Tolstikhin et al. (2018), section 4. The V-statistic of Gretton et al. (2012), eq. 5: unlike the
    unbiased one it does not change when the batch is duplicated.
    """
    return (
        _kernel(x, x, scale).mean() + _kernel(y, y, scale).mean() - 2 * _kernel(x, y, scale).mean()
    )


def _kernel(a: Tensor, b: Tensor, scale: float) -> Tensor:
    # The differences, not a @ b, keep the diagonal exactly zero.
    distance = (a[:, None] - b[None]).square().sum(2)
    # Numbers, not a tensor of them: a GPU would be waited for while it is handed over.
    widths = [scale * width for width in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)]
    return torch.stack([width / (width + distance) for width in widths]).sum(0)
