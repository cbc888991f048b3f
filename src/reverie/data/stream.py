"""Batches without end, in an order that depends on nothing but the seed and the position.

Sample number p of the stream is entry p mod N of permutation p div N: every sample comes once in each
pass, no remainder is dropped, a batch may be larger than the data, and resuming costs one integer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..spec import ValueRange, affine
from ..tensors import Noise, mix
from .dataset import Split


class Stream:
    """The training split as batches of samples in a model's range, on its device.

    Arguments:
        split: Stored samples.
        batch: The size of a global batch.
        seed: The seed of the order.
        value_range: The range that the model's networks see.
        device: Where batches are made. Resident samples live there, as they are stored.
        flip: Whether to mirror samples left to right, half of them at random.
    """

    def __init__(
        self,
        split: Split,
        batch: int,
        seed: int,
        value_range: ValueRange,
        device: torch.device,
        flip: bool = False,
    ) -> None:
        self.split, self.batch, self.seed, self.flip, self.device = (
            split,
            batch,
            seed,
            flip,
            device,
        )
        self.scale, self.shift = affine(value_range)
        self.resident = None if split.mapped else split.x.to(device)
        # The order and the labels lie where they are looked up: a GPU that had to be handed an index at
        # every step would be waited for at every step.
        self._place = torch.device("cpu") if split.mapped else device
        self.labels = None if split.y is None else split.y.to(self._place)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)
        self._number, self._rows, self._index = -1, (0, 0), torch.empty(0, dtype=torch.int64)

    def samples(
        self, number: int, rows: tuple[int, int], noise: Noise
    ) -> tuple[Tensor, Tensor | None]:
        """Rows `[first, last)` of global batch `number`: `(B, *shape)` float32, and labels `(B,)`."""
        if (number, rows) != (self._number, self._rows):
            self._index = self.indices(number * self.batch + rows[0], rows[1] - rows[0])
            self._number, self._rows = number, rows
        index = self._index
        stored = self._stored(index)
        x = to_range(stored.to(self.device), self.scale, self.shift)
        if self.flip:
            mirrored = noise.uniform(len(x), *[1] * (x.dim() - 1)) < 0.5
            x = torch.where(mirrored, x.flip(-1), x)
        y = None if self.labels is None else self.labels.index_select(0, index).to(self.device)
        return x, y

    def _stored(self, index: Tensor) -> Tensor:
        if self.resident is None:
            return self.split.rows(index)
        # Five times as fast as indexing, since whole rows are copied.
        return self.resident.index_select(0, index)

    def indices(self, start: int, count: int) -> Tensor:
        """Which stored samples stand at positions `start` to `start + count`, `(count,)`."""
        pieces = []
        while count:
            epoch, offset = divmod(start, len(self.split))
            take = min(count, len(self.split) - offset)
            pieces.append(self._permutation(epoch)[offset : offset + take])
            start, count = start + take, count - take
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(mix(self.seed, epoch))
            self._order = torch.randperm(len(self.split), generator=generator).to(self._place)
            self._epoch = epoch
        return self._order


def to_range(stored: Tensor, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Stored samples as float32 `x * scale + shift`, where uint8 counts steps of 1/255."""
    if stored.dtype != torch.uint8:
        return stored if (scale, shift) == (1.0, 0.0) else stored * scale + shift
    x = stored.to(torch.float32).mul_(scale / 255)
    return x.add_(shift) if shift else x
