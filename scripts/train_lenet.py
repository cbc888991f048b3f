"""Trains a shipped extractor, `lenet-mnist-v1` or `lenet-fashion-v1`, on the training split.

Run once each, by hand, with one thread; FASHION is a folder of Fashion-MNIST's four IDX files:

    python scripts/train_lenet.py mnist src/reverie/features/lenet-mnist-v1.safetensors
    python scripts/train_lenet.py FASHION src/reverie/features/lenet-fashion-v1.safetensors

It prints what to pin. The file it writes is the extractor: another run or machine gives other bits,
and so another extractor.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import safetensors.torch
import torch
from torch.nn.functional import cross_entropy

from reverie.data import DataConfig, open_dataset
from reverie.data.stream import to_range
from reverie.features.lenet import LeNet

EPOCHS, BATCH = 4, 128


def main(source: str, path: str) -> None:
    """Trains, tests and writes."""
    torch.manual_seed(0)
    dataset = open_dataset(DataConfig(source=source))
    assert dataset.train.y is not None and dataset.test.y is not None
    network = LeNet()
    steps = EPOCHS * len(dataset.train) // BATCH
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps + 8)
    for _ in range(EPOCHS):
        for index in torch.randperm(len(dataset.train)).split(BATCH):
            loss = cross_entropy(
                network(to_range(dataset.train.rows(index))), dataset.train.y[index]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        test = to_range(dataset.test.rows(torch.arange(len(dataset.test))))
        right = (network(test).argmax(1) == dataset.test.y).float().mean()
    safetensors.torch.save_file(network.state_dict(), path)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    print(f"held-out accuracy {right:.4f}\nsha256 {digest}")


if __name__ == "__main__":
    main(*sys.argv[1:])
