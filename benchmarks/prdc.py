"""Precision, recall, density and coverage of 10,000 x 10,000 features of 512 numbers: ours and prdc's.

Random float32 features, k = 5. The library `prdc` starts 8 jobs whatever it is told, so each is held to
its cores by the system, where that can be done. Peak memory is the kernel's, less what the process had held
before; both sides have judged 100 samples by then.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING

from .harness import arguments, in_turns, measure, ratio, table, write

if TYPE_CHECKING:
    from torch import Tensor

SIDES = ("reverie", "prdc")
DIMENSION, NEIGHBOURS = 512, 5
NAMES = ("precision", "recall", "density", "coverage")


def one(side: str, count: int, threads: int) -> None:
    """Judges random features in this process and prints seconds, megabytes and the four values."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import torch

    torch.set_num_threads(threads)
    judge = {"reverie": reverie, "prdc": prdc}[side]
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(count, DIMENSION, generator=generator) for _ in range(2))
    judge(real[:100], fake[:100])
    held, begun = peak(), time.perf_counter()
    values = judge(real, fake)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "megabytes": peak() - held, "values": values}))


def reverie(real: Tensor, fake: Tensor) -> list[float]:
    """The four values as reverie has them."""
    from reverie.metrics.neighbours import prdc

    found = prdc(real, fake, NEIGHBOURS)
    return [getattr(found, name) for name in NAMES]


def prdc(real: Tensor, fake: Tensor) -> list[float]:
    """The four values as the library has them."""
    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(real.numpy(), fake.numpy(), NEIGHBOURS)
    return [float(found[name]) for name in NAMES]


def peak() -> float:
    """The most memory that this process has held, in megabytes."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Measures both sides by turns, prints seconds and peaks and keeps them."""
    quick = arguments(__doc__).quick
    count, rounds, threads = (2_000, 1, 1) if quick else (10_000, 3, 1)
    found = in_turns(
        SIDES, rounds, lambda side: measure("prdc", threads, "one", side, count, threads)
    )
    share = {
        kind: ratio(*([f[kind] for f in found[side]] for side in SIDES))
        for kind in ("seconds", "megabytes")
    }
    rows = [
        [side, min(f["seconds"] for f in found[side]), max(f["megabytes"] for f in found[side])]
        for side in SIDES
    ]
    table(["side", "seconds", "peak MB"], [*rows, ["ratio", *share.values()]])
    setting = {"samples": count, "dimension": DIMENSION, "k": NEIGHBOURS, "threads": threads}
    write("prdc", quick, {**setting, "sides": found, "share": share})


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
