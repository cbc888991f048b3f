"""Squared Euclidean distances of all pairs of two sets: bounds of all, quickly, and any of them exactly.

A matrix product gives bounds of its own rounding error. What they leave open is computed again in float64,
from differences, so that equal distances compare as equal. N and M samples, D features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 2**21
"""How many distances are held at a time."""
EDGE = 1 + 1e-12
"""Squared distances this close are equal: summed in another order, they differ by up to D 2^-53."""
ROWS = 1000
"""How many rows are converted at a time."""


@dataclass(frozen=True)
class Tile:
    """Lower bounds of the squared distances of some rows of x to some of y, `(R, C)`."""

    rows: slice
    columns: slice
    least: Tensor


class Distances:
    """Squared distances of `(N, D)` to `(M, D)`: bounds of all of them, and any of them exactly.

    The bounds are float32's, unless that blurs many: tight clusters far apart take float64's. They
    are in units of `scale`^2; a pair's upper one is 2 (`row` + `column`) above its lower one.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y
        # The median holds where an outlier would carry a mean away; of equal samples it is exactly one.
        self.centre = x[:: len(x) // 100 + 1].double().median(0).values
        ends = [end for z in (x, y) for end in (z.amin(0), z.amax(0))]
        self.scale = max(float((end.double() - self.centre).abs().max()) for end in ends)
        self._tabulate(torch.float32)
        if self._blurred() > 0.05:
            self._tabulate(torch.float64)

    def _tabulate(self, dtype: torch.dtype) -> None:
        self.right, self.column = self._table(self.y, dtype)
        same = self.x is self.y
        self.left, self.row = (self.right, self.column) if same else self._table(self.x, dtype)

    def _table(self, z: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Rows (z, 1, |z|^2 less its slack) `(N, D + 2)`, and the slack `(N,)`.

        (-2x, |x|^2, 1) times (y, 1, |y|^2) is a squared distance. Its D + 2 products and sums are wrong by
        at most that many half epsilons of their terms, and these sum to at most 2 (|x|^2 + |y|^2) (Higham
        2002, section 3.1). Twice that is also for the rounding of x, y, the norms and the limits.
        """
        dimension = z.shape[1]
        unit = 2 * (dimension + 2) * torch.finfo(dtype).eps
        unit += _coarseness() if dtype == torch.float32 else 0.0
        table = torch.ones(len(z), dimension + 2, dtype=dtype, device=z.device)
        slack = torch.empty(len(z), dtype=dtype, device=z.device)
        for part, to, wrong in zip(*(t.split(ROWS) for t in (z, table, slack)), strict=True):
            to[:, :-2] = (part.double() - self.centre) / (self.scale or 1.0)
            norms = to[:, :-2].double().square().sum(1)
            to[:, -1], wrong[:] = norms * (1 - unit), norms * unit
        return table, slack

    def _blurred(self) -> float:
        """The share of pairs, by a sample, whose distance is not known to half of itself."""
        i, j = (slice(None, None, len(z) // 256 + 1) for z in (self.x, self.y))
        least = self._lefts(i) @ self.right[j].T
        return float((least <= 2 * (self.row[i, None] + self.column[j])).double().mean())

    def _lefts(self, rows: slice) -> Tensor:
        z, one, norm = self.left[rows].split([self.x.shape[1], 1, 1], 1)
        return torch.cat([-2 * z, norm, one], 1)

    def tiles(self, size: int, half: bool = False) -> Iterator[Tile]:
        """All tiles of about `size` pairs, or half: from the diagonal on; each lasts till the next."""
        side = max(1, math.isqrt(size))
        # One piece of memory for all: freed ones stay behind where what a caller keeps lies between.
        memory = torch.empty(min(side, len(self.x)) * min(side, len(self.y))).to(self.row)
        for top in range(0, len(self.x), side):
            rows = slice(top, min(top + side, len(self.x)))
            left = self._lefts(rows)
            for start in range(top if half else 0, len(self.y), side):
                right = self.right[start : start + side]
                least = memory[: len(left) * len(right)].view(len(left), len(right))
                torch.mm(left, right.T, out=least)
                yield Tile(rows, slice(start, start + len(right)), least)

    def exact(self, i: Tensor, j: Tensor) -> Tensor:
        """The squared distances of pairs, `(P,)`, in float64 and no unit."""
        squares = torch.empty(len(i), dtype=torch.float64, device=i.device)
        count = max(1, 2**16 // self.x.shape[1])
        for to, a, b in zip(*(t.split(count) for t in (squares, i, j)), strict=True):
            apart = self.x[a].double().sub_(self.y[b])
            torch.sum(apart.square_(), 1, out=to)
        return squares

    def scaled(self, squares: Tensor) -> Tensor:
        """Squared distances in the unit and type of the bounds; of coinciding samples all are 0."""
        return (squares / (self.scale or 1.0) ** 2).to(self.row)

    def within(self, tile: Tile, reach: Tensor) -> tuple[Tensor, Tensor]:
        """The tile's pairs at a squared distance of at most `reach`, of `(R, 1)` or `(1, C)`."""
        limit = self.scaled(reach)
        i, j = (tile.least <= limit).nonzero(as_tuple=True)
        least, limit, reach = (t.expand_as(tile.least)[i, j] for t in (tile.least, limit, reach))
        i, j = i + tile.rows.start, j + tile.columns.start
        inside = least + 2 * (self.row[i] + self.column[j]) <= limit
        doubtful = ~inside
        inside[doubtful] = self.exact(i[doubtful], j[doubtful]) <= EDGE * reach[doubtful]
        return i[inside], j[inside]


def _coarseness() -> float:
    """What float32 products are further wrong by, where the user lets them run in TF32 or bfloat16."""
    allowed = "medium"
    # Where one backend's precision is set alone, torch refuses to name that of all.
    with suppress(RuntimeError):
        allowed = torch.get_float32_matmul_precision()
    return {"highest": 0.0, "high": 2**-8}.get(allowed, 2**-6)
