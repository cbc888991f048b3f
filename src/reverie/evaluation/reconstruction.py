"""How well held-out samples come back through the latents."""

from __future__ import annotations

import torch

from ..errors import DataError
from ..features import distance_name
from ..features.lpips import LPIPS
from ..metrics.fidelity import ms_ssim, mse, psnr, ssim
from ..metrics.frechet import frechet_distance, moments
from ..models.base import Reconstructor
from ..records import Record, mean_record
from .samples import LEFT_OUT, distances, few_for_features, leaving_out
from .subject import CHUNK, Subject, dashes

SSIM_SIDE, MS_SSIM_SIDE = 11, 161


def squared_error(subject: Subject) -> list[Record]:
    """The squared error of held-out samples through their latents, averaged over entries."""
    if not isinstance(subject.model, Reconstructor):
        return dashes(["reconstruction MSE"], f"{subject.family} has no encoder")
    errors = (subject.reconstructions - subject.held_out).square().flatten(1).mean(1)
    mean = subject.training_mean.float()
    baseline = float((subject.held_out - mean).square().mean())
    reference = {"training mean": baseline}
    return [mean_record("reconstruction MSE", errors, "", "lower", reference=reference)]


def likeness(subject: Subject) -> list[Record]:
    """PSNR, SSIM and the Frechet distance between held-out pictures and their reconstructions."""
    if not subject.pictures:
        return []
    side = min(subject.held_out.shape[-2:])
    scales = ["MS-SSIM"] if side >= MS_SSIM_SIDE else []
    names = ("PSNR", "SSIM", *scales, *(["LPIPS"] if subject.protocol.lpips else []), "rFD")
    if not isinstance(subject.model, Reconstructor):
        return dashes(names, f"{subject.family} has no encoder")
    x, y = subject.held_out, subject.reconstructions
    off = mse(x, y) > 0
    records = [Record(metric="PSNR", value=None, reason="every one is exact")]
    mean = subject.training_mean.float().expand_as(x)
    if off.any():
        trivial = {"training mean": float(psnr(x, mean).mean())}
        found = psnr(x[off], y[off])
        records = [mean_record("PSNR", found, "dB", "higher", trivial, data_range=1)]
    if side >= SSIM_SIDE:
        trivial = {"training mean": float(ssim(x, mean).mean())}
        records.append(mean_record("SSIM", ssim(x, y), "", "higher", trivial, window="11, sd 1.5"))
    else:
        reason = f"its window of {SSIM_SIDE} pixels does not fit into {side}"
        records.append(Record(metric="SSIM", value=None, reason=reason))
    if scales:
        trivial = {"training mean": float(ms_ssim(x, mean).mean())}
        records.append(mean_record("MS-SSIM", ms_ssim(x, y), "", "higher", trivial, scales=5))
    if subject.lpips is not None:
        records.append(perceived(subject, subject.lpips))
    try:
        return [*records, distance(subject)]
    except DataError as error:  # too few for a covariance
        return [*records, Record(metric="rFD", value=None, reason=str(error))]


def perceived(subject: Subject, lpips: LPIPS) -> Record:
    """LPIPS between held-out pictures and their reconstructions."""
    pairs = zip(subject.held_out.split(CHUNK), subject.reconstructions.split(CHUNK), strict=True)
    parts = []
    for done, (x, y) in enumerate(pairs):
        subject.listener.worked("measuring LPIPS", done * CHUNK, subject.count)
        parts.append(lpips(x, y))
    size = " x ".join(str(side) for side in subject.held_out.shape[-2:])
    settings = {"extractor": lpips.record(), "size": size, "latents": "posterior mean"}
    name = f"LPIPS[{lpips.tag}]"
    return mean_record(name, torch.cat(parts), "", "lower", **settings)


def distance(subject: Subject) -> Record:
    """The Frechet distance between held-out pictures and their reconstructions."""
    held_out, again = subject.features("held out"), subject.features("reconstructions")
    originals = moments(held_out)
    reference, warnings = distances(
        subject, lambda x: frechet_distance(moments(x), originals), ("training",)
    )
    # A reconstruction is left out with its original: alone it would be missed among them.
    error = leaving_out(
        torch.stack([again, held_out], 1),
        lambda pairs: frechet_distance(*map(moments, pairs.unbind(1))),
        subject.seed,
    )
    return Record(
        metric=f"r{distance_name(subject.extractor, subject.count)}",
        value=frechet_distance(moments(again), originals),
        direction="lower",
        n=subject.count,
        reference=reference,
        warnings=(*few_for_features(subject), *warnings),
        settings={"extractor": subject.extractor.record(), "latents": "posterior mean"},
        **error,
    ).with_degrees(LEFT_OUT - 1 if error else None)
