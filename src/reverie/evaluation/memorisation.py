"""Whether samples are copies: each figure beside the same of held-out data, which copies nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..data.dataset import Split
from ..data.stream import to_range
from ..errors import DataError
from ..features.extractor import chunk_of
from ..metrics.copying import Copying, copying, repeats
from ..metrics.intervals import Interval
from ..metrics.neighbours import Neighbours, nearest
from ..models.base import Sampler
from ..records import Record, mean_record
from .samples import BOTH, TRAINING, judged, lacking, scored
from .subject import Subject, dashes

DISTANCE = "distance to training data"
NAMES = (
    "C_T",
    "nearest is training data",
    "authenticity",
    "exact copies",
    "near copies",
    DISTANCE,
)
REPEATED = "repeated samples"
IN_PIXELS = f"{DISTANCE}, pixels"
PIXELS = 1_000
"""Samples whose nearest training sample is sought in pixels, of which there are many more than features."""
COPYING_Z = 3.0
"""Standard deviations of what honest samples give, beyond which a figure speaks of copies."""
QUANTILE = 1e-3
"""The share of held-out samples that counts as near duplicates, where there are enough of them."""
CELLS, IN_CELL = 5, 60
"""Cells of C_T at most, and held-out samples for each."""


@dataclass(frozen=True)
class Nearest:
    """Samples whose nearest of all data is a training sample.

    Arguments:
        share: Of the samples.
        expected: The share where nothing is copied: that of training samples among all data.
        deviation: Its standard deviation there.
        data: How many data they lie nearest to: (sum c)^2 / sum c^2 of c samples each.
    """

    share: float
    expected: float
    deviation: float
    data: float

    @property
    def on_few(self) -> bool:
        """Whether that is so few data that the share has no normal law: one of them may decide it."""
        return self.data * self.expected < 10 * (1 - self.expected)

    @property
    def copied(self) -> bool:
        """Whether samples lie nearer to what the model has seen than chance makes them."""
        beyond = self.share - self.expected > COPYING_Z * max(self.deviation, 1e-9)
        return beyond and not self.on_few


def memorisation(subject: Subject) -> list[Record]:
    """How near samples lie to training samples, against how near held-out ones do."""
    names = (*NAMES, *([IN_PIXELS] if subject.pictures else []))
    if not isinstance(subject.model, Sampler):
        return lacking(subject, (*names, REPEATED))
    if subject.unknown:
        return [*dashes(names, subject.unknown), *judged(subject, [((REPEATED,), repeated)])]
    return judged(
        subject, [(NAMES, in_features), ((IN_PIXELS,), in_pixels), ((REPEATED,), repeated)]
    )


def in_features(subject: Subject) -> list[Record]:
    """What distances between features tell of copies."""
    train, held_out, samples = (
        subject.features(name) for name in ("all training", "held out", "samples")
    )
    if subject.count < 2:
        raise DataError("copies are told from honest samples by at least 2 held-out ones; found 1")
    quantile = max(QUANTILE, 1 / subject.count)
    found = copying(
        train,
        held_out,
        samples,
        seed=subject.seed,
        cells=min(CELLS, max(1, subject.count // IN_CELL)),
        quantile=quantile,
    )
    return records_of(subject, found, nearest(samples, held_out), quantile)


def in_pixels(subject: Subject) -> list[Record]:
    """How far pictures are from the nearest training picture in pixels, beside held-out ones."""
    if not subject.pictures:
        return []
    mine, other = (
        to_nearest(x[:PIXELS], subject.dataset.train) for x in (subject.samples, subject.held_out)
    )
    beside = {"held-out data": float(other.mean())}
    settings = {"compared_with": TRAINING, "sampling_seed": subject.seed}
    return [mean_record(IN_PIXELS, mine, "", "none", beside, **settings)]


def to_nearest(x: Tensor, split: Split) -> Tensor:
    """The distance of each of `(N, *shape)` to the nearest stored sample, `(N,)`; a part at a time."""
    best = torch.full((len(x),), math.inf, dtype=torch.float64)
    for rows in torch.arange(len(split)).split(chunk_of(x[0].numel())):
        part = to_range(split.rows(rows)).flatten(1)
        best = torch.minimum(best, nearest(x.flatten(1), part).distance[:, 0].cpu())
    return best


def repeated(subject: Subject) -> list[Record]:
    """How many samples equal an earlier one, beside how many held-out ones do."""
    share, real = (repeats(subject.features(name)) for name in ("samples", "held out"))
    record = _share(subject, REPEATED, share, real.value, compared_with="")
    if share.value <= 0.01:
        return [record]
    text = f"{100 * share.value:.1f} % of samples repeat another one"
    return [replace(record, warnings=(text,))]


def nearest_to_training(
    train: Neighbours, held_out: Neighbours, sizes: tuple[int, int], of: Tensor | None = None
) -> Nearest:
    """Whether samples lie nearer to training data than to data that the model has not seen.

    Where nothing is copied, which of the T + N samples of the data are training samples is a draw that
    the generated ones know nothing of, however they crowd: the share has the mean T / (T + N) and the
    variance of that draw without replacement, for the samples that each datum is nearest to.

    Arguments:
        train: The nearest training sample of each generated one.
        held_out: The nearest held-out sample; of equals it counts as the nearer.
        sizes: T and N.
        of: Which generated samples are looked at, `(M,)` of bool; None for all.
    """
    near, far = train.distance[:, 0], held_out.distance[:, 0]
    place = torch.where(near < far, train.index[:, 0], sizes[0] + held_out.index[:, 0])
    place = place if of is None else place[of]
    total = sum(sizes)
    expected = sizes[0] / total
    if not len(place):
        return Nearest(expected, expected, 0.0, 0.0)
    counts = place.bincount(minlength=total).double()
    squares = counts.square().sum()
    spread = squares - counts.sum() ** 2 / total
    variance = expected * (1 - expected) * total / (total - 1) * float(spread) / len(place) ** 2
    share = float((place < sizes[0]).double().mean())
    deviation = math.sqrt(max(variance, 0.0))
    return Nearest(share, expected, deviation, len(place) ** 2 / float(squares))


def records_of(
    subject: Subject, found: Copying, other: Neighbours, quantile: float
) -> list[Record]:
    """The records of what was found, with a warning where it is copying."""
    near, sizes = found.near, (len(subject.dataset.train), subject.count)
    chosen = nearest_to_training(found.generated, other, sizes)
    return [
        data_copying(subject, found),
        scored(
            subject,
            "nearest is training data",
            chosen.share,
            "none",
            uncertainty=chosen.deviation,
            method="standard deviation where nothing is copied",
            reference={"held-out data": chosen.expected},
            warnings=warnings(found, other, sizes),
            compared_with=BOTH,
        ),
        _share(subject, "authenticity", found.authenticity, found.held_out_authenticity.value),
        _share(subject, "exact copies", found.exact, found.held_out_exact.value),
        _share(subject, "near copies", near.share, near.expected, quantile=quantile),
        distance(subject, found),
    ]


def data_copying(subject: Subject, found: Copying) -> Record:
    """C_T, or why there is none."""
    test = found.data_copying
    if test is None:
        few = f"{subject.count} held-out and generated samples are too few for a rank test"
        return Record(metric="C_T", value=None, reason=few)
    return scored(
        subject,
        "C_T",
        test.z,
        "none",
        uncertainty=test.null_sd,
        method="standard deviation where nothing is copied",
        reference={"held-out data": 0.0},
        compared_with=BOTH,
        cells=len(test.cells),
    )


def distance(subject: Subject, found: Copying) -> Record:
    """The mean distance to the nearest training sample in features."""
    mine, other = (near.distance[:, 0] for near in (found.generated, found.held_out))
    return scored(
        subject,
        DISTANCE,
        float(mine.mean()),
        "none",
        uncertainty=float(mine.std()) / math.sqrt(len(mine)),
        method="standard error over samples",
        reference={"held-out data": float(other.mean())},
        compared_with=TRAINING,
    )


def warnings(found: Copying, other: Neighbours, sizes: tuple[int, int]) -> tuple[str, ...]:
    """What a reader must know of copies."""
    test, near, texts = found.data_copying, found.near, []
    chosen = nearest_to_training(found.generated, other, sizes)
    closer = test is not None and test.z < -COPYING_Z * max(test.null_sd, 1e-9)
    if test is not None and closer:
        end = "the model copies"
        if chosen.on_few:
            end = "they crowd on few of the data, which chance may have made training data"
        elif not chosen.copied:
            end = "but as close to held-out data as well, so they crowd where the data is dense"
        texts.append(
            "samples lie closer to the training data than held-out data does "
            f"(C_T {test.z:.1f}): {end}"
        )
    elif chosen.copied:
        texts.append(
            f"of all data, {100 * chosen.share:.1f} % of samples lie nearest to a training sample; where "
            f"nothing is copied {100 * chosen.expected:.1f} % do"
        )
    if found.exact.low > found.held_out_exact.high:
        texts.append(
            f"{100 * found.exact.value:.1f} % of samples have exactly the features of a training sample; "
            f"of held-out ones {100 * found.held_out_exact.value:.1f} % do"
        )
    # Where samples crowd, some lie near to any datum: of copies it is a training sample.
    within = torch.minimum(found.generated.distance, other.distance)[:, 0] <= near.threshold
    honest = closer and not nearest_to_training(found.generated, other, sizes, within).copied
    if near.share.low > 10 * near.expected and not honest:
        texts.append(
            f"{100 * near.share.value:.1f} % of samples lie as near to a training sample as the "
            f"nearest {100 * near.expected:.2f} % of held-out ones"
        )
    return tuple(texts)


def _share(
    subject: Subject,
    name: str,
    share: Interval,
    held_out: float,
    compared_with: str = TRAINING,
    **settings: Any,
) -> Record:
    record = scored(
        subject,
        name,
        share.value,
        "none",
        reference={"held-out data": held_out},
        compared_with=compared_with,
        **settings,
    )
    return record.with_interval(share.low, share.high, "95 % Wilson interval")
