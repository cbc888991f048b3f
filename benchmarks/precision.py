"""Images a second of `conv-vae`: what reverie chooses here against fp32, channels-first.

All train the recipe's own network through the same step. From row to row one thing changes: whether the C
library gives freed memory back to the kernel, as it does in a plain PyTorch script, so that activations
cost page faults (the share of time spent in the kernel stands beside); the layout in memory; whether the
decoder's convolutions are PyTorch's, which repeat pixels before they convolve them, or those of
networks/convolutions.py, of the same values; and the precision. In bf16 where the processor has AMX the
last row's convolutions are PyTorch's own, which are the faster there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .harness import arguments, table, write
from .slices import Side, Tally, by_slices, rate, times

if TYPE_CHECKING:
    from torch import Tensor

SIDES = (
    "fp32 channels-first, as PyTorch comes",
    "fp32 channels-first, memory kept",
    "fp32 channels-last, memory kept",
    "fp32 channels-last, memory kept, our convolutions",
    "reverie's choice",
)
THREADS = (1, 2)
BATCH = 64


def one(side: str, *overrides: str) -> None:
    """Trains one side in this process, without end."""
    import torch
    from torch.nn import Conv2d

    from reverie import hardware, preparing
    from reverie.distributed import World
    from reverie.monitor import Listener
    from reverie.networks.convolutions import Narrow
    from reverie.networks.parts import NearestUp
    from reverie.training import start, train_step

    if side == SIDES[0]:
        hardware.keep_freed_memory = lambda: None
    if side in SIDES[:3]:
        NearestUp.forward = two_steps  # type: ignore[reportAttributeAccessIssue, method-assign]
        Narrow.forward = Conv2d.forward  # type: ignore[method-assign]
    precision = "auto" if side == SIDES[-1] else "fp32"
    settings = [f"train.precision={precision}", f"train.batch={BATCH}", *overrides]
    prepared = preparing.prepare("conv-vae", "mnist", settings, Listener())
    if side in SIDES[:2]:
        plain = torch.contiguous_format
        prepared.model.to(memory_format=plain)  # type: ignore[reportCallIssue, reportArgumentType]
    state = start(prepared.model, prepared.config.train)
    plan = preparing.plan_of(prepared, 1_000_000, World())
    tally = Tally()
    while True:
        train_step(state, plan)
        tally()


def two_steps(layer: Any, x: Tensor) -> Tensor:
    """`NearestUp` as everybody writes it."""
    from torch.nn.functional import interpolate

    return layer.conv(interpolate(x, layer.size))


def main() -> None:
    """Measures all sides by turns, prints their rates and ratios, and keeps all."""
    quick = arguments(__doc__).quick
    how = {"rounds": 1 if quick else 3, "turns": 4 if quick else 15, "seconds": 1.0}
    rows, records = [], []
    for count in THREADS:
        sides = {side: Side("precision", count, ("one", side)) for side in SIDES}
        found = by_slices(sides, **how)
        for side, slices in found.items():
            over = times(slices, found[SIDES[0]])
            kernel = sum(each.kernel for each in slices) / sum(each.seconds for each in slices)
            shown = f"{over['times']:.2f} ({over['error']:.2f})"
            rows.append([side, count, BATCH * rate(slices), shown, f"{kernel:.0%}"])
            rates = [round(BATCH * rate([each]), 1) for each in slices]
            records.append(
                {
                    "side": side,
                    "threads": count,
                    **over,
                    "kernel": kernel,
                    "images_per_second": rates,
                }
            )
    table(["conv-vae", "threads", "images/s", "times (se)", "in the kernel"], rows)
    write("precision", quick, {"batch": BATCH, **how, "sides": records})


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(*sys.argv[2:])
    else:
        main()
