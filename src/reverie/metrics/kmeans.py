"""k-means: a partition of features into cells, and whose cell a sample lies in. N samples, D features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError
from ..tensors import at_least_float32
from .checks import check_features


@dataclass(frozen=True)
class Clusters:
    """Centres `(K, D)`; of each sample, the nearest centre's index and its distance, `(N,)` both."""

    centres: Tensor
    labels: Tensor
    distances: Tensor

    @property
    def counts(self) -> Tensor:
        """Samples in each cluster, `(K,)`."""
        return self.labels.bincount(minlength=len(self.centres))


def kmeans(
    features: Tensor, k: int, seed: int, iterations: int = 100, chunk: int = 10_000
) -> Clusters:
    """Clusters features `(N, D)` by Lloyd's algorithm from a k-means++ start: a local optimum.

    Arthur & Vassilvitskii (2007). Distances are in the features' precision, at least float32; sums in
    float64. A cluster that runs empty is moved to the sample farthest from its centre.

    Arguments:
        features: `(N, D)`.
        k: The number of clusters; fewer where fewer samples are distinct.
        seed: Draws the start; all else follows.
        iterations: At most.
        chunk: Samples compared at once.

    Raises:
        DataError: The features cannot be used, or are fewer than k.
    """
    if k < 1:
        raise ConfigError(f"k-means needs at least 1 cluster; found {k}")
    check_features(k, clustered=features)
    x = at_least_float32(features)
    centres = _spread_out(x, k, torch.Generator().manual_seed(seed))
    labels, distances = nearest_centre(x, centres, chunk)
    for _ in range(iterations):
        centres = _means(x, labels, distances, len(centres))
        before = labels
        labels, distances = nearest_centre(x, centres, chunk)
        if torch.equal(before, labels):
            break
    return Clusters(centres, labels, distances)


def nearest_centre(x: Tensor, centres: Tensor, chunk: int = 10_000) -> tuple[Tensor, Tensor]:
    """The index of the centre `(K, D)` nearest to each `(N, D)`, and its distance: `(N,)` both."""
    # Squared norms far larger than the distances would swallow them.
    origin = centres.mean(0)
    parts = [torch.cdist(part - origin, centres - origin).min(1) for part in x.split(chunk)]
    return torch.cat([part.indices for part in parts]), torch.cat([part.values for part in parts])


def _spread_out(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k-means++: each centre is a sample drawn in proportion to its squared distance from those before."""
    chosen = [int(torch.randint(len(x), (), generator=generator))]
    square = (x - x[chosen[0]]).square().sum(1).double()
    while len(chosen) < k and float(square.sum()) > 0:
        drawn = torch.rand((), generator=generator, dtype=torch.float64).to(x.device)
        total = square.cumsum(0)
        # Right of the drawn place, so that a sample at distance 0 is never drawn.
        place = int(torch.searchsorted(total, drawn * total[-1], right=True))
        chosen.append(min(place, int(square.nonzero().max())))
        square = torch.minimum(square, (x - x[chosen[-1]]).square().sum(1).double())
    return x[chosen]


def _means(x: Tensor, labels: Tensor, distances: Tensor, k: int) -> Tensor:
    """The mean of each cluster, `(K, D)`; an empty one takes the farthest sample away from its own."""
    counts = labels.bincount(minlength=k)
    labels, distances = labels.clone(), distances.clone()
    for empty in (counts == 0).nonzero().flatten().tolist():
        distances[counts[labels] < 2] = -1
        farthest = int(distances.argmax())
        counts[labels[farthest]] -= 1
        labels[farthest], counts[empty] = empty, 1
    sums = torch.zeros(k, x.shape[1], dtype=torch.float64, device=x.device)
    sums.index_add_(0, labels, x.double())
    return (sums / counts[:, None]).to(x.dtype)
