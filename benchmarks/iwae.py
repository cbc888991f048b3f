"""Seconds an image of the IWAE bound with 5000 draws: image by image with autograd, and as reverie does.

The recipe `vae` trained on MNIST, and MNIST's test images. One side is what libraries do: for each image,
batches of 100 draws, each of which encodes the image 100 times, decodes and takes the binary cross-entropy,
gradients on. The second is `Loaded.log_likelihood`, which decodes every draw too. The third is the same
asked to decode 400 of the 5000: the same bound of the same images, from an unbiased estimate of the same
mean weight (`latent.thinning`). Beside them stands what each bound's standard error is, for that of the
third is the price of its speed. The products alone are the floor of what decodes all: the decoder's
matrices times as many draws, without a likelihood, in the same precision and in bf16.

10,000 images are 24 TFLOP of decoding, so the sides take the same few images and the ratio is per image;
the third side is timed on ten times as many, for it would be over too soon.

A last side is what `evaluate` reports: not the bound of every image but an estimate of its mean, from 50
draws on all images and 5000 on a small part of them, with a standard error of its own. It is timed on more
images; its seconds and its error, which falls with their root, are carried over to MNIST's 10,000.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .harness import arguments, in_turns, measure, ratio, table, write
from .memory import status

if TYPE_CHECKING:
    from torch import Tensor

    from reverie.models.vae import VAE
    from reverie.records import Record

SIDES = (
    "image by image",
    "reverie",
    "reverie, few decoded",
    "products alone",
    "products alone in bf16",
)
FLOORS = SIDES[3:]
ESTIMATE = "estimate of evaluate"
DECODED = 400
"""Draws of each image that the third side decodes."""
THREADS = (1, 2)
BATCH, FEWER, LONGER = 100, 10, 10
STEPS = 200
"""Of training, in a quick trial; the measurement has the recipe's."""
ALL, MORE = 10_000, 50
"""Images of the test split, and how many times as many the estimate is timed on."""


def image_by_image(model: VAE, x: Tensor, draws: int) -> list[float]:
    """The bound of each image `(B, *shape)`, as libraries estimate it."""
    import torch
    from torch.nn.functional import binary_cross_entropy

    bounds = []
    for image in x:
        weights = []
        for _ in range(draws // BATCH):
            repeated = torch.cat(BATCH * [image[None]])
            mean, log_var = model.encoder(repeated).chunk(2, dim=1)
            std = (0.5 * log_var).exp()
            z = mean + std * torch.randn_like(std)
            log_q = -0.5 * (log_var + (z - mean).square() / log_var.exp()).sum(1)
            log_prior = -0.5 * z.square().sum(1)
            p = model.decoder(z).sigmoid().flatten(1)
            cost = binary_cross_entropy(p, repeated.flatten(1), reduction="none").sum(1)
            weights.append(log_prior - cost - log_q)
        bounds.append((torch.cat(weights).logsumexp(0) - math.log(draws)).item())
    return bounds


def products_alone(model: VAE, x: Tensor, draws: int) -> list[float]:
    """The decoder of as many draws, 250 at a time, in its weights' precision; no bound comes of it."""
    import torch

    z = torch.randn(250, model.latent, dtype=next(model.parameters()).dtype)
    with torch.inference_mode():
        for _ in range(len(x) * draws // 250):
            model.decoder(z)
    return []


def one(side: str, folder: str, images: int, draws: int) -> None:
    """Estimates in this process; prints seconds an image, what was found, and what memory it took.

    That is the mean bound; of reverie's sides the root mean square of the bounds' standard errors, and of
    what draws that were not decoded added to them. The memory is the kernel's peak of all that is resident,
    in megabytes, less what was resident before.
    """
    import torch

    from reverie.data import DataConfig, open_dataset
    from reverie.loading import Loaded
    from reverie.models.vae import VAE
    from reverie.tensors import noise_of

    torch.manual_seed(0)
    loaded = Loaded(Path(folder), "cpu")
    x = open_dataset(DataConfig()).test.x[: LONGER * images].float() / 255
    model = loaded.model
    assert isinstance(model, VAE)
    model.requires_grad_(side == SIDES[0])
    decoded = min(DECODED, draws // 2) if side == SIDES[2] else None
    if side == FLOORS[1]:
        model.bfloat16()

    def run(x: Tensor) -> list[float]:
        if side in SIDES[1:3]:
            return loaded.log_likelihood(x, draws=draws, decoded=decoded).tolist()
        return (image_by_image if side == SIDES[0] else products_alone)(model, x, draws)

    timed = x if decoded else x[:images]
    forget_peak()
    before = status("VmRSS")
    run(x[:1])
    begun = time.perf_counter()
    bounds = run(timed)[:images]
    found = {"seconds": (time.perf_counter() - begun) / len(timed)}
    found |= {"peak": status("VmHWM") - before, "images": len(timed)}
    if bounds:
        found["bound"] = sum(bounds) / images
    if side in SIDES[1:3]:
        each = model.importance(x[:images], noise_of(0), draws, decoded)
        found["error_of_each"] = float(each.error.square().mean().sqrt())
        found["added"] = float(each.thinned.mean().sqrt())
    print(json.dumps(found))


def estimate(folder: str, images: int, draws: int) -> None:
    """Estimates in this process; prints what `one` does, and the standard error carried over to `ALL`."""
    from reverie.data import DataConfig, open_dataset
    from reverie.evaluation.likelihood import many_draws
    from reverie.evaluation.subject import Protocol, Subject
    from reverie.loading import Loaded
    from reverie.monitor import Listener

    loaded, dataset = Loaded(Path(folder), "cpu"), open_dataset(DataConfig())
    part = ALL // Protocol().images

    def judge(images: int) -> Record:
        how = Protocol(samples=images, draws=draws, images=images // part)
        records = many_draws(Subject(loaded, dataset, how, Listener()))
        return next(record for record in records if record.metric.endswith(f"k={draws}"))

    forget_peak()
    before = status("VmRSS")
    judge(2 * part)
    begun = time.perf_counter()
    record = judge(images)
    seconds = (time.perf_counter() - begun) / images
    assert record.value is not None and record.uncertainty is not None
    error = record.uncertainty * math.sqrt(images / ALL)
    found = {"seconds": seconds, "bound": -record.value, "peak": status("VmHWM") - before}
    print(
        json.dumps({**found, "error": error, "images": images, "with_all_draws": images // part})
    )


def forget_peak() -> None:
    """Sets the kernel's peak back to now: importing torch and opening the data had one of their own."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def make(folder: str, quick: bool) -> None:
    """Trains the recipe on MNIST into a run."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["REVERIE_CACHE"] = cache
        from reverie.verbs import train

        shorter: dict[str, Any] = {"steps": STEPS} if quick else {}
        train("vae", data="mnist", out=Path(folder), **shorter)
    print(json.dumps({}))


def main() -> None:
    """Measures all sides by turns, prints the ratios and keeps them."""
    quick = arguments(__doc__).quick
    rounds, images, draws = (1, 2, 1000) if quick else (5, 20, 5000)
    keys = [(side, threads, draws) for threads in THREADS for side in (*SIDES, ESTIMATE)]
    fewer = (SIDES[1], THREADS[0], draws // FEWER)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        measure("iwae", os.cpu_count() or 1, "make", folder, int(quick))

        def run(key: tuple[str, int, int]) -> dict[str, Any]:
            side, threads, count = key
            if side == ESTIMATE:
                return measure("iwae", threads, "estimate", folder, MORE * images, count)
            return measure("iwae", threads, "one", side, folder, images, count)

        found = in_turns([*keys, fewer], rounds, run)
    seconds = {key: [each["seconds"] for each in found[key]] for key in found}
    rows = []
    for side, threads, _ in keys:
        theirs, ours = seconds[SIDES[0], threads, draws], seconds[side, threads, draws]
        each = found[side, threads, draws]
        milliseconds, peak = 1000 * sorted(ours)[rounds // 2], max(e["peak"] for e in each)
        what = (each[0].get(key, "-") for key in ("bound", "error_of_each", "added"))
        rows.append([side, threads, milliseconds, ratio(theirs, ours), *what, peak])
    table(
        [
            f"k={draws}",
            "threads",
            "ms an image",
            "times",
            "mean bound",
            "its error",
            "added",
            "working MB",
        ],
        rows,
    )
    whole = [
        {
            "side": side,
            "threads": threads,
            "seconds": ALL * statistics.median(seconds[side, threads, draws]),
            "error": found[side, threads, draws][0].get("error"),
        }
        for side, threads, _ in keys
        if side not in FLOORS
    ]
    print(
        f"\n{ALL:,} images, extrapolated; the estimate's error is of its mean, the others bound each:"
    )
    table(
        ["side", "threads", "seconds", "standard error"],
        [[each["side"], each["threads"], each["seconds"], each["error"] or "-"] for each in whole],
    )
    of_draws = ratio(
        [e["peak"] for e in found[SIDES[1], THREADS[0], draws]], [e["peak"] for e in found[fewer]]
    )
    print(f"reverie's peak, {draws} draws over {draws // FEWER}: {of_draws:.3f}")
    records = [
        {"side": side, "threads": threads, "times": row[3], "rounds": found[side, threads, draws]}
        for (side, threads, _), row in zip(keys, rows, strict=True)
    ]
    growth = {"draws": [draws // FEWER, draws], "peak": of_draws}
    write(
        "iwae",
        quick,
        {
            "draws": draws,
            "decoded": DECODED,
            "images": images,
            "sides": records,
            "all": {"images": ALL, "extrapolated": whole},
            "memory_growth": growth,
        },
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(sys.argv[2], bool(int(sys.argv[3])))
    elif sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    elif sys.argv[1:2] == ["estimate"]:
        estimate(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
