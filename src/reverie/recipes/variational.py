"""Recipes of variational autoencoders."""

from __future__ import annotations

from ..models import VAEConfig
from ..networks import MLP, Conv
from ..optim import Adam
from ..schedules import Ramp
from ..settings import TrainConfig
from ..spec import Pixels, Vector
from .choices import convolutions, likelihood


def vae(spec: Pixels | Vector) -> tuple[VAEConfig, TrainConfig]:
    """The fully connected VAE of every tutorial: 784-256-128, 20 latents, 128-256-784.

    Run:     reverie train vae --data mnist
    Takes:   not measured yet.
    Expect:  not measured yet.
    Differs: Kingma & Welling (2014) have one hidden layer of 500 and Adagrad; this is the tutorials' form.
    """
    model = VAEConfig(latent=20, network=MLP(widths=(256, 128)), likelihood=likelihood(spec))
    return model, TrainConfig(budget="10 epochs", batch=64, optimizer=Adam(lr=1e-3))


def vae_fast(spec: Pixels | Vector) -> tuple[VAEConfig, TrainConfig]:
    """The tutorial's VAE in a quarter of its time: larger batches, a warmed-up and decaying step.

    Run:     reverie train vae-fast --data mnist
    Takes:   not measured yet.
    Expect:  not measured yet.
    Differs: from `vae` in the schedule alone.
    """
    model, train = vae(spec)
    lr = Ramp(kind="cosine", start=4e-3, end=1e-5)
    return model, train.with_(budget="5 epochs", batch=256, optimizer=Adam(lr=lr))


def conv_vae(spec: Pixels | Vector) -> tuple[VAEConfig, TrainConfig]:
    """A convolutional VAE: two strided stages of 32 and 64 channels, 20 latents.

    Run:     reverie train conv-vae --data mnist
    Takes:   not measured yet.
    Expect:  not measured yet.
    Differs: no paper; the shape of the DCGAN critic without norms, as PyTorch's examples have it.
    """
    network = convolutions(spec, Conv(widths=(32, 64), dense=256))
    model = VAEConfig(latent=20, network=network, likelihood=likelihood(spec))
    return model, TrainConfig(budget="10 epochs", batch=64, optimizer=Adam(lr=1e-3))


def beta_vae(spec: Pixels | Vector) -> tuple[VAEConfig, TrainConfig]:
    """The VAE with a KL of weight 4: fewer latents in use, each with more of a meaning.

    Run:     reverie train beta-vae --data mnist
    Takes:   not measured yet.
    Expect:  not measured yet.
    Differs: Higgins et al. (2017) train convolutions on dSprites and CelebA; here it is `vae` with beta 4.
    """
    model, train = vae(spec)
    return model.with_(beta=4.0), train
