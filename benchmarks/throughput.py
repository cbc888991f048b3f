"""Images a second of `ae`, `vae` and `gan` on MNIST: the tutorial's script, the floor, reverie.

Reverie runs its whole loop: `reverie.train` into a run folder, with logs, pictures and checkpoints; in
fp32 against the floor, which computes so, and in the precision it chooses here against the tutorial.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from .harness import arguments, in_turns, measure, speedup, table, write

MODELS = ("ae", "vae", "gan")
SIDES = ("tutorial", "floor", "reverie fp32", "reverie")
ALIKE = ("ae", "vae")
"""Models that reverie trains in fp32 everywhere on a CPU: their last two sides are one, measured once."""
THREADS = (1, 2)


class EnoughError(Exception):
    """Enough has been measured."""


def of_script(side: str, model: str, seconds: float) -> float:
    """Images a second of one of the two scripts."""
    from reverie.data import DataConfig, open_dataset

    from .scripts import Stopwatch, floor, tutorial

    split = open_dataset(DataConfig()).train
    images, clock = split.x[:, 0], Stopwatch(seconds, warmup=1.0)
    if side == "tutorial":
        assert split.y is not None
        tutorial(model, images, split.y, clock)
    else:
        floor(model, images, clock)
    return clock.rate


def of_reverie(model: str, seconds: float, overrides: tuple[str, ...] = ()) -> float:
    """Images a second of `reverie.train`, from a report after the warm-up to one past `seconds`.

    The recipe's own budget is kept, so pictures come as often as they do in a real run; the warm-up
    holds most of those at its beginning, where they come oftener.
    """
    from reverie.monitor import Listener, Progress
    from reverie.verbs import train

    class Watch(Listener):
        first: Progress | None = None
        rate = 0.0

        def progressed(self, progress: Progress) -> None:
            if self.first is None:
                warm = progress.seconds > 2.0
                self.first = progress if warm else None
                return
            since = progress.seconds - self.first.seconds
            self.rate = (progress.seen - self.first.seen) / since
            if since > seconds:
                raise EnoughError

    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(model, out=Path(folder) / "run", listener=watch, overrides=overrides)
        except EnoughError:
            pass
    return watch.rate


def one(side: str, model: str, seconds: float, *overrides: str) -> None:
    """Measures one side in this process and prints its rate."""
    if side.startswith("reverie"):
        fp32 = ("train.precision=fp32",) if side == "reverie fp32" else ()
        rate = of_reverie(model, seconds, (*fp32, *overrides))
    else:
        rate = of_script(side, model, seconds)
    print(json.dumps({"rate": rate}))


def rate_of(side: str, model: str, threads: int, seconds: float) -> float:
    """Images a second of one side, measured in its own process."""
    return measure("throughput", threads, "one", side, model, seconds)["rate"]


def main() -> None:
    """Measures all sides by turns, prints the fastest and their ratios, and keeps all."""
    quick = arguments(__doc__).quick
    rounds, seconds = (1, 2.0) if quick else (12, 2.5)
    keys = [(side, threads) for threads in THREADS for side in SIDES]
    rows, records = [], []
    for model in MODELS:
        asked = [key for key in keys if key[0] != "reverie fp32" or model not in ALIKE]
        found = in_turns(
            asked, rounds, lambda key, model=model: rate_of(key[0], model, key[1], seconds)
        )
        found = {(side, n): found.get((side, n)) or found["reverie", n] for side, n in keys}
        best = {side: max(THREADS, key=lambda n, s=side: max(found[s, n])) for side in SIDES}
        of_best = {side: found[side, best[side]] for side in SIDES}
        over_tutorial = {
            side: speedup(of_best[side], of_best["tutorial"])
            for side in SIDES
            if side.startswith("reverie")
        }
        over_floor = {n: speedup(found["reverie fp32", n], found["floor", n]) for n in THREADS}
        records.append(
            {
                "model": model,
                "images_per_second": {f"{s}, {n} threads": found[s, n] for s, n in keys},
                "best_threads": best,
                "over_tutorial_at_best_threads": over_tutorial,
                "over_floor_at_threads": over_floor,
            }
        )
        ratios = [over_tutorial["reverie"], *over_floor.values()]
        speeds = [max(found[key]) for key in keys]
        rows.append([model, *speeds, *(each["fastest"] for each in ratios)])
    header = ["model", *(f"{side}@{n}" for side, n in keys), "/tutorial"]
    table([*header, *(f"/floor@{n}" for n in THREADS)], rows)
    write("throughput", quick, {"batch": 64, "seconds": seconds, "models": records})


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3], float(sys.argv[4]), *sys.argv[5:])
    else:
        main()
