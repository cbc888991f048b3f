"""Whether samples are copies: each figure beside the same of held-out data, which copies nothing."""

from __future__ import annotations

from ..errors import DataError
from ..metrics.copying import Copying, copying
from ..metrics.intervals import Interval
from ..models.base import Sampler
from ..records import Record
from .samples import lacking, scored
from .subject import Subject

NAMES = ("C_T", "authenticity", "exact copies", "near copies")
COPYING_Z = -3.0
"""C_T below this is called copying: three standard deviations of what honest samples give."""


def memorisation(subject: Subject) -> list[Record]:
    """How near samples lie to training samples, against how near held-out ones do."""
    if not isinstance(subject.model, Sampler):
        return lacking(subject, NAMES)
    features = [subject.features(name) for name in ("all training", "held out", "samples")]
    try:
        found = copying(*features, seed=subject.seed)
    except DataError as error:
        return [Record(metric=name, value=None, reason=str(error)) for name in NAMES]
    return records_of(subject, found)


def records_of(subject: Subject, found: Copying) -> list[Record]:
    """The records of what was found, with a warning where it is copying."""
    test, warnings = found.data_copying, []
    if test.z < COPYING_Z * max(test.null_sd, 1e-9):
        warnings.append(
            f"samples lie closer to the training data than held-out data does (C_T {test.z:.1f}): "
            "the model copies"
        )
    if found.exact.low > found.held_out_exact.high:
        warnings.append(
            f"{100 * found.exact.value:.1f} % of samples have exactly the features of a training sample; "
            f"of held-out ones {100 * found.held_out_exact.value:.1f} % do"
        )
    if found.near.share.low > 10 * found.near.expected:
        warnings.append(
            f"{100 * found.near.share.value:.1f} % of samples lie as near to a training sample as the "
            f"nearest {100 * found.near.expected:.2f} % of held-out ones"
        )
    if found.repeated.value > 0.01:
        warnings.append(f"{100 * found.repeated.value:.1f} % of samples repeat another one")
    return [
        scored(
            subject,
            "C_T",
            test.z,
            "none",
            uncertainty=test.null_sd,
            method="standard deviation where nothing is copied",
            reference={"held-out data": 0.0},
            warnings=tuple(warnings),
            cells=len(test.cells),
        ),
        _share(subject, "authenticity", found.authenticity, found.held_out_authenticity.value),
        _share(subject, "exact copies", found.exact, found.held_out_exact.value),
        _share(subject, "near copies", found.near.share, found.near.expected),
        _share(subject, "repeated samples", found.repeated, None),
    ]


def _share(subject: Subject, name: str, share: Interval, held_out: float | None) -> Record:
    record = scored(
        subject,
        name,
        share.value,
        "none",
        reference={} if held_out is None else {"held-out data": held_out},
    )
    return record.with_interval(share.low, share.high, "95 % Wilson interval")
