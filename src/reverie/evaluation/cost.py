"""What a judgement will cost, by timing a little of each dear part first."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..extracting import are_kept
from ..models.base import Likelihood, Reconstructor, Sampler
from .annealed import HOW
from .memorisation import PIXELS
from .subject import FEW, Subject


def estimate(subject: Subject) -> dict[str, float]:
    """Seconds that the dear parts will take, by timing a little of each first."""
    loaded, count = subject.loaded, subject.count
    x = subject.held_out[: min(50, count)]
    found: dict[str, float] = {}
    if isinstance(subject.model, Sampler):
        found["drawing samples"] = timed(lambda: loaded.sample(64)) / 64 * count
        # The distances of samples to samples and to the training data, each a product of features.
        train = len(subject.dataset.train)
        pairs = 12 * count**2 + 2 * count * train
        found["comparing features"] = compared(subject.extractor(x)) * pairs
        if subject.pictures and not subject.unknown:
            found["comparing pixels"] = compared(x.flatten(1)) * 2 * min(PIXELS, count) * train
    if isinstance(subject.model, Likelihood):
        draws = subject.protocol.draws * min(subject.protocol.images, count) + FEW * count
        one = timed(lambda: loaded.log_likelihood(x, draws=100)) / (100 * len(x))
        found["bounding the likelihood"] = one * draws
        # Held-out samples and as many simulated ones; a gradient costs about three evaluations.
        chains = 2 * min(subject.protocol.chains, count) * (HOW.chains + HOW.pilots)
        found["annealing"] = 3 * one * chains * HOW.steps * HOW.leapfrogs
    if isinstance(subject.model, Reconstructor):
        found["reconstructing"] = timed(lambda: loaded.reconstruct(x)) / len(x) * count
        if (lpips := subject.lpips) is not None:
            found["LPIPS"] = timed(lambda: lpips(x, x)) / len(x) * count
    if rows := extracted(subject):
        found["features"] = timed(lambda: subject.extractor(x)) / len(x) * rows
    return found


def extracted(subject: Subject) -> int:
    """Samples that will go through the extractor, but for those of data whose features are kept."""
    draws = isinstance(subject.model, Sampler)
    pairs = isinstance(subject.model, Reconstructor) and subject.pictures
    if not draws and not pairs:
        return 0
    count, used = subject.count, subject.used
    # Samples and those of the Gaussian baseline; classes are asked of samples and held-out data anew.
    made = draws * (2 + 2 * bool(subject.extractor.card.classes)) + pairs
    parts = [used.train, *([subject.dataset.train] if draws else [])]
    kept = [are_kept(d, "train", subject.extractor) for d in (used, subject.dataset)]
    rows = sum(len(part) for part, there in zip(parts, kept, strict=False) if not there)
    return made * count + rows + (0 if are_kept(used, "test", subject.extractor) else count)


def compared(x: Tensor) -> float:
    """Seconds that a distance between two of `(N, D)` takes."""
    x = x.double().repeat(-(-1000 // len(x)), 1)[:1000]
    return timed(lambda: (x @ x.T).sort(1)) / len(x) ** 2


def timed(work: Callable[[], Any]) -> float:
    """Seconds that work takes, warmed up."""
    work()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def cost_line(seconds: dict[str, float], protocol_line: str) -> str:
    """A sentence on what a judgement will cost."""
    total = sum(seconds.values())
    dear = max(seconds, key=lambda name: seconds[name]) if seconds else ""
    size = f"{total:.0f} s" if total < 100 else f"{total / 60:.1f} min"
    return f"{protocol_line}: about {size}" + (f", most of it {dear}" if dear else "")
