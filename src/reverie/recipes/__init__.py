"""Recipes: every published model is a short function that returns its settings.

A recipe takes the data's spec and returns the model and the training settings for it. To add one, write
the function in the file of its family and list it in `RECIPES`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigError, did_you_mean
from ..models import ModelConfig
from ..settings import TrainConfig
from ..spec import Pixels, Vector
from . import adversarial, deterministic, variational

Recipe = Callable[[Pixels | Vector], tuple[ModelConfig, TrainConfig]]

RECIPES: dict[str, Recipe] = {
    "ae": deterministic.ae,
    "conv-ae": deterministic.conv_ae,
    "vae": variational.vae,
    "vae-fast": variational.vae_fast,
    "conv-vae": variational.conv_vae,
    "beta-vae": variational.beta_vae,
    "gan": adversarial.gan,
    "dcgan": adversarial.dcgan,
    "wgan-gp": adversarial.wgan_gp,
    "r3gan": adversarial.r3gan,
    "cgan": adversarial.cgan,
}


@dataclass(frozen=True)
class Card:
    """A recipe's docstring, taken apart.

    Arguments:
        name: What is typed after `reverie train`.
        title: Its one line.
        sections: The text of Run, Takes, Expect and Differs.
    """

    name: str
    title: str
    sections: dict[str, str]


def names() -> list[str]:
    """All recipes, in the order of their families."""
    return list(RECIPES)


def find(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: There is none; the message names the closest.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}; {did_you_mean(name, RECIPES)}")
    return RECIPES[name]


def describe(name: str) -> Card:
    """The recipe's docstring, taken apart."""
    text = inspect.getdoc(find(name)) or ""
    title, _, rest = text.partition("\n\n")
    parts = re.split(r"^(Run|Takes|Expect|Differs):", rest, flags=re.M)
    sections = {
        key: re.sub(r"\n\s+", " ", body.strip())
        for key, body in zip(parts[1::2], parts[2::2], strict=True)
    }
    return Card(name, " ".join(title.split()), sections)
