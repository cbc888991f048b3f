"""How well held-out samples come back through the latents."""

from __future__ import annotations

from ..features import distance_name
from ..metrics.fidelity import ms_ssim, mse, psnr, ssim
from ..metrics.frechet import frechet_distance, moments
from ..models.base import Reconstructor
from ..records import Record, mean_record
from .subject import Subject

SSIM_SIDE, MS_SSIM_SIDE = 11, 161


def squared_error(subject: Subject) -> list[Record]:
    """The squared error of held-out samples through their latents, averaged over entries."""
    if not isinstance(subject.model, Reconstructor):
        return [_lacking(subject, "reconstruction MSE")]
    errors = (subject.reconstructions - subject.held_out).square().flatten(1).mean(1)
    mean = subject.training.mean(0)
    baseline = float((subject.held_out - mean).square().mean())
    reference = {"training mean": baseline}
    return [mean_record("reconstruction MSE", errors, "", "lower", reference=reference)]


def likeness(subject: Subject) -> list[Record]:
    """PSNR, SSIM and the Frechet distance between held-out pictures and their reconstructions."""
    names = ("PSNR", "SSIM", "rFD")
    if not isinstance(subject.model, Reconstructor):
        return [_lacking(subject, name) for name in names]
    if not subject.pictures:
        return []
    x, y = subject.held_out, subject.reconstructions
    exact = mse(x, y) == 0
    records = [mean_record("PSNR", psnr(x[~exact], y[~exact]), "dB", "higher", data_range=1)]
    side = min(x.shape[-2:])
    if side >= SSIM_SIDE:
        records.append(mean_record("SSIM", ssim(x, y), "", "higher", window="11, sd 1.5"))
    else:
        reason = f"its window of {SSIM_SIDE} pixels does not fit into {side}"
        records.append(Record(metric="SSIM", value=None, reason=reason))
    if side >= MS_SSIM_SIDE:
        records.append(mean_record("MS-SSIM", ms_ssim(x, y), "", "higher", scales=5))
    originals = moments(subject.features("held out"))
    distance = frechet_distance(moments(subject.features("reconstructions")), originals)
    name = distance_name(subject.extractor, subject.count)
    records.append(
        Record(
            metric=f"r{name}",
            value=distance,
            direction="lower",
            n=subject.count,
            reference={
                "training data": frechet_distance(moments(subject.features("training")), originals)
            },
            settings={"extractor": subject.extractor.record(), "latents": "posterior mean"},
        )
    )
    return records


def _lacking(subject: Subject, name: str) -> Record:
    return Record(metric=name, value=None, reason=f"{subject.family} has no encoder")
