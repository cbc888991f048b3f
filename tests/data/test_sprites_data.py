"""Sprites as a data set: drawn at the size asked for, labelled by shape, the same for a seed."""

import numpy as np
import torch

from reverie.data import DataConfig, open_dataset, toys
from reverie.data.sprites import SHAPES


def opened(monkeypatch, **how):
    monkeypatch.setattr(toys, "SPRITES_TRAIN", 300)
    monkeypatch.setattr(toys, "SPRITES_TEST", 60)
    return open_dataset(DataConfig(source="sprites", **how))


def test_sprites_are_pictures_labelled_by_their_shape(monkeypatch):
    data = opened(monkeypatch)
    assert data.spec.shape == (1, 64, 64) and set(data.spec.classes) == set(SHAPES)
    assert (len(data.train), len(data.test)) == (300, 60)
    assert set(data.train.x.unique().tolist()) == {0, 255}
    shares = data.train.y.bincount() / 300
    assert (shares - 1 / 3).abs().max() < 4 * (2 / 9 / 300) ** 0.5
    assert not torch.equal(data.train.x[:60], data.test.x)


def test_they_are_drawn_at_the_size_asked_for_and_by_the_seed(monkeypatch):
    small = opened(monkeypatch, size=32)
    assert small.train.x.shape == (300, 1, 32, 32)
    assert set(small.train.x.unique().tolist()) == {0, 255}  # drawn, not shrunk
    again, other = opened(monkeypatch, size=32), opened(monkeypatch, size=32, seed=1)
    assert again.fingerprint == small.fingerprint != other.fingerprint
    assert opened(monkeypatch, size=(32, 48)).train.x.shape == (300, 1, 32, 48)
    assert np.all(small.test.x.numpy().reshape(60, -1).any(1))
