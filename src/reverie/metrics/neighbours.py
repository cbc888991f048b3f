"""What nearest neighbours tell: precision, recall, density and coverage, and the neighbours themselves.

Distances are Euclidean, and exact where they decide. N real and M generated samples, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError
from .checks import check_features
from .distances import BLOCK, Distances, Tile

EXPECTED_DENSITY = 1.0
"""The density that samples of the same distribution have on average. Naeem et al. (2020), lemma 1."""


@dataclass(frozen=True)
class PRDC:
    """Precision, recall and coverage in [0, 1]; density in [0, N / k]."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class Neighbours:
    """Distances `(N, k)` in float64, ascending, and the rows of the other set they lead to, `(N, k)`."""

    distance: Tensor
    index: Tensor


def prdc(real: Tensor, fake: Tensor, k: int = 5, block: int = BLOCK) -> PRDC:
    """How much of each set lies within the other's balls, a sample's ball reaching to its k-th neighbour.

    Precision and recall: Kynkaanniemi et al. (2019), eq. 1 and 2, there with k = 3. Density and coverage:
    Naeem et al. (2020), eq. 2 and 3. A ball's edge belongs to it, so that a set scores 1 against itself.

    Arguments:
        real: Features `(N, D)`.
        fake: Generated features `(M, D)`.
        k: Part of the metric: values of different k are not comparable.
        block: How many distances are held at a time.

    Raises:
        DataError: The features do not fit together, or a set has no more than k samples.
    """
    check_features(real=real, generated=fake)
    _check_count(k, len(real), "more than", "real ")
    _check_count(k, len(fake), "more than", "generated ")
    real_reach = _squares_to_nearest(real, real, k, True, block)[0][:, -1]
    fake_reach = _squares_to_nearest(fake, fake, k, True, block)[0][:, -1]
    pairs = Distances(real.detach(), fake.detach())
    precise, covered, recalled = (
        torch.zeros(len(z), dtype=torch.bool, device=z.device) for z in (fake, real, real)
    )
    inside = 0
    for tile in pairs.tiles(block):
        i, j = pairs.within(tile, real_reach[tile.rows, None])
        inside += len(i)
        covered[i] = True
        precise[j] = True
        recalled[pairs.within(tile, fake_reach[None, tile.columns])[0]] = True
    return PRDC(
        precision=int(precise.sum()) / len(fake),
        recall=int(recalled.sum()) / len(real),
        density=inside / (k * len(fake)),
        coverage=int(covered.sum()) / len(real),
    )


def check_balls(count: int, k: int = 5) -> None:
    """Refuses sets whose balls say nothing: among few samples, they cover collapsed ones as well.

    Raises:
        DataError: There are fewer than ten neighbourhoods of k.
    """
    if count < 10 * k:
        raise DataError(
            f"balls of {k} neighbours among {count} samples cover nearly everything; {10 * k} samples or "
            "more are needed"
        )


def expected_coverage(real: int, fake: int, k: int = 5) -> float:
    """The coverage that samples of the same distribution have: 1 - prod_i (N - i) / (M + N - i).

    Naeem et al. (2020), lemma 2.
    """
    product = 1.0
    for i in range(1, k + 1):
        product *= (real - i) / (fake + real - i)
    return 1 - product


def nearest(
    x: Tensor, y: Tensor, k: int = 1, *, exclude_self: bool = False, block: int = BLOCK
) -> Neighbours:
    """The k rows of y `(M, D)` that are nearest to each row of x `(N, D)`; of equals, the first.

    Arguments:
        x: Whose neighbours are sought.
        y: Where they are sought.
        k: How many.
        exclude_self: y is x, and no row is a neighbour of its own.
        block: How many distances are held at a time.

    Raises:
        DataError: The features do not fit together, or y has fewer than k rows to offer.
    """
    check_features(x=x, y=y)
    if exclude_self and x is not y and not torch.equal(x, y):
        raise DataError("rows can be left out as their own neighbours of one set only; found two")
    _check_count(k, len(y), "more than" if exclude_self else "at least")
    squares, index = _squares_to_nearest(x, y, k, exclude_self, block)
    return Neighbours(squares.sqrt(), index)


def _check_count(k: int, count: int, least: str, which: str = "") -> None:
    if k < 1:
        raise DataError(f"k is {k}; a neighbourhood has at least 1 neighbour")
    if count < k + (least == "more than"):
        raise DataError(f"{k} neighbours need {least} {k} {which}samples; found {count}")


def _squares_to_nearest(
    x: Tensor, y: Tensor, k: int, exclude_self: bool, block: int
) -> tuple[Tensor, Tensor]:
    """`nearest`, with squared distances and nothing checked."""
    x = x.detach()
    pairs = Distances(x, x if exclude_self else y.detach())
    if pairs.scale == 0:
        index = torch.arange(k, device=x.device).repeat(len(x), 1)
        own = torch.arange(len(x), device=x.device)[:, None]
        return torch.zeros_like(index).double(), index + (index >= own) * exclude_self
    search = _Search(pairs, k, block)
    for tile in pairs.tiles(block, half=exclude_self):
        if exclude_self and tile.rows == tile.columns:
            tile.least.fill_diagonal_(torch.inf)
        search.add(tile)
        if exclude_self and tile.rows != tile.columns:
            search.add(tile, flip=True)
    squares, index = search.settle()
    return squares.view(-1, k), index.view(-1, k)


class _Search:
    """The k nearest of all pairs that it is shown.

    It holds the pairs that can be among them by their bounds, and now and then decides between these.
    """

    def __init__(self, pairs: Distances, k: int, block: int) -> None:
        self.pairs, self.k = pairs, k
        # Of each row, upper bounds of k different columns, ascending.
        self.limit = torch.full((len(pairs.x), k), torch.inf).to(pairs.row)
        self.held: list[tuple[Tensor, Tensor, Tensor]] = []
        self.most = max(block, 4 * self.limit.numel())

    def add(self, tile: Tile, flip: bool = False) -> None:
        """Looks at a tile, or at its mirror image; each row meets its columns in their order."""
        rows, columns = (tile.columns, tile.rows) if flip else (tile.rows, tile.columns)
        across = 0 if flip else 1
        # The smallest of each group of columns, as far as it can be: an upper bound of one column each.
        width = max(1, tile.least.shape[across] // (16 * self.k))
        end = tile.least.shape[across] // width * width
        wrong = self.pairs.column[columns][:end].unflatten(0, (width, -1)).amax(0)
        nearest = tile.least.narrow(across, 0, end).unflatten(across, (width, -1)).amin(across)
        nearest = (nearest.T if flip else nearest) + 2 * (wrong + self.pairs.row[rows, None])
        limit = torch.cat([self.limit[rows], nearest], 1).topk(self.k, largest=False).values
        self.limit[rows] = limit
        edge = limit[:, -1]
        i, j = (tile.least <= (edge if flip else edge[:, None])).nonzero(as_tuple=True)
        least = tile.least[i, j]
        i, j = (j, i) if flip else (i, j)
        self.held.append((i + rows.start, j + columns.start, least))
        if sum(len(held[0]) for held in self.held) > self.most:
            self.settle()

    def settle(self) -> tuple[Tensor, Tensor]:
        """Decides between the pairs held: k of each row stay, by row, then distance, then column.

        Returns their squared distances and columns, `(P,)`: k of each row once it has seen k columns.
        """
        i, j, least = (torch.cat(parts) for parts in zip(*self.held, strict=True))
        possible = least <= self.limit[i, -1]
        i, j = i[possible], j[possible]
        squares = self.pairs.exact(i, j)
        order = squares.argsort(stable=True)
        order = order[i[order].argsort(stable=True)]
        count = i.bincount(minlength=len(self.limit))
        rank = torch.arange(len(i), device=i.device) - (count.cumsum(0) - count)[i[order]]
        order, rank = order[rank < self.k], rank[rank < self.k]
        i, j, squares = i[order], j[order], squares[order]
        self.held = [(i, j, torch.full_like(least[: len(i)], -torch.inf))]
        self.limit.fill_(torch.inf)
        self.limit[i, rank] = self.pairs.scaled(squares)
        # What is at no distance cannot be bettered.
        self.limit[i[(rank == self.k - 1) & (squares == 0)]] = -torch.inf
        return squares, j
