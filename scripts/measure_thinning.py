"""Writes into docs/evaluation.md what a bound of 5,000 draws loses when few of them are decoded.

Run:  python scripts/measure_thinning.py
It trains three VAEs on MNIST, some minutes of two cores. All draws of their bounds are decoded once, so
that what choosing among them adds is measured, and held against what the bound says of it.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from marks import fill, table
from torch import Tensor

from reverie.data import DataConfig, open_dataset
from reverie.latent.bounds import importance_bound
from reverie.latent.thinning import thinned_bound
from reverie.loading import load
from reverie.models.vae import VAE
from reverie.tensors import noise_of
from reverie.verbs import train

PAGE = Path(__file__).resolve().parents[1] / "docs" / "evaluation.md"
MODELS: tuple[tuple[str, int | None], ...] = (
    ("vae", None),
    ("conv-vae", 1_000),
    ("beta-vae", 400),
)
"""Recipes, and of how many steps; None is the recipe's own length."""
DRAWS, DECODED = 5_000, (400, 600, 1_000)
IMAGES, CHOICES = 100, 8


def measured(model: VAE, x: Tensor, decoded: int) -> tuple[float, float, float]:
    """Root mean squares in nats: the error of all draws, what choosing adds, what it is said to add."""
    with torch.inference_mode():
        posterior = model.posterior(x)
        z = posterior.sample(DRAWS, noise_of(1))
        log_weights = model.log_weights(z, x, posterior).T
        codes = posterior.telling(z).transpose(0, 1)
        whole = importance_bound([log_weights.T])
        differences, said = [], []
        for seed in range(CHOICES):
            # Which draws come first is a part of the choice.
            order = torch.randperm(DRAWS, generator=torch.Generator().manual_seed(seed))
            weights = log_weights[:, order]
            found = thinned_bound(
                codes[:, order], partial(weights.gather, 1), decoded, noise_of(seed)
            )
            differences.append(found.value - whole.value)
            said.append(found.thinned)
    return rms(whole.error), rms(torch.cat(differences)), float(torch.cat(said).mean().sqrt())


def rms(x: Tensor) -> float:
    """The root of the mean square."""
    return float(x.square().mean().sqrt())


def row(recipe: str, steps: int | None, parent: Path) -> list[str]:
    """Trains a model; its cells."""
    how: dict[str, Any] = {} if steps is None else {"steps": steps}
    train(recipe, data="mnist", out=parent / recipe, **how)
    model = load(parent / recipe, device="cpu").model
    assert isinstance(model, VAE)
    x = open_dataset(DataConfig()).test.x[:IMAGES].float() / 255
    found = [measured(model, x, decoded) for decoded in DECODED]
    length = f", {steps:,} steps" if steps else ""
    cells = [f"{added:.3f} ({said:.3f})" for _, added, said in found]
    return [f"`{recipe}`{length}", f"{found[0][0]:.3f}", *cells]


def main() -> None:
    """Measures all models and fills the page's table."""
    with tempfile.TemporaryDirectory() as parent:
        rows = [row(recipe, steps, Path(parent)) for recipe, steps in MODELS]
    counts = [f"added by {count:,} decoded (said)" for count in DECODED]
    made = table(["model", f"error of {DRAWS:,} draws", *counts], rows, numbers=True)
    PAGE.write_text(fill(PAGE.read_text(), "thinning", "measure_thinning.py", made))
    print(made)


if __name__ == "__main__":
    main()
