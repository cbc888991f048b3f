"""Recipes of variational autoencoders."""

from __future__ import annotations

from ..models import VAEConfig
from ..networks import MLP, Conv
from ..optim import Adam
from ..schedules import Ramp, Sequence
from ..settings import TrainConfig
from ..spec import Pixels, Vector
from .choices import convolutions, likelihood


def vae(spec: Pixels | Vector) -> tuple[VAEConfig, TrainConfig]:
    """The fully connected VAE of every tutorial: 784-256-128, 20 latents, 128-256-784.

    Run:     reverie train vae --data mnist
    Takes:   42 s of training on AMD EPYC, 2 cores, 1 thread, float32.
    Expect:  held-out -elbo 105.6 (sd 0.86) nats; held-out distortion 86.84 (sd 1.8) nats; -log
             p(x) bound, k=50 101.8 (sd 0.88) nats; reconstruction MSE 0.01392 (sd 0.00088);
             FD[lenet-mnist-v1@ea277212] 212.6 (sd 2.7); coverage[lenet-mnist-v1@ea277212] 0.4593
             (sd 0.022) (3 seeds, AMD EPYC, 2 cores, 1 thread, float32, commit 329c899668).
    Differs: Kingma & Welling (2014) have one hidden layer of 500 and Adagrad; this is the tutorials' form.
    """
    model = VAEConfig(latent=20, network=MLP(widths=(256, 128)), likelihood=likelihood(spec))
    return model, TrainConfig(budget="10 epochs", batch=64, optimizer=Adam(lr=1e-3))


def vae_fast(spec: Pixels | Vector) -> tuple[VAEConfig, TrainConfig]:
    """The -ELBO of the tutorial's VAE in a quarter of its epochs: one wide layer, a decaying step.

    Run:     reverie train vae-fast --data mnist
    Takes:   33 s of training on AMD EPYC, 2 cores, 1 thread, bfloat16.
    Expect:  held-out -elbo 104.9 (sd 0.12) nats; held-out distortion 79.9 (sd 0.054) nats; -log
             p(x) bound, k=50 101.6 (sd 0.10) nats; reconstruction MSE 0.009483 (sd 0.000052);
             FD[lenet-mnist-v1@ea277212] 302.9 (sd 5.1); coverage[lenet-mnist-v1@ea277212] 0.2064
             (sd 0.0073) (3 seeds, AMD EPYC, 2 cores, 1 thread, bfloat16, commit 508bedd491).
    Differs: from `vae` in one hidden layer of 512 with SiLU for two of 256 and 128 with ReLU, in batches
             of 128, and in a step that warms up and falls to zero; latents, likelihood and bound are its.
             It reconstructs better and its samples are worse.
    """
    model = VAEConfig(
        latent=20, network=MLP(widths=(512,), activation="silu"), likelihood=likelihood(spec)
    )
    rise = Ramp(start=1e-4, end=7e-3, until=0.05)
    fall = Ramp(start=7e-3, end=0.0, begin=0.05)
    adam = Adam(lr=Sequence(parts=(rise, fall)), betas=(0.9, 0.99))
    return model, TrainConfig(budget="2.5 epochs", batch=128, optimizer=adam)


def conv_vae(spec: Pixels | Vector) -> tuple[VAEConfig, TrainConfig]:
    """A convolutional VAE: two strided stages of 32 and 64 channels, 20 latents.

    Run:     reverie train conv-vae --data mnist
    Takes:   4.4 min of training on AMD EPYC, 2 cores, 1 thread, bfloat16.
    Expect:  held-out -elbo 99.84 (sd 0.34) nats; held-out distortion 74.88 (sd 0.26) nats; -log
             p(x) bound, k=50 94.94 (sd 0.26) nats; reconstruction MSE 0.007372 (sd 0.000039);
             FD[lenet-mnist-v1@ea277212] 155.7 (sd 3.1); coverage[lenet-mnist-v1@ea277212] 0.383
             (sd 0.0098) (3 seeds, AMD EPYC, 2 cores, 1 thread, bfloat16, commit 6bd6db30aa).
    Differs: no paper; kernels of 3 x 3 without norms, strided on the way down, and on the way up behind
             repeated pixels, as Odena et al. (2016) advise.
    """
    network = convolutions(spec, Conv(widths=(32, 64), stem=16, up="nearest"))
    model = VAEConfig(latent=20, network=network, likelihood=likelihood(spec))
    return model, TrainConfig(budget="10 epochs", batch=64, optimizer=Adam(lr=1e-3))


def beta_vae(spec: Pixels | Vector) -> tuple[VAEConfig, TrainConfig]:
    """The VAE with a KL of weight 4: fewer latents in use, each with more of a meaning.

    Run:     reverie train beta-vae --data mnist
    Takes:   63 s of training on AMD EPYC, 2 cores, 1 thread, float32.
    Expect:  held-out -elbo 123.1 (sd 1.5) nats; held-out distortion 115.3 (sd 1.9) nats; -log p(x)
             bound, k=50 114.2 (sd 1.8) nats; reconstruction MSE 0.02326 (sd 0.0010);
             FD[lenet-mnist-v1@ea277212] 297.2 (sd 8.0); coverage[lenet-mnist-v1@ea277212] 0.3114
             (sd 0.030) (3 seeds, AMD EPYC, 2 cores, 1 thread, float32, commit 5b4851ad09).
    Differs: Higgins et al. (2017) train convolutions on dSprites and CelebA; here it is `vae` with beta 4.
    """
    model, train = vae(spec)
    return model.with_(beta=4.0), train
