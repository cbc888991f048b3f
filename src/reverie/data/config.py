"""What a person says of their data: where it lies and how its samples are shaped."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..config import Section

Side = Annotated[int, Field(gt=0, le=8192)]


class DataConfig(Section):
    """The source, the shape of its samples, and how it is split and held."""

    source: str = "mnist"
    """A name (mnist, ring, grid, sprites) or a path: a folder or .zip of pictures, a folder or file
    of IDX, a .npy or .npz."""
    size: Side | tuple[Side, Side] | None = None
    """The side of the pictures in pixels, or (height, width); by default they stay as they are."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How a picture of another aspect takes the size: cut at its edges (crop), black beside it
    (pad), or distorted (stretch)."""
    color: Literal["keep", "grey", "rgb"] = "keep"
    """Channels of the pictures: as they are, one, or three."""
    flip: bool = False
    """Whether training mirrors half of the pictures, left to right, at random."""
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The share held out for testing where the source has no test split of its own."""
    seed: Annotated[int, Field(ge=0)] = 0
    """The seed of that split, and of ring, grid and sprites."""
    skip_broken: bool = False
    """Whether to leave out files that cannot be read, rather than refuse the data."""
    resident: bool | None = None
    """Whether samples are held in memory; by default when they take 2 GB or less."""

    @property
    def hw(self) -> tuple[int, int] | None:
        """Height and width asked for, or None to keep the pictures' own."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def wh(self) -> tuple[int, int] | None:
        """Width and height, in Pillow's order."""
        return None if self.hw is None else (self.hw[1], self.hw[0])
