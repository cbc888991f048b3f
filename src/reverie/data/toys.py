"""Data made by formulas: two mixtures of Gaussians on which modes are counted, and sprites.

The mixtures are as in Lin et al., "PacGAN: The power of two samples in generative adversarial
networks", 2018, section 4.1: a sample is of a mode when it lies within three sigma of its mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from . import sprites
from .config import DataConfig
from .stack import Stack, StackSource

RING_SIGMA = 0.01
GRID_SIGMA = 0.05
TRAIN_COUNT = 100_000
TEST_COUNT = 10_000
SPRITES_TRAIN, SPRITES_TEST, SPRITE_SIDE = 50_000, 10_000, 64


def ring_means() -> np.ndarray:
    """The eight means, evenly on the unit circle from (1, 0) on: `(8, 2)`."""
    angles = [2 * math.pi * k / 8 for k in range(8)]
    return np.array([(math.cos(a), math.sin(a)) for a in angles])


def grid_means() -> np.ndarray:
    """The 25 means, at -4, -2, 0, 2 and 4 on both axes: `(25, 2)`."""
    places = (-4.0, -2.0, 0.0, 2.0, 4.0)
    return np.array([(x, y) for x in places for y in places])


def read_ring(config: DataConfig) -> StackSource:
    """100,000 and 10,000 points of eight Gaussians; the label is the mode."""
    return _mixture(config, ring_means(), RING_SIGMA, "ring")


def read_grid(config: DataConfig) -> StackSource:
    """100,000 and 10,000 points of 25 Gaussians; the label is the mode."""
    return _mixture(config, grid_means(), GRID_SIGMA, "grid")


def read_sprites(config: DataConfig) -> StackSource:
    """50,000 and 10,000 sprites of random factors; the label is the shape. Drawn at the size asked for."""
    hw = config.hw or (SPRITE_SIDE, SPRITE_SIDE)
    side = hw[0] if hw[0] == hw[1] else SPRITE_SIDE
    counts = (SPRITES_TRAIN, SPRITES_TEST)
    train, test = (_sprites(count, 2 * config.seed + i, side) for i, count in enumerate(counts))
    return StackSource(config, train, test)


def _sprites(count: int, seed: int, side: int) -> Stack:
    x, factors = sprites.sample(count, seed, side)

    def blocks() -> Iterator[np.ndarray]:
        yield x

    labels = np.array(sprites.SHAPES)[factors[:, 0]]
    return Stack((1, side, side), np.dtype(np.uint8), count, blocks, labels, "sprites")


def _mixture(config: DataConfig, means: np.ndarray, sigma: float, name: str) -> StackSource:
    random = np.random.default_rng(config.seed)
    train = _points(random, means, sigma, TRAIN_COUNT, name)
    return StackSource(config, train, _points(random, means, sigma, TEST_COUNT, name))


def _points(
    random: np.random.Generator, means: np.ndarray, sigma: float, count: int, name: str
) -> Stack:
    labels = random.integers(len(means), size=count)
    points = means[labels] + sigma * random.standard_normal((count, 2))
    x = points.astype(np.float32)

    def blocks() -> Iterator[np.ndarray]:
        yield x

    return Stack((2,), np.dtype(np.float32), count, blocks, labels, name)
