"""Whether generated samples are copies of the training data: always beside what held-out data gives.

T training, N held-out and M generated samples, D features; all distances are from a sample to its
nearest training sample. For the neighbours themselves, see `neighbours.nearest`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from .checks import check_features
from .intervals import Interval, mann_whitney_z, wilson
from .kmeans import kmeans, nearest_centre
from .neighbours import Neighbours, nearest


@dataclass(frozen=True)
class Cell:
    """One cell of C_T: its samples of each side, and their Z, or None where they are too few for one."""

    held_out: int
    generated: int
    z: float | None


@dataclass(frozen=True)
class DataCopying:
    """C_T, its standard deviation where generated and held-out data are alike, and its cells.

    Negative means that generated samples lie closer to training samples than held-out ones do: copying.
    Positive means that they lie farther away. An average of cells has `null_sd` below 1.
    """

    z: float
    null_sd: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class NearDuplicates:
    """The share of samples within `threshold` of a training sample, and what is `expected` by chance."""

    share: Interval
    threshold: float
    expected: float


@dataclass(frozen=True)
class Copying:
    """All that `copying` finds; each share has its 95 % interval, given the training data."""

    data_copying: DataCopying | None
    """None where no cell, nor all data as one, has enough samples of both sides."""
    authenticity: Interval
    held_out_authenticity: Interval
    exact: Interval
    held_out_exact: Interval
    repeated: Interval
    near: NearDuplicates
    generated: Neighbours
    held_out: Neighbours


def copying(
    train: Tensor,
    held_out: Tensor,
    generated: Tensor,
    seed: int,
    cells: int = 5,
    least: int = 20,
    quantile: float = 1e-3,
) -> Copying:
    """C_T, authenticity, exact and near duplicates, from distances that are computed once.

    Arguments:
        train: `(T, D)`, what the model was trained on.
        held_out: `(N, D)`, of the same distribution, and neither trained on nor chosen by.
        generated: `(M, D)`.
        seed: Of the k-means cells.
        cells: How many cells C_T compares within.
        least: The samples of each side that a cell needs.
        quantile: The share of held-out samples that counts as near duplicates.

    Raises:
        DataError: The features do not fit together, the training data are fewer than 2 or than the
            cells, or N is below 1 / quantile.
    """
    check_features(1, **{"train": train, "held-out": held_out, "generated": generated})
    check_features(max(2, cells), train=train)
    mine, other = nearest(generated, train), nearest(held_out, train)
    centres = kmeans(train, cells, seed).centres
    places = [nearest_centre(x.to(centres), centres)[0] for x in (generated, held_out)]
    distances = mine.distance[:, 0], other.distance[:, 0]
    return Copying(
        data_copying=_within_cells(distances, places, least),
        authenticity=_share(authentic(mine, train)),
        held_out_authenticity=_share(authentic(other, train)),
        exact=_share(distances[0] == 0),
        held_out_exact=_share(distances[1] == 0),
        repeated=repeats(generated),
        near=near_duplicates(*distances, quantile=quantile),
        generated=mine,
        held_out=other,
    )


def _within_cells(
    distances: tuple[Tensor, Tensor], places: list[Tensor], least: int
) -> DataCopying | None:
    """C_T within cells; of all data as one where a generator sits in cells with little held-out data."""
    for cells in (places, ()):
        try:
            return data_copying(*distances, *cells, least=least)
        except DataError:
            continue
    return None


def data_copying(
    generated: Tensor,
    held_out: Tensor,
    generated_cells: Tensor | None = None,
    held_out_cells: Tensor | None = None,
    least: int = 20,
) -> DataCopying:
    """C_T of Meehan, Chaudhuri & Dasgupta (2020): Z within cells, averaged.

    A cell's weight is its share of the held-out samples. Cells with fewer than `least` samples on either
    side are left out; a cell that the generator does not reach is no evidence for or against copying.

    Arguments:
        generated: Distances `(M,)`.
        held_out: Distances `(N,)`.
        generated_cells: The cell of each, `(M,)` whole numbers from 0; None puts all into one.
        held_out_cells: The same, `(N,)`.
        least: The samples of each side that a cell needs for Z to be near normal.

    Raises:
        DataError: Distances that are no rows or not finite, cells that do not fit them, or no cell with
            enough samples.
    """
    if (generated_cells is None) != (held_out_cells is None):
        raise ConfigError("cells must be given of generated and held-out samples, or of neither")
    sides = [
        _with_cells("generated", generated, generated_cells),
        _with_cells("held-out", held_out, held_out_cells),
    ]
    cells: list[Cell] = []
    for place in range(1 + max(int(cell.max()) for _, cell in sides)):
        mine, other = (distance[cell == place] for distance, cell in sides)
        enough = min(len(mine), len(other)) >= max(1, least)
        cells.append(Cell(len(other), len(mine), mann_whitney_z(mine, other) if enough else None))
    used = [(cell.held_out, cell.z) for cell in cells if cell.z is not None]
    if not used:
        counts = ", ".join(f"{cell.generated}/{cell.held_out}" for cell in cells)
        raise DataError(
            f"C_T needs a cell with at least {least} generated and held-out samples; found {counts}"
        )
    total = sum(count for count, _ in used)
    z = sum(count * z for count, z in used) / total
    return DataCopying(z, math.sqrt(sum(count**2 for count, _ in used)) / total, tuple(cells))


def authentic(samples: Neighbours, train: Tensor) -> Tensor:
    """Which samples are farther from their nearest training sample than that is from its own nearest.

    Alaa et al. (2022): `(N,)` of bool. The share depends on the dimension and, in many, on T: where all
    data are alike it is 0.33 for one, and for 64 it is 0.78 at T = 300 and 0.81 at 1000. It means nothing
    without that of held-out data.

    Arguments:
        samples: `nearest(samples, train)`.
        train: `(T, D)`.

    Raises:
        DataError: There are fewer than 2 training samples.
    """
    check_features(2, train=train)
    rows, place = samples.index[:, 0].unique(return_inverse=True)
    # Its nearest but one: the nearest is itself, or a duplicate at the same distance 0.
    own = nearest(train[rows], train, 2).distance[:, 1]
    return samples.distance[:, 0] > own[place]


def near_duplicates(generated: Tensor, held_out: Tensor, quantile: float = 1e-3) -> NearDuplicates:
    """Samples that are as near to a training sample as the nearest few held-out ones are.

    The threshold is the r-th smallest held-out distance, r = floor(quantile N); samples at or within it
    count. Of samples of the same distribution, r / (N + 1) do.

    Arguments:
        generated: Distances `(M,)`.
        held_out: Distances `(N,)`.
        quantile: The share of held-out samples that lie within the threshold.

    Raises:
        DataError: Distances are no rows or not finite, or N is below 1 / quantile.
    """
    if not 0 < quantile < 1:
        raise ConfigError(f"a quantile lies between 0 and 1; found {quantile}")
    generated, _ = _with_cells("generated", generated, None)
    held_out, _ = _with_cells("held-out", held_out, None)
    # 0.001 * 1000 must not round down to 0.
    rank = math.floor(quantile * len(held_out) * (1 + 1e-12))
    if not rank:
        raise DataError(
            f"the {quantile:g} quantile of distances needs at least {math.ceil(1 / quantile)} "
            f"held-out samples; found {len(held_out)}"
        )
    threshold = held_out.kthvalue(rank).values
    share = _share(generated <= threshold)
    return NearDuplicates(share, float(threshold), rank / (len(held_out) + 1))


def repeats(samples: Tensor) -> Interval:
    """The share of samples `(M, D)` that equal an earlier one in every number: 1 - distinct / M.

    The interval is that of a share of independent draws, which pairs are only nearly.
    """
    check_features(generated=samples)
    return wilson(len(samples) - len(samples.unique(dim=0)), len(samples))


def _share(holds: Tensor) -> Interval:
    return wilson(int(holds.sum()), len(holds))


def _with_cells(name: str, distances: Tensor, cells: Tensor | None) -> tuple[Tensor, Tensor]:
    if distances.ndim != 1 or not len(distances) or not distances.isfinite().all():
        bad = int((~distances.isfinite()).sum())
        raise DataError(
            f"{name} distances must be one row of finite numbers; found shape "
            f"{tuple(distances.shape)}, {bad} of them not finite"
        )
    if cells is None:
        return distances, torch.zeros(len(distances), dtype=torch.long, device=distances.device)
    if cells.shape != distances.shape or cells.is_floating_point() or int(cells.min()) < 0:
        raise DataError(
            f"{name} cells must be whole numbers from 0, one a distance; found {cells.dtype} of "
            f"shape {tuple(cells.shape)} for {len(distances)} distances"
        )
    return distances, cells
