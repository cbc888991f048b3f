"""What every source of data becomes: two splits of stored samples, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..spec import DataSpec
from .mapped import MappedArray


@dataclass(frozen=True)
class Split:
    """Stored samples, resident or memory-mapped; nothing is decoded or copied to open them.

    Arguments:
        x: `(N, *shape)`; uint8 stands for values of [0, 1] in steps of 1/255, float32 for itself.
        y: Labels `(N,)`, int64, or None when the data has none.
        file: The file that `x` lies in; None when it lies in memory.
    """

    x: Tensor
    y: Tensor | None = None
    file: MappedArray | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def mapped(self) -> bool:
        """Whether `x` lies in a file rather than in memory."""
        return self.file is not None

    def rows(self, index: Tensor) -> Tensor:
        """Copies of the samples at `index` `(B,)`: `(B, *shape)`, as stored.

        Reading a mapped split through here, and not through `x`, keeps memory flat.
        """
        return self.x[index] if self.file is None else self.file.rows(index)


@dataclass(frozen=True)
class Dataset:
    """A data set as models and metrics see it.

    Arguments:
        name: A short word for run folders and tables, e.g. "mnist".
        spec: The shape, the kind of values and the classes.
        train: What models are fitted to.
        test: Held out; never seen in training.
        fingerprint: SHA-256 of the stored samples and labels of both splits.
        notes: What a person should know, e.g. "3 broken files were skipped".
    """

    name: str
    spec: DataSpec
    train: Split
    test: Split
    fingerprint: str
    notes: tuple[str, ...] = field(default=())
