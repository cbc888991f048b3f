"""Data-parallel workers on `torch.distributed`: who we are, and how gradients are averaged.

`torchrun` starts the workers; each takes its rows of every global batch. See docs/distributed.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from .errors import ConfigError, ReverieError
from .torchrun import rank_and_size

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This worker's place among all of them."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this worker writes the files."""
        return self.rank == 0

    def rows(self, batch: int, part: int, parts: int) -> tuple[int, int]:
        """This worker's rows of a global batch, in micro-batch `part` of `parts`.

        Raises:
            ConfigError: The batch cannot be shared out evenly.
        """
        pieces = self.size * parts
        if batch % pieces:
            raise ConfigError(
                f"train.batch is {batch}, which {self.size} workers x {parts} micro-batches cannot share "
                f"evenly; write train.batch={pieces * max(1, round(batch / pieces))}"
            )
        each = batch // pieces
        first = (self.rank * parts + part) * each
        return first, first + each

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replaces each worker's tensors by their mean over the workers."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, piece in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(piece.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether any worker says yes; all get the same answer."""
        if self.size == 1:
            return flag
        votes = torch.tensor([float(flag)], device=_place())
        dist.all_reduce(votes, op=dist.ReduceOp.MAX)
        return bool(votes.item())

    def same(self, decide: Callable[[], T]) -> T:
        """What the leading worker decides, for all: a string, a number or None. Its errors reach all.

        It travels as JSON; PyTorch's own way to send objects pickles them.
        """
        if self.size == 1:
            return decide()
        text = b""
        if self.leads:
            try:
                text = json.dumps({"decided": decide()}).encode()
            except ReverieError as error:
                text = json.dumps({"error": type(error).__name__, "text": str(error)}).encode()
        length = torch.tensor([len(text)], device=_place())
        dist.broadcast(length, src=0)
        letters = list(text) if self.leads else [0] * int(length)
        sent = torch.tensor(letters, dtype=torch.uint8, device=_place())
        dist.broadcast(sent, src=0)
        answer = json.loads(bytes(sent.tolist()))
        if "error" in answer:
            kinds = {kind.__name__: kind for kind in ReverieError.__subclasses__()}
            raise kinds.get(answer["error"], ReverieError)(answer["text"])
        return answer["decided"]

    def wait(self) -> None:
        """Waits until every worker is here."""
        if self.size > 1:
            dist.barrier()


def _place() -> str:
    """Where tensors must lie to be sent."""
    return "cuda" if dist.get_backend() == "nccl" else "cpu"


def join(device: str) -> World:
    """Joins the workers that torchrun started, if it did."""
    if rank_and_size()[1] == 1:
        return World()
    if not dist.is_initialized():
        cuda = device in ("auto", "cuda") and torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        try:
            dist.init_process_group("nccl" if cuda else "gloo")
        except ValueError as error:  # a variable of torchrun's is missing
            raise ConfigError(
                f"RANK and WORLD_SIZE speak of several workers, and {error}; start them with `reverie "
                "launch` or torchrun, or unset both"
            ) from None
    return World(dist.get_rank(), dist.get_world_size())


def leave() -> None:
    """Leaves the group of workers, if there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def launch_id() -> str | None:
    """What the workers of one launch share, also after a restart; None without torchrun.

    Without --standalone or --rdzv-id, torchrun calls every run "none": the launcher's pid tells them apart.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return f"{name}-{os.getppid()}" if name == "none" else name
