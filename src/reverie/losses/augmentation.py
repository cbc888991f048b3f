"""What the critic sees instead of samples, so that little data does not teach it the samples by heart.

Real and generated samples pass through the same random transformations, and gradients pass through
them to the generator: what the transformations do is not learned as part of the data.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..config import Section
from ..tensors import Noise, at_least_float32

Share = Annotated[float, Field(ge=0, le=1)]


class NoAugmentation(Section):
    """The critic sees samples as they are."""

    kind: Literal["none"] = "none"

    def __call__(self, x: Tensor, noise: Noise) -> Tensor:
        """The same samples."""
        return x


class DiffAugment(Section):
    """Colour, translation and cutout. Zhao et al. (2020), section 3.2 and appendix.

    Entries that leave the picture or are cut out become 0, the middle of [-1, 1].
    """

    kind: Literal["diff_augment"] = "diff_augment"
    color: bool = True
    """Whether brightness, saturation and contrast change."""
    translation: Share = 0.125
    """The farthest shift along either axis, as a share of the side."""
    cutout: Share = 0.5
    """The side of the square that is cut out, as a share of the picture's."""

    def __call__(self, x: Tensor, noise: Noise) -> Tensor:
        """`(B, C, H, W)` in [-1, 1] to the same shape."""
        x = at_least_float32(x)  # a draw just below 1 must not be rounded up to it
        u = noise.uniform(len(x), 7).to(x.dtype)[:, :, None, None, None].unbind(1)
        if self.color:
            x = x + (u[0] - 0.5)
            grey = x.mean(1, keepdim=True)
            x = torch.lerp(grey, x, 2 * u[1])
            x = torch.lerp(x.mean((1, 2, 3), keepdim=True), x, u[2] + 0.5)
        for axis, draw in ((2, u[3]), (3, u[4])):
            far = int(self.translation * x.shape[axis] + 0.5)
            x = shifted(x, axis, (draw * (2 * far + 1)).long() - far)
        return x * self.kept(x, u[5], u[6])

    def kept(self, x: Tensor, down: Tensor, right: Tensor) -> Tensor:
        """0 in a square whose centre may lie anywhere in the picture, 1 elsewhere: `(B, 1, H, W)`."""
        inside = []
        for axis, draw in ((2, down), (3, right)):
            side = x.shape[axis]
            long = int(self.cutout * side + 0.5)
            start = (draw * (side + 1 - long % 2)).long() - long // 2
            place = along(x, axis) - start
            inside.append((place >= 0) & (place < long))
        return (~(inside[0] & inside[1])).to(x.dtype)


Augmentation = Annotated[NoAugmentation | DiffAugment, Field(discriminator="kind")]


def shifted(x: Tensor, axis: int, by: Tensor) -> Tensor:
    """Each sample moved along an axis by its own number of entries, `(B, 1, 1, 1)`; 0 moves in."""
    source = along(x, axis) - by
    there = (source >= 0) & (source < x.shape[axis])
    index = source.clamp(0, x.shape[axis] - 1)
    return x.gather(axis, index.expand_as(x)) * there


def along(x: Tensor, axis: int) -> Tensor:
    """0, 1, 2, ... along an axis of `(B, C, H, W)`, with 1 for the other sizes."""
    shape = [1] * x.dim()
    shape[axis] = x.shape[axis]
    return torch.arange(x.shape[axis], device=x.device).view(shape)
