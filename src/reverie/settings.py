"""The settings of a run: data, model, training. A recipe returns the last two; a run folder has all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from .budget import Budget
from .config import Section, override
from .data import DataConfig
from .data.open import stated
from .hardware import Device, Precision
from .models import AutoencoderConfig, ModelConfig
from .optim import Adam, Optimizer

MOST = 2**20
"""Of samples in a batch: more is a slip of the hand."""


class TrainConfig(Section):
    """How long and how fast to train."""

    entries_from: ClassVar[Mapping[str, str]] = {"players": "optimizer"}

    budget: Budget = "10 epochs"
    """How long: "10 epochs", "5000 steps", "2M samples", or a wall time such as "2m"."""
    batch: Annotated[int, Field(ge=1, le=MOST)] = 64
    """Samples in a global batch, over all workers and micro-batches."""
    accumulate: Annotated[int, Field(ge=1, le=MOST)] = 1
    """Micro-batches that a batch is computed in, to save memory."""
    optimizer: Optimizer = Adam()
    """The optimizer of every network."""
    players: dict[str, Optimizer] = Field(default_factory=dict)
    """Other optimizers for single networks, by the name of the phase that trains them.

    What is not said of one is as in `optimizer`.
    """
    clip: PositiveFloat | None = None
    """The largest norm of a turn's gradient; without it gradients stay as they are."""
    ema: PositiveFloat | None = None
    """The half-life of the averaged weights in samples, at most 5 % of those seen; without it none."""
    seed: NonNegativeInt = 0
    """The seed of initialisation, data order and noise."""
    device: Device = "auto"
    """Where to train; auto takes a GPU if there is one."""
    precision: Precision = "auto"
    """Of the networks; likelihoods, penalties and statistics are always in fp32."""
    log_every: PositiveInt = 100
    """Steps between lines in log.jsonl, at most: where steps are slow, there is one every two seconds."""
    save_every: PositiveInt | None = None
    """Steps between checkpoints; without it once a minute. The last step always saves."""


class Config(Section):
    """Everything a run depends on."""

    recipe: str = "custom"
    """The recipe it came from."""
    data: DataConfig = DataConfig()
    """Where the samples come from, and how they are read."""
    model: ModelConfig = Field(default_factory=AutoencoderConfig)
    """Which model, and its size."""
    train: TrainConfig = TrainConfig()
    """How long and how fast to train."""


def data_settings(data: str | DataConfig, overrides: Iterable[str] = ()) -> DataConfig:
    """The settings of data that is named, or lies at a path, with overrides as `PATH=VALUE`.

    Raises:
        ConfigError: The name is empty, or an override is of no setting of data.
    """
    source = data if isinstance(data, DataConfig) else DataConfig(source=stated(str(data)))
    named = [text if text.startswith("data.") else f"data.{text}" for text in overrides]
    return override(Config(data=source), named).data
