r"""Autoencoder: a code that keeps what is needed to give the data back.

References:
    | Reducing the Dimensionality of Data with Neural Networks (Hinton & Salakhutdinov, 2006)
    | https://doi.org/10.1126/science.1127647
    | Extracting and Composing Robust Features (Vincent et al., 2008) for `corruption`
    | https://doi.org/10.1145/1390156.1390294
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor
from typing_extensions import override

from ..config import Section
from ..latent.likelihoods import Bernoulli, Likelihood
from ..networks import MLP, Network
from ..spec import Pixels, Vector
from ..tensors import at_least_float32
from .base import Batch, Model, Phase
from .slots import check_likelihood


class AutoencoderConfig(Section):
    """An autoencoder; the decoder mirrors the encoder."""

    kind: Literal["autoencoder"] = "autoencoder"
    latent: PositiveInt = 64
    """The number of latent dimensions Z."""
    network: Network = MLP()
    """The encoder, and mirrored the decoder."""
    likelihood: Likelihood = Bernoulli()
    """What is minimised: the negative log-likelihood of the data given its code."""
    corruption: NonNegativeFloat = 0.0
    """The standard deviation of noise added to the encoder's input (a denoising autoencoder)."""

    def build(self, spec: Pixels | Vector) -> Autoencoder:
        """The model for this data.

        Raises:
            ConfigError: The likelihood cannot explain such values.
        """
        return Autoencoder(self, spec)


class Autoencoder(Model):
    """Minimises -log p(x | decoder(encoder(x))), in nats per sample."""

    family = "an autoencoder"

    def __init__(self, config: AutoencoderConfig, spec: Pixels | Vector) -> None:
        super().__init__(spec, config.likelihood.value_range)
        check_likelihood(config.likelihood, spec)
        self.config, self.latent = config, config.latent
        self.encoder = config.network.encoder(spec.shape, config.latent)
        self.likelihood = config.likelihood.build()
        self.decoder = config.network.decoder(config.latent, spec.shape, self.likelihood.outputs)

    @override
    def phases(self) -> list[Phase]:
        return [
            Phase(
                name="reconstruction",
                network=self,
                loss=self.loss,
                units={"distortion": "nats"},
            )
        ]

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """-log p(x|z) averaged over the batch."""
        x = batch.x
        if self.config.corruption:
            x = x + self.config.corruption * batch.noise.normal(*x.shape)
        distortion = self.distortion(self.encoder(x), batch.x).mean()
        return distortion, {"distortion": distortion}

    def losses(self, batch: Batch) -> Mapping[str, tuple[Tensor, str]]:
        """The distortion of clean samples, `(B,)` in nats."""
        return {"distortion": (self.distortion(self.encoder(batch.x), batch.x), "nats")}

    def distortion(self, z: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) in nats: `(B, Z)` and `(B, *shape)` to `(B,)`."""
        return -self.likelihood.log_prob(self.decoder(z), x)

    def encode(self, x: Tensor) -> Tensor:
        """The code, `(B, Z)`."""
        return at_least_float32(self.encoder(x))

    def decode(self, z: Tensor) -> Tensor:
        """E[x|z], `(B, *shape)`."""
        return self.likelihood.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """E[x | code of x]."""
        return self.decode(self.encode(x))

    @override
    def health(self, parts: Mapping[str, float], done: float) -> str:
        return f"reconstruction costs {parts['reconstruction/distortion']:.1f} nats a sample"
