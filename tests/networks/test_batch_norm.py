"""Batch norm over workers is batch norm over the global batch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch import distributed as dist
from torch import multiprocessing as mp

from reverie.networks.parts import BatchNorm


def example() -> Tensor:
    return torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def worker(rank: int, folder: str) -> None:
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    x = example()[3 * rank : 3 * rank + 3].requires_grad_()
    norm = BatchNorm(3).double()
    y = norm(x)
    # Half of the loss of the whole, so that the workers' sum is it.
    y.pow(3).sum().backward()
    state = norm.state_dict()
    torch.save(
        [y.detach(), x.grad, state["running_mean"], state["running_var"]], f"{folder}/{rank}"
    )
    dist.destroy_process_group()


def test_two_workers_see_the_statistics_and_gradients_of_one(tmp_path: Path) -> None:
    mp.spawn(worker, (str(tmp_path),), nprocs=2)
    x = example().requires_grad_()
    norm = torch.nn.BatchNorm2d(3).double()
    y = norm(x)
    y.pow(3).sum().backward()
    parts = [torch.load(tmp_path / str(rank), weights_only=True) for rank in (0, 1)]
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), y.detach())
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), x.grad)
    for part in parts:
        torch.testing.assert_close(part[2], norm.running_mean)
        torch.testing.assert_close(part[3], norm.running_var)
