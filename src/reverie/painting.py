"""The pictures of a run: samples of fixed noise, reconstructions, ways and maps through the latents."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from . import plots
from .data.dataset import Dataset
from .data.drawing import drawn
from .data.stream import to_range
from .loading import Loaded
from .metrics.tsne import tsne
from .models.base import Decoder, Encoder, Model, Reconstructor, Sampler, draws_classes
from .pictures import GAP, PAPER, for_a_sheet, grid, save_png
from .runs import RunFolder
from .spec import Pixels, Vector, affine
from .storage import write_bytes
from .tensors import Noise, noise_of
from .training import looking

SHOWN = 64
PAIRS = 32
COLUMNS = 16
MOMENTS = 6


class Painter:
    """Paints what a model does now, always from the same noise and the same held-out samples.

    Arguments:
        run: The folder to paint into.
        dataset: The data; its test split is shown, never its training split.
    """

    def __init__(self, run: RunFolder, dataset: Dataset) -> None:
        self.run = run
        count = min(2000 if isinstance(dataset.spec, Vector) else PAIRS, len(dataset.test))
        self.held_out = to_range(drawn(dataset.test, count).x)

    def __call__(self, model: Model, step: int) -> list[Path]:
        """Writes the pictures of a step; a model is shown in whatever it can do."""
        device = next(model.parameters()).device
        scale, shift = affine(model.value_range)
        x = (self.held_out * scale + shift).to(device)
        with looking(model):
            if isinstance(model.spec, Vector):
                return self._clouds(model, x, step)
            made: dict[str, Tensor] = {}
            if isinstance(model, Sampler):
                made["samples"] = fixed_samples(model, noise_of(0, device))
            if isinstance(model, Reconstructor):
                made["reconstructions"] = beside(x, model.reconstruct(x))
        columns = {"samples": COLUMNS, "reconstructions": across(x)}
        return [
            self._save(
                f"{name}-{step:08d}.png", (shown.float().cpu() - shift) / scale, columns[name]
            )
            for name, shown in made.items()
        ]

    def _clouds(self, model: Model, x: Tensor, step: int) -> list[Path]:
        groups = {"data": x.cpu()}
        if isinstance(model, Sampler):
            groups["samples"] = model.sample(len(x), noise_of(0, x.device)).float().cpu()
        elif isinstance(model, Reconstructor):
            groups["reconstructions"] = model.reconstruct(x).float().cpu()
        path = self.run.samples / f"samples-{step:08d}.png"
        write_bytes(path, plots.clouds({name: flat_2d(points) for name, points in groups.items()}))
        return [path]

    def _save(self, name: str, shown: Tensor, columns: int) -> Path:
        path = self.run.samples / name
        save_png(grid(for_a_sheet(shown), columns), path)
        return path


def fixed_samples(model: Sampler, noise: Noise) -> Tensor:
    """What is painted over training, `(SHOWN, *shape)`; a column has one class, if the model has them."""
    if not draws_classes(model):
        return model.sample(SHOWN, noise)
    y = torch.arange(SHOWN, device=noise.generator.device) % COLUMNS % model.classes
    return model.sample(SHOWN, noise, y)


def beside(x: Tensor, x_hat: Tensor) -> Tensor:
    """Rows of `across(x)` originals, each over the row of its reconstructions: `(2 M, C, H, W)`, M >= N.

    The last rows end in white.
    """
    width = across(x)
    blank = x.new_ones(-len(x) % width, *x.shape[1:])
    pairs = [torch.cat([part, blank]).unflatten(0, (-1, width)) for part in (x, x_hat)]
    return torch.stack(pairs, 1).flatten(0, 2)


def across(x: Tensor) -> int:
    """How many pictures of a set stand in a row."""
    return min(COLUMNS, len(x))


def flat_2d(points: Tensor) -> Tensor:
    """The first two entries of each point, `(N, 2)`; one-dimensional points lie on a line."""
    flat = points.flatten(1)
    return flat[:, :2] if flat.shape[1] > 1 else torch.cat([flat, torch.zeros_like(flat)], 1)


def gallery(run: RunFolder, loaded: Loaded, dataset: Dataset) -> list[Path]:
    """The pictures of a finished run: a film of it, ways through the latents, and a map of them."""
    pixels = isinstance(loaded.spec, Pixels)
    made = film(run) if pixels else []
    if pixels and isinstance(loaded.model, Decoder):
        made.append(interpolations(run, loaded, dataset))
    if pixels and isinstance(loaded.model, Decoder) and isinstance(loaded.model, Encoder):
        made.append(traversals(run, loaded, dataset))
    if isinstance(loaded.model, Encoder):
        made.append(latent_map(run, loaded, dataset))
    return made


def frames(run: RunFolder, stem: str) -> list[Path]:
    """The pictures of training, oldest first."""
    return sorted(run.samples.glob(f"{stem}-[0-9]*.png"))


def moments(paths: list[Path]) -> list[Path]:
    """A few of the pictures of training, evenly spread."""
    spread = [paths[round(k * (len(paths) - 1) / (MOMENTS - 1))] for k in range(MOMENTS)]
    return list(dict.fromkeys(spread))


def film(run: RunFolder) -> list[Path]:
    """The first row of pictures at a few moments of training, one under the other."""
    paths = frames(run, "samples")
    if len(paths) < 2:
        return []
    shown = []
    for path in moments(paths):
        with Image.open(path) as picture:
            rows = math.ceil(SHOWN / COLUMNS)
            shown.append(picture.crop((0, 0, picture.width, (picture.height - GAP) // rows)))
    width, height = shown[0].size
    sheet = Image.new("RGB", (width, height * len(shown) + GAP), (PAPER,) * 3)
    for row, picture in enumerate(shown):
        sheet.paste(picture, (0, row * height))
    path = run.samples / "film.png"
    save_png(sheet, path)
    return [path]


def interpolations(run: RunFolder, loaded: Loaded, dataset: Dataset, rows: int = 6) -> Path:
    """Ways between held-out samples, or between noises where a model cannot encode."""
    if isinstance(loaded.model, Encoder):
        rows = min(rows, len(dataset.test) // 2) or 1
        x = to_range(drawn(dataset.test, 2 * rows).x)
        starts, ends = x[:rows], x[-rows:]
    else:
        starts, ends = loaded.noise(rows, seed=1), loaded.noise(rows, seed=2)
    path = run.samples / "interpolations.png"
    save_png(grid(for_a_sheet(loaded.interpolate(starts, ends, 12)), 12), path)
    return path


def traversals(run: RunFolder, loaded: Loaded, dataset: Dataset, rows: int = 10) -> Path:
    """One latent a row moved over its range, the others held: those that vary most over the data."""
    count = min(1000, len(dataset.test))
    codes = loaded.encode(to_range(drawn(dataset.test, count).x))
    mean, std = codes.mean(0), codes.std(0, correction=0)
    order = std.argsort(descending=True)[:rows]
    z = mean.repeat(len(order) * 11, 1).unflatten(0, (len(order), 11)).clone()
    for row, latent in enumerate(order.tolist()):
        z[row, :, latent] = mean[latent] + torch.linspace(-2.5, 2.5, 11) * std[latent]
    path = run.samples / "traversals.png"
    save_png(grid(for_a_sheet(loaded.decode(z.flatten(0, 1))), 11), path)
    return path


def latent_map(run: RunFolder, loaded: Loaded, dataset: Dataset, count: int = 1000) -> Path:
    """Held-out codes in two dimensions, coloured by class: as they are, or by t-SNE."""
    shown = drawn(dataset.test, count)
    codes = loaded.encode(to_range(shown.x))
    planar = codes.shape[1] <= 2 or len(codes) < 10
    points = flat_2d(codes) if planar else tsne(codes)
    title = f"{len(codes):,} held-out codes" + (
        "" if planar else f", t-SNE of {codes.shape[1]} latents"
    )
    path = run.samples / "latents.png"
    write_bytes(path, plots.cloud(points, shown.y, loaded.spec.classes, title))
    return path
