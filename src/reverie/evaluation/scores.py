"""All that is known of samples' quality: every score of features, each beside that of real data."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..errors import DataError
from ..features.fidelity import INCEPTION
from ..metrics.diversity import classifier_score, vendi_score
from ..metrics.kernel import kid
from ..metrics.mixture import feature_likelihood_divergence
from ..metrics.neighbours import nearest
from ..metrics.prd import prd
from ..metrics.sliced import DIRECTIONS, sliced_wasserstein
from ..metrics.spectrum import power_spectrum, spectrum_distance
from ..metrics.two_sample import PENALTY, classifier_test, nearest_neighbour_test
from ..models.base import Sampler
from ..records import Record
from .samples import (
    BALLS,
    HELD_OUT,
    LEFT_OUT,
    OTHERS,
    ROWS,
    Part,
    balls,
    distance,
    infinity,
    instead,
    judged,
    lacking,
    leaving_out,
    ranked_up_to,
    scored,
    there,
)
from .subject import Subject

CLUSTERED = 5_000
"""Samples of each side whose clusters make the precision-recall curve: ten runs of k-means are slow."""
CENTRES = 2_000
"""Held-out samples of the feature likelihood divergence, twice as many as each density has centres."""
FITTED_TO = "the training samples nearest to the centres"


def quality(subject: Subject) -> list[Record]:
    """All that is known of samples' fidelity and diversity."""
    parts: list[Part] = [
        (("FD",), distance),
        (("FD infinity",), infinity),
        (("precision", "recall", "density", "coverage"), lambda s: balls(s, BALLS, OTHERS)),
        (("KID",), kernel_distance),
        (("F8 of PRD", "F1/8 of PRD"), curve),
        (("sliced Wasserstein",), sliced),
        (("Vendi score", "classifier score"), diversity),
        (("FLD", "FLD gap"), divergence),
        (("1-NN accuracy", "C2ST accuracy"), two_samples),
        (("spectrum distance",), spectrum),
    ]
    if not isinstance(subject.model, Sampler):
        return lacking(subject, tuple(name for names, _ in parts for name in names))
    return judged(subject, parts)


def kernel_distance(subject: Subject) -> list[Record]:
    """KID with the standard error of its U-statistic; it may be negative."""
    held_out = subject.features("held out")
    original = subject.extractor.name == INCEPTION
    scale = 1.0 if original else kernel_scale(held_out)
    real = held_out * scale
    found = kid(real, subject.features("samples") * scale)
    reference = instead(subject, lambda x: kid(real, x * scale).value, ("training",))
    return [
        scored(
            subject,
            "KID",
            found.value,
            uncertainty=found.error,
            method="jackknife of the U-statistic",
            reference=reference,
            kernel="(x.y/d + 1)^3",
            features="as they are" if original else "over their held-out deviation",
        )
    ]


def kernel_scale(held_out: Tensor) -> float:
    """What all features but the original's are multiplied by, from held-out ones `(N, D)`.

    The cube of a product lets a few large features decide: this is one over the standard deviation of
    held-out features, one number for all of them.
    """
    return 1 / max(float(held_out.var(0, correction=0).mean().sqrt()), 1e-12)


def curve(subject: Subject) -> list[Record]:
    """The ends of the precision-recall curve of clusters."""
    held_out, samples = (subject.features(name)[:CLUSTERED] for name in ("held out", "samples"))

    def ends(x: Tensor) -> dict[str, float]:
        found = prd(held_out, x[:CLUSTERED], seed=subject.seed)
        return {"F8 of PRD": found.f_8, "F1/8 of PRD": found.f_1_8}

    beside = instead(subject, ends, ("training",))
    records = [
        scored(
            subject,
            name,
            value,
            "higher",
            reference={row: other[name] for row, other in beside.items()},
            clusters=20,
            runs=10,
        )
        for name, value in ends(samples).items()
    ]
    return [replace(record, n=len(samples)) for record in records]


def sliced(subject: Subject) -> list[Record]:
    """The Wasserstein distance averaged over directions."""
    held_out, samples = subject.features("held out"), subject.features("samples")
    found = sliced_wasserstein(held_out, samples, seed=subject.seed)
    # Directions are the same for all models; a quarter of them has nearly the same spread.
    error = leaving_out(
        samples,
        lambda x: (
            sliced_wasserstein(held_out, x, seed=subject.seed, directions=DIRECTIONS // 4).w1
        ),
        subject.seed,
    )
    reference = instead(subject, lambda x: sliced_wasserstein(held_out, x, seed=subject.seed).w1)
    return [
        scored(
            subject,
            "sliced Wasserstein",
            found.w1,
            reference=reference,
            directions=DIRECTIONS,
            **error,
        ).with_degrees(LEFT_OUT - 1 if error else None)
    ]


def diversity(subject: Subject) -> list[Record]:
    """The effective number of samples, and the classifier score where the extractor has classes."""
    reference = instead(subject, vendi_score)
    reference["held-out data"] = vendi_score(subject.features("held out"))
    samples, seed = subject.features("samples"), subject.seed
    error = leaving_out(samples, vendi_score, seed)
    vendi = scored(
        subject,
        "Vendi score",
        vendi_score(samples),
        "higher",
        reference=reference,
        compared_with="",
        order=1,
        **error,
    ).with_degrees(LEFT_OUT - 1 if error else None)
    if not subject.extractor.card.classes:
        return [vendi]
    made, real = (subject.extractor.probabilities(x) for x in (subject.samples, subject.held_out))
    error = leaving_out(made, classifier_score, seed)
    reference = {
        "held-out data": classifier_score(real),
        "at most": float(subject.extractor.card.classes),
    }
    sharp = scored(
        subject,
        "classifier score",
        classifier_score(made),
        "higher",
        reference=reference,
        compared_with="",
        **error,
    ).with_degrees(LEFT_OUT - 1 if error else None)
    return [vendi, sharp]


def divergence(subject: Subject) -> list[Record]:
    """The feature likelihood divergence, which sees copies of the training data too."""
    held_out = subject.features("held out")[:CENTRES]
    if len(held_out) < 4:
        raise DataError(
            f"FLD halves the held-out samples and needs 4 of them; found {len(held_out)}"
        )
    # As many as each half of the held-out samples, which are the centres that they are held against.
    samples = subject.features("samples")[: len(held_out) // 2]
    train = around(subject, held_out, samples)
    found = feature_likelihood_divergence(train, held_out, samples, seed=subject.seed)
    record = scored(
        subject,
        "FLD",
        found.value,
        uncertainty=found.error,
        method="standard error over held-out samples",
        reference={"equal distributions": 0.0},
        centres=found.centres,
        fitted_to=FITTED_TO,
    )
    record = ranked_up_to(0.0, record)
    if subject.unknown:
        gap = Record(metric="FLD gap", value=None, reason=subject.unknown)
        return [replace(record, n=len(held_out)), gap]
    gap = scored(
        subject,
        "FLD gap",
        found.gap,
        "none",
        reference={"held-out data": found.held_out_gap},
        centres=found.centres,
        fitted_to=FITTED_TO,
    )
    return [replace(each, n=len(held_out)) for each in (record, gap)]


def around(subject: Subject, *centres: Tensor) -> Tensor:
    """The training features that variances are fitted to: those that are nearest to a centre.

    A copy of any training sample has its original among them, while a fit to the whole split would take
    minutes. Every density has the same ones, and as many of its own, so that alike sets are still alike.
    """
    every = subject.features("all training")
    return every[torch.cat([nearest(x, every).index[:, 0] for x in centres]).unique()]


def two_samples(subject: Subject) -> list[Record]:
    """How well classifiers tell samples from held-out data.

    One half is best, so that neither side is better; deviations under equality say nothing of a difference.
    """
    held_out, samples = subject.features("held out"), subject.features("samples")
    near = nearest_neighbour_test(held_out, samples, seed=subject.seed)
    line = classifier_test(held_out, samples, seed=subject.seed)
    beside = instead(
        subject, lambda x: classifier_test(held_out, x, seed=subject.seed).accuracy, ("training",)
    )
    return [
        scored(
            subject,
            "1-NN accuracy",
            near.accuracy,
            "none",
            uncertainty=near.deviation,
            method="standard deviation under equality",
            reference={"equal distributions": near.expected},
        ).with_p(near.p),
        scored(
            subject,
            "C2ST accuracy",
            line.accuracy,
            "none",
            reference={**beside, "equal distributions": 0.5},
            classifier="logistic regression",
            penalty=PENALTY,
        ).with_p(line.p),
    ]


def spectrum(subject: Subject) -> list[Record]:
    """How far the power over spatial frequencies is from that of held-out pictures."""
    if not subject.pictures or min(subject.held_out.shape[-2:]) < 8:
        return []
    real = power_spectrum(subject.held_out)
    found = spectrum_distance(real, power_spectrum(subject.samples))
    others = {
        ROWS[n]: spectrum_distance(real, power_spectrum(getattr(subject, n)))
        for n in there(subject, OTHERS)
    }
    return [
        Record(
            metric="spectrum distance",
            value=found.value,
            unit="dB",
            direction="lower",
            uncertainty=found.error,
            method="standard error over pictures",
            n=subject.count,
            reference={name: other.value for name, other in others.items()}
            | {"floor": found.floor},
            settings={"compared_with": HELD_OUT, "sampling_seed": subject.seed},
        )
    ]
