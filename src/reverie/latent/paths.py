"""Ways from one latent to another."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity


def straight(start: Tensor, end: Tensor, way: Tensor) -> Tensor:
    """Straight lines between `(N, Z)` and `(N, Z)`: `(N, steps, Z)`."""
    return torch.lerp(start[:, None], end[:, None], way)


def spherical(start: Tensor, end: Tensor, way: Tensor) -> Tensor:
    """Great arcs, which keep the length that Gaussian noise has. White (2016), section 2.1."""
    cosine = cosine_similarity(start, end)[:, None, None].clamp(-1, 1)
    angle = cosine.acos()
    left, right = ((1 - way) * angle).sin(), (way * angle).sin()
    arc = (left * start[:, None] + right * end[:, None]) / angle.sin()
    # Points on one line through the origin span no plane for an arc to lie in.
    return torch.where(angle.sin() > 1e-3, arc, straight(start, end, way))
