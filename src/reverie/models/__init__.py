"""Published models, one family a file. To add one: write its file and add its config here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .autoencoder import AutoencoderConfig
from .base import Batch, Model, Phase
from .gan import GANConfig
from .vae import VAEConfig

ModelConfig = Annotated[AutoencoderConfig | GANConfig | VAEConfig, Field(discriminator="kind")]

__all__ = ["AutoencoderConfig", "Batch", "GANConfig", "Model", "ModelConfig", "Phase", "VAEConfig"]
