"""Images a second of `ae`, `vae` and `gan` on MNIST: the tutorial's script, the floor, reverie.

Reverie runs its whole loop: `reverie.train` into a run folder, with logs, pictures and checkpoints; in
fp32 against the floor, which computes so, and in the precision it chooses here against the tutorial.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from .harness import arguments, table, write
from .scripts import BATCH
from .slices import Side, Slice, Tally, by_slices, rate, times

MODELS = ("ae", "vae", "gan")
ALIKE = ("ae", "vae")
"""Models that reverie trains in fp32 everywhere on a CPU: its two sides are then one."""
THREADS = (1, 2)
Key = tuple[str, int]


def script(side: str, model: str) -> None:
    """Trains with one of the two scripts, without end."""
    from reverie.data import DataConfig, open_dataset

    from .scripts import floor, tutorial

    split = open_dataset(DataConfig()).train
    images, tally = split.x[:, 0], Tally()
    if side == "tutorial":
        assert split.y is not None
        tutorial(model, images, split.y, tally)
    else:
        floor(model, images, tally)


def reverie(model: str, overrides: tuple[str, ...]) -> None:
    """Trains with `reverie.train`.

    The recipe's own budget is kept, so pictures come as often as they do in a real run; the warm-up
    holds most of those at its beginning, where they come oftener.
    """
    from reverie import fitting
    from reverie.training import Plan, State, train_step
    from reverie.verbs import train

    tally = Tally()

    def counted(state: State, plan: Plan) -> dict[str, Any]:
        values = train_step(state, plan)
        tally()
        return values

    fitting.train_step = counted
    with tempfile.TemporaryDirectory() as folder:
        train(model, out=Path(folder) / "run", overrides=overrides)


def one(side: str, model: str, *overrides: str) -> None:
    """Trains one side in this process."""
    if side.startswith("reverie"):
        fp32 = ("train.precision=fp32",) if side == "reverie fp32" else ()
        reverie(model, (*fp32, *overrides))
    else:
        script(side, model)


def compare(model: str, how: dict[str, Any]) -> dict[str, Any]:
    """One model against both scripts, each side's threads by turns with its rival's."""

    def measured(*keys: Key) -> dict[Key, list[Slice]]:
        return by_slices({k: Side("throughput", k[1], ("one", k[0], model)) for k in keys}, **how)

    ours = ["reverie"] if model in ALIKE else ["reverie", "reverie fp32"]
    all_sides = ["tutorial", *ours]
    found = measured(*((side, n) for side in all_sides for n in THREADS))
    best = {side: max(THREADS, key=lambda n, s=side: rate(found[s, n])) for side in all_sides}
    rivals = {n: measured(("floor", n), ("reverie fp32", n)) for n in THREADS}
    return {
        "model": model,
        "best_threads": best,
        "over_tutorial_at_best_threads": {
            side: times(found[side, best[side]], found["tutorial", best["tutorial"]])
            for side in ours
        },
        "over_floor_at_threads": {
            n: times(pair["reverie fp32", n], pair["floor", n]) for n, pair in rivals.items()
        },
        "images_per_second_beside_the_tutorial": of_turns(found),
        "images_per_second_beside_the_floor": of_turns(rivals[1] | rivals[2]),
    }


def of_turns(found: dict[Key, list[Slice]]) -> dict[str, list[float]]:
    """Images a second of every turn, by side and threads."""
    return {
        f"{side}, {n} threads": [round(BATCH * rate([each]), 1) for each in slices]
        for (side, n), slices in found.items()
    }


def main() -> None:
    """Measures each model against both scripts, prints the ratios with their errors, and keeps all."""
    quick = arguments(__doc__).quick
    how = {"rounds": 1 if quick else 3, "turns": 4 if quick else 20, "seconds": 0.5}
    rows, records = [], []
    for model in MODELS:
        record = compare(model, how)
        over = [record["over_tutorial_at_best_threads"]["reverie"]]
        over += record["over_floor_at_threads"].values()
        rows.append([model, *(f"{each['times']:.3f} ({each['error']:.3f})" for each in over)])
        records.append(record)
    header = ["reverie over (se)", "the tutorial", *(f"the floor@{n}" for n in THREADS)]
    table(header, rows)
    write("throughput", quick, {"batch": BATCH, **how, "models": records})


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(*sys.argv[2:])
    else:
        main()
