"""Small tensor tools that every layer above uses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def sum_per_sample(x: Tensor) -> Tensor:
    """Sums over all but the batch: `(B, *shape)` to `(B,)`."""
    return x.flatten(1).sum(1)


def at_least_float32(x: Tensor) -> Tensor:
    """The tensor in float32, or as it is in float64: statistics are not made in half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@dataclass
class Noise:
    """The random draws of one turn: a function of (seed, step, turn) and of the sample's place.

    Every worker draws the noise of the whole global batch and keeps the rows of its own samples, so
    that N workers with 1/N of the batch each see the very numbers that one worker sees.

    Arguments:
        generator: Where the numbers come from; on the device of the results.
        rows: First and last row of the global batch that are here; None keeps every row.
        total: The size of the global batch.
    """

    generator: torch.Generator
    rows: tuple[int, int] | None = None
    total: int = 0

    def normal(self, count: int, *shape: int) -> Tensor:
        """Draws from N(0, 1): `(count, *shape)`."""
        where = self.generator.device
        return self._keep(
            torch.randn(self._all(count), *shape, generator=self.generator, device=where)
        )

    def uniform(self, count: int, *shape: int) -> Tensor:
        """Draws from U[0, 1): `(count, *shape)`."""
        where = self.generator.device
        return self._keep(
            torch.rand(self._all(count), *shape, generator=self.generator, device=where)
        )

    def _all(self, count: int) -> int:
        return count if self.rows is None else self.total

    def _keep(self, x: Tensor) -> Tensor:
        return x if self.rows is None else x[self.rows[0] : self.rows[1]]


def float64(x: Tensor) -> Tensor:
    """`x` in float64; on the CPU where its device has none, as Apple's."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def noise_of(seed: int, device: torch.device | str = "cpu") -> Noise:
    """Noise of one seed, for sampling and evaluation."""
    return Noise(torch.Generator(device).manual_seed(seed))


def mix(seed: int, counter: int) -> int:
    """A 32-bit seed for place `counter` of stream `seed`; no two places of a stream collide.

    PyTorch's CPU generator keeps only 32 bits of a seed, so `seed << 32 | step` would drop the seed.
    The finaliser of MurmurHash3 is a bijection of 32-bit words.
    """
    return _finalise((counter + _finalise(seed ^ seed >> 32)) & 0xFFFFFFFF)


def _finalise(h: int) -> int:
    h &= 0xFFFFFFFF
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16
