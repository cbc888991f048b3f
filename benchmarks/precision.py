"""Images a second of `conv-vae`: what reverie chooses here against fp32, channels-first.

All train the recipe's own network through the same step. From row to row one thing changes: whether the C
library gives freed memory back to the kernel, as it does in a plain PyTorch script, so that activations
cost page faults (the share of time spent in the kernel stands beside); the layout in memory; whether
repeating pixels and convolving them are two steps, as everybody writes them, or one; and the precision.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

from .harness import arguments, in_turns, measure, speedup, table, write

if TYPE_CHECKING:
    from torch import Tensor

SIDES = (
    "fp32 channels-first, as PyTorch comes",
    "fp32 channels-first, memory kept",
    "fp32 channels-last, memory kept",
    "fp32 channels-last, memory kept, one step for two",
    "reverie's choice",
)
THREADS = (1, 2)


def one(side: str, seconds: float, *overrides: str) -> None:
    """Trains one side for some seconds in this process, and prints its rate."""
    import torch

    from reverie import hardware, preparing
    from reverie.distributed import World
    from reverie.monitor import Listener
    from reverie.networks.parts import NearestUp
    from reverie.training import start, train_step

    if side == SIDES[0]:
        hardware.keep_freed_memory = lambda: None
    if side in SIDES[:3]:
        NearestUp.forward = two_steps  # type: ignore[reportAttributeAccessIssue, method-assign]
    precision = "auto" if side == SIDES[-1] else "fp32"
    settings = [f"train.precision={precision}", "train.batch=64", *overrides]
    prepared = preparing.prepare("conv-vae", "mnist", settings, Listener())
    if side in SIDES[:2]:
        plain = torch.contiguous_format
        prepared.model.to(memory_format=plain)  # type: ignore[reportCallIssue, reportArgumentType]
    state = start(prepared.model, prepared.config.train)
    plan = preparing.plan_of(prepared, 1_000_000, World())
    for _ in range(10):
        train_step(state, plan)
    first, before, begun = state.step, kernel_seconds(), time.perf_counter()
    while time.perf_counter() - begun < seconds:
        train_step(state, plan)
    taken = time.perf_counter() - begun
    rate = (state.step - first) * 64 / taken
    kernel = (kernel_seconds() - before) / taken
    print(json.dumps({"rate": rate, "kernel": kernel, "precision": str(plan.precision)}))


def two_steps(layer: Any, x: Tensor) -> Tensor:
    """`NearestUp` as everybody writes it."""
    from torch.nn.functional import interpolate

    return layer.conv(interpolate(x, layer.size))


def kernel_seconds() -> float:
    """Seconds that the kernel has worked for this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_stime


def main() -> None:
    """Measures all sides by turns, prints the fastest and their ratios, and keeps all."""
    quick = arguments(__doc__).quick
    rounds, seconds = (1, 2.0) if quick else (7, 5.0)
    keys = [(side, threads) for threads in THREADS for side in SIDES]
    found = in_turns(
        keys, rounds, lambda key: measure("precision", key[1], "one", key[0], seconds)
    )
    rates = {key: [each["rate"] for each in found[key]] for key in keys}
    rows, records = [], []
    for side, threads in keys:
        times = speedup(rates[side, threads], rates[SIDES[0], threads])
        rounds_of = found[side, threads]
        best = max(rounds_of, key=lambda each: each["rate"])
        shown = [times["fastest"], times["median"], f"{best['kernel']:.0%}"]
        rows.append([side, threads, best["rate"], *shown])
        records.append({"side": side, "threads": threads, "times": times, "rounds": rounds_of})
    table(["conv-vae", "threads", "images/s", "times", "median", "in the kernel"], rows)
    write("precision", quick, {"batch": 64, "seconds": seconds, "sides": records})


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], float(sys.argv[3]), *sys.argv[4:])
    else:
        main()
