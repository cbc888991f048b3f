"""MNIST as it comes with the package, against what is published of it."""

import hashlib
import lzma

import pytest
import torch

from reverie.data import DataConfig, embedded, open_dataset
from reverie.errors import DataError


def test_mnist_has_the_published_counts(mnist):
    """LeCun et al.: 60,000 and 10,000; the counts of each digit are widely tabled."""
    assert (len(mnist.train), len(mnist.test)) == (60_000, 10_000)
    assert mnist.spec.shape == (1, 28, 28)
    assert mnist.spec.classes == tuple("0123456789")
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(mnist.train.y).tolist() == counts
    assert mnist.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_the_mean_and_spread_are_those_that_everybody_normalises_by(mnist):
    """0.1307 and 0.3081 stand in PyTorch's MNIST example."""
    x = mnist.train.x.double() / 255
    assert round(x.mean().item(), 4) == 0.1307
    assert round(x.std().item(), 4) == 0.3081


def test_the_training_images_are_byte_for_byte_the_published_file():
    data = embedded.unpack("train-images-idx3-ubyte")
    assert hashlib.md5(data).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"


def test_an_altered_file_is_refused(monkeypatch):
    data = bytearray(embedded.unpack("t10k-labels-idx1-ubyte"))
    data[100] ^= 1
    monkeypatch.setattr(embedded, "_packed", lambda name: lzma.compress(bytes(data), preset=0))
    expected = r"t10k-labels-idx1-ubyte.xz: its SHA-256 is .* was altered, reinstall reverie"
    with pytest.raises(DataError, match=expected):
        embedded.unpack("t10k-labels-idx1-ubyte")


@pytest.mark.parametrize("fault", ["missing", "truncated"])
def test_a_missing_or_damaged_file_is_refused(monkeypatch, fault):
    whole = embedded._packed("t10k-labels-idx1-ubyte")

    def packed(name):
        if fault == "missing":
            raise FileNotFoundError(2, "No such file or directory", name)
        return whole[:-50]

    monkeypatch.setattr(embedded, "_packed", packed)
    with pytest.raises(DataError, match=r"ubyte.xz: cannot be unpacked .*; reinstall reverie"):
        open_dataset(DataConfig())
