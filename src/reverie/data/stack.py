"""A source whose samples already are arrays of one shape: IDX, NumPy files, built-in data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import DataError
from ..spec import Pixels, Vector
from .config import DataConfig
from .entries import printable
from .fit import fit_array
from .source import Block, SplitName, held_out


@dataclass(frozen=True)
class Stack:
    """Samples of one shape, read in order.

    Arguments:
        shape: Of one sample: `(C, H, W)` for pictures, `(D,)` for vectors.
        dtype: uint8, or float32.
        count: How many there are.
        blocks: Reads them from the start: `(n, *shape)` at a time.
        labels: `(N,)` whole numbers or words, or None.
        where: The file, for messages.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    count: int
    blocks: Callable[[], Iterator[np.ndarray]]
    labels: np.ndarray | None = None
    where: str = ""


@dataclass(frozen=True)
class StackSource:
    """One or two stacks as a source; where there is one, a share of it is held out."""

    config: DataConfig
    train: Stack
    test: Stack | None = None
    remarks: tuple[str, ...] = ()
    classes: tuple[str, ...] = field(init=False)
    _values: np.ndarray | None = field(init=False)
    _mask: np.ndarray | None = field(init=False)

    def __post_init__(self) -> None:
        stacks = [s for s in (self.train, self.test) if s is not None]
        for stack in stacks:
            _check(stack, self.train)
        refuse_options(self.config, self.train.shape, self.train.where)
        values = _label_values(stacks)
        single = self.test is None and self.train.count == 1
        mask = None
        if self.test is None and not single:
            names = map(str, range(self.train.count))
            mask = held_out(names, self.config.holdout, self.config.seed)
        object.__setattr__(self, "_mask", mask)
        object.__setattr__(self, "_values", values)
        object.__setattr__(
            self,
            "classes",
            () if values is None else tuple(printable(str(v)) for v in values.tolist()),
        )

    @property
    def spec(self) -> Pixels | Vector:
        """The shape and the classes."""
        shape = self.train.shape
        if len(shape) == 1:
            return Vector(size=shape[0], classes=self.classes)
        channels = {"keep": shape[0], "grey": 1, "rgb": 3}[self.config.color]
        height, width = self.config.hw or shape[1:]
        return Pixels(shape=(channels, height, width), classes=self.classes)

    @property
    def dtype(self) -> np.dtype:
        """Of the stored values: uint8 or float32."""
        return self.train.dtype

    @property
    def total(self) -> int:
        """How many samples both splits have."""
        return self.train.count + (self.test.count if self.test is not None else 0)

    def blocks(self, split: SplitName) -> Iterator[Block]:
        """The samples of a split, in order."""
        stack = self.test if split == "test" and self.test is not None else self.train
        keep = None if self._mask is None else self._mask == (split == "test")
        labels = self._encoded(stack)
        start = 0
        for x in stack.blocks():
            here = slice(start, start + len(x))
            start += len(x)
            chosen = slice(None) if keep is None else keep[here]
            y = None if labels is None else labels[here][chosen]
            yield self._shaped(x[chosen]), y

    def notes(self) -> tuple[str, ...]:
        """What a person should know."""
        if self.test is None and self.train.count == 1:
            return (*self.remarks, "there is one sample: it stands in both splits")
        return self.remarks

    def _encoded(self, stack: Stack) -> np.ndarray | None:
        if self._values is None or stack.labels is None:
            return None
        return np.searchsorted(self._values, stack.labels).astype(np.int64)

    def _shaped(self, x: np.ndarray) -> np.ndarray:
        if x.ndim == 2 or x.shape[1:] == self.spec.shape:
            return x
        shaped = [fit_array(one, self.config) for one in x]
        return np.stack(shaped) if shaped else np.empty((0, *self.spec.shape), x.dtype)


def refuse_options(config: DataConfig, shape: tuple[int, ...], where: str) -> None:
    """Refuses what cannot be done to samples of this shape.

    Raises:
        DataError: Options for pictures, and these are vectors; colours, and there are 2 or 4 channels.
    """
    pictures_only = config.hw is not None or config.color != "keep" or config.flip
    if len(shape) == 1 and pictures_only:
        raise DataError(
            f"{where}: holds vectors of {shape[0]} numbers; data.size, data.color and "
            "data.flip are for pictures"
        )
    if len(shape) == 3 and config.color != "keep" and shape[0] not in (1, 3):
        raise DataError(
            f"{where}: pictures have {shape[0]} channels; data.color={config.color} "
            "needs 1 or 3, write data.color=keep"
        )


def _check(stack: Stack, first: Stack) -> None:
    if stack.count == 0:
        raise DataError(f"{stack.where}: holds no samples")
    if stack.shape != first.shape or stack.dtype != first.dtype:
        raise DataError(
            f"{stack.where}: samples are {stack.dtype} of shape {stack.shape}, those of "
            f"{first.where} are {first.dtype} of {first.shape}; save both alike"
        )
    if (stack.labels is None) != (first.labels is None):
        bare, other = (stack, first) if stack.labels is None else (first, stack)
        raise DataError(
            f"labels are missing in part: {other.where} has them, {bare.where} has none; "
            "add its labels, or remove the others"
        )
    if stack.labels is not None and len(stack.labels) != stack.count:
        raise DataError(
            f"{stack.where}: {stack.count} samples but {len(stack.labels)} labels; "
            "there must be one label a sample"
        )


def _label_values(stacks: Sequence[Stack]) -> np.ndarray | None:
    """The distinct labels, sorted; every label is stored as its place among them."""
    labels = [stack.labels for stack in stacks if stack.labels is not None]
    return np.unique(np.concatenate(labels)) if labels else None
