"""Writes into docs/evaluation.md which metric sees which defect, of pictures that were spoiled on purpose.

Run:  python scripts/measure_sensitivity.py FASHION [--only extractors]
FASHION is a folder of Fashion-MNIST's four IDX files. It takes some ten minutes of one core; the table of
extractors alone, whose distances are held against each other, takes one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from marks import fill, table
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from reverie.data import DataConfig, open_dataset
from reverie.data.dataset import Dataset
from reverie.data.stream import to_range
from reverie.evaluation.samples import NEIGHBOURS, spread_of_parts
from reverie.evaluation.scores import kernel_scale
from reverie.extracting import features_of
from reverie.features import Extractor, open_extractor
from reverie.metrics.copying import copying
from reverie.metrics.frechet import frechet_distance, moments, spread_by_subsampling
from reverie.metrics.kernel import kid
from reverie.metrics.neighbours import prdc
from reverie.records import number

PAGE = Path(__file__).resolve().parents[1] / "docs" / "evaluation.md"
EXTRACTORS = ("lenet-fashion-v1", "random-conv-v1")
BESIDE = ("lenet-mnist-v1", "pixels")
"""Extractors that only the distance is shown of."""
SEED, SHARE, SIGMA, CLASS = 0, 0.05, 16 / 255, 0
SEEN = 4.0
"""Standard errors from the held-out row at which a metric is said to see a defect."""


@dataclass(frozen=True)
class Score:
    """A value with one standard error, and how it is shown."""

    value: float
    error: float
    form: Callable[[float], str] = number

    def sees(self, held_out: Score) -> bool:
        """Whether it tells the defect from undamaged held-out pictures."""
        return abs(self.value - held_out.value) > SEEN * math.hypot(self.error, held_out.error)

    def cell(self, held_out: Score) -> str:
        """For the table, in bold where it sees the defect."""
        text = self.form(self.value)
        return f"**{text}**" if self.sees(held_out) else text


def spoiled(dataset: Dataset, count: int) -> dict[str, Tensor]:
    """Held-out pictures `(n, 1, 28, 28)` as they are and with each defect, by its name."""
    x = to_range(dataset.test.rows(torch.arange(count)))
    assert dataset.test.y is not None
    generator = torch.Generator().manual_seed(SEED)
    noise = torch.randn(x.shape, generator=generator)
    copied = x.clone()
    places = torch.randperm(count, generator=generator)[: round(SHARE * count)]
    rows = torch.randperm(len(dataset.train), generator=generator)[: len(places)]
    copied[places] = to_range(dataset.train.rows(rows))
    return {
        "held-out, undamaged": x,
        f"class {CLASS} dropped": x[dataset.test.y[:count] != CLASS],
        "blurred, 3 x 3 mean": avg_pool2d(pad(x, (1, 1, 1, 1), "replicate"), 3, 1),
        "noise, sd 16/255": (x + SIGMA * noise).clamp(0, 1),
        f"{100 * SHARE:.0f} % copies of training data": copied,
    }


def scores(real: Tensor, every: Tensor, held_out: Tensor, fake: Tensor) -> dict[str, Score]:
    """Each metric of features `(M, D)`, as `evaluate` computes it.

    Arguments:
        real: What the distances are to, `(N, D)`: training features.
        every: Of the whole training split, which copies are sought in.
        held_out: Of undamaged held-out pictures.
        fake: What is scored.
    """
    fitted = moments(real)
    distance = frechet_distance(moments(fake), fitted)
    found = prdc(real, fake, NEIGHBOURS)
    spread, _ = spread_of_parts(real, fake, SEED)
    scale = kernel_scale(held_out)
    kernel = kid(real * scale, fake * scale)
    copies = copying(every, held_out, fake, SEED)
    share = copies.exact.value
    memory = copies.data_copying
    assert memory is not None, "no cell of the data is too small for C_T"
    return {
        "FD": Score(distance, spread_by_subsampling(fitted, fake, SEED)),
        "coverage": Score(found.coverage, spread["coverage"]),
        "recall": Score(found.recall, spread["recall"]),
        "KID": Score(kernel.value, kernel.error),
        "C_T": Score(memory.z, memory.null_sd, lambda z: f"{z:+.1f}"),
        "exact copies": Score(
            share, math.sqrt(share * (1 - share) / len(fake)), lambda s: f"{100 * s:.1f} %"
        ),
    }


def measured(dataset: Dataset, extractor: Extractor, count: int) -> str:
    """The table of one extractor, a row a defect."""
    every = features_of(dataset, "train", extractor)
    real = every[:count]
    pictures = spoiled(dataset, count)
    features = {name: extractor(x) for name, x in pictures.items()}
    intact = next(iter(features.values()))
    rows, first = [], {}
    for name, fake in features.items():
        found = scores(real, every, intact, fake)
        first = first or found
        ratio = found["FD"].value / first["FD"].value
        cells = [score.cell(first[metric]) for metric, score in found.items()]
        bold = "**" if found["FD"].sees(first["FD"]) else ""
        rows.append([name, f"{bold}{ratio:.3g}{bold}", *cells])
        print(extractor.tag, *rows[-1], sep="  ", flush=True)
    header = [f"`{extractor.tag}`", "FD, of held-out's", *first]
    return table(header, rows, numbers=True)


def distances(dataset: Dataset, count: int) -> str:
    """The Frechet distance of each defect by each extractor, as a multiple of the held-out split's."""
    pictures = spoiled(dataset, count)
    columns = {}
    for name in (*EXTRACTORS, *BESIDE):
        extractor = open_extractor(name)
        real = moments(features_of(dataset, "train", extractor, count))
        found = [frechet_distance(moments(extractor(x)), real) for x in pictures.values()]
        columns[f"`{extractor.tag}`"] = [f"{each / found[0]:.3g}" for each in found]
        print(name, *columns[f"`{extractor.tag}`"], sep="  ", flush=True)
    rows = [[name, *cells] for name, *cells in zip(pictures, *columns.values(), strict=True)]
    return table(["FD, of held-out's", *columns], rows, numbers=True)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("fashion", help="a folder of Fashion-MNIST's four IDX files")
    parser.add_argument("--count", type=int, default=10_000, help="pictures a side, at most")
    parser.add_argument("--only", choices=("extractors", "sensitivity"), help="one table alone")
    parser.add_argument("--dry-run", action="store_true", help="print, and leave the page alone")
    given = parser.parse_args()
    dataset = open_dataset(DataConfig(source=given.fashion))
    count = min(given.count, len(dataset.test))
    made = {}
    if given.only in (None, "extractors"):
        made["extractors"] = distances(dataset, count)
    if given.only in (None, "sensitivity"):
        intro = (
            f"n = {count:,} (fewer where a class is dropped), seed {SEED}. **Bold**: further than "
            f"{SEEN:g} standard errors from the undamaged row."
        )
        tables = [measured(dataset, open_extractor(name), count) for name in EXTRACTORS]
        made["sensitivity"] = "\n\n".join([intro, *tables])
    if not given.dry_run:
        text = PAGE.read_text()
        for name, part in made.items():
            text = fill(text, name, "measure_sensitivity.py", part)
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
