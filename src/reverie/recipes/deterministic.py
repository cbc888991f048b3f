"""Recipes of autoencoders."""

from __future__ import annotations

from ..models import AutoencoderConfig
from ..networks import MLP, Conv
from ..optim import Adam
from ..settings import TrainConfig
from ..spec import Pixels, Vector
from .choices import convolutions, likelihood


def ae(spec: Pixels | Vector) -> tuple[AutoencoderConfig, TrainConfig]:
    """The fully connected autoencoder of every tutorial: 784-256-64-256-784.

    Run:     reverie train ae --data mnist
    Takes:   51 s of training on AMD EPYC, 2 cores, 1 thread, float32.
    Expect:  held-out distortion 55.46 (sd 0.14) nats; reconstruction MSE 0.003307 (sd 0.000064) (3
             seeds, AMD EPYC, 2 cores, 1 thread, float32, commit ec56683a1e).
    Differs: the loss is summed over pixels, so that it is in nats; Adam does not notice the factor.
    """
    model = AutoencoderConfig(latent=64, network=MLP(widths=(256,)), likelihood=likelihood(spec))
    return model, TrainConfig(budget="10 epochs", batch=64, optimizer=Adam(lr=1e-3))


def conv_ae(spec: Pixels | Vector) -> tuple[AutoencoderConfig, TrainConfig]:
    """A convolutional autoencoder: two strided stages of 32 and 64 channels, 64 latents.

    Run:     reverie train conv-ae --data mnist
    Takes:   2.9 min of training on AMD EPYC, 2 cores, 1 thread, bfloat16.
    Expect:  held-out distortion 51.95 (sd 0.40) nats; reconstruction MSE 0.002135 (sd 0.00014) (3
             seeds, AMD EPYC, 2 cores, 1 thread, bfloat16, commit 6bd6db30aa).
    Differs: no paper; the network of `conv-vae` without its noise.
    """
    network = convolutions(spec, Conv(widths=(32, 64), stem=16, up="nearest"))
    model = AutoencoderConfig(latent=64, network=network, likelihood=likelihood(spec))
    return model, TrainConfig(budget="5 epochs", batch=64, optimizer=Adam(lr=1e-3))
