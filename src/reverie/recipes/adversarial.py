"""Recipes of GANs."""

from __future__ import annotations

from ..losses.adversarial import NonSaturating, Relativistic, Wasserstein
from ..losses.penalties import R1R2, WGANGP
from ..models import GANConfig
from ..networks import MLP, Conv
from ..networks.conditioning import Projection
from ..optim import Adam
from ..schedules import Ramp
from ..settings import TrainConfig
from ..spec import Pixels, Vector, entries
from .choices import convolutions


def gan(spec: Pixels | Vector) -> tuple[GANConfig, TrainConfig]:
    """The fully connected GAN of every tutorial: noise 100, 256-512-1024-784 against 512-256-1.

    Run:     reverie train gan --data mnist
    Takes:   25.4 min of training on AMD EPYC, 2 cores, 1 thread, bfloat16.
    Expect:  FD[lenet-mnist-v1@ea277212] 41.84 (sd 6.0); coverage[lenet-mnist-v1@ea277212] 0.8373
             (sd 0.013) (3 seeds, AMD EPYC, 2 cores, 1 thread, bfloat16, commit 1d1403cf5c).
    Differs: Goodfellow et al. (2014) use maxout and dropout, and draw fresh noise for each player; this
             is the tutorials' form, where both learn from the same generated samples.
    """
    model = GANConfig(
        latent=100,
        generator=MLP(widths=(1024, 512, 256), activation="relu"),
        critic=MLP(widths=(512, 256), activation="leaky_relu"),
        game=NonSaturating(),
        shared_fakes=True,
    )
    return model, TrainConfig(budget="100 epochs", batch=64, optimizer=Adam(lr=2e-4))


def dcgan(spec: Pixels | Vector) -> tuple[GANConfig, TrainConfig]:
    """DCGAN at 28-32 pixels: strided convolutions, batch norm, no penalty: the historical control.

    Run:     reverie train dcgan --data mnist
    Takes:   7.9 min of training on AMD EPYC, 2 cores, 1 thread, bfloat16.
    Expect:  FD[lenet-mnist-v1@ea277212] 91.81 (sd 5.3); coverage[lenet-mnist-v1@ea277212] 0.3333
             (sd 0.0049) (3 seeds, AMD EPYC, 2 cores, 1 thread, bfloat16, commit 5b4851ad09,
             fca9a05a4b).
    Differs: Radford et al. (2016) have 64 pixels, four stages up to 1024 channels and batch 128.
    """
    generator = Conv(widths=(64, 128), norm="batch", init="normal")
    critic = generator.with_(activation="leaky_relu")
    model = GANConfig(
        latent=100,
        generator=convolutions(spec, generator),
        critic=convolutions(spec, critic),
        game=NonSaturating(),
    )
    adam = Adam(lr=2e-4, betas=(0.5, 0.999))
    return model, TrainConfig(budget="5 epochs", batch=64, optimizer=adam)


def wgan_gp(spec: Pixels | Vector) -> tuple[GANConfig, TrainConfig]:
    """WGAN with a gradient penalty: five critic turns to each of the generator.

    Run:     reverie train wgan-gp --data mnist
    Takes:   17.8 min of training on AMD EPYC, 2 cores, 1 thread, bfloat16.
    Expect:  FD[lenet-mnist-v1@ea277212] 11.96 (sd 6.2); coverage[lenet-mnist-v1@ea277212] 0.689
             (sd 0.054) (3 seeds, AMD EPYC, 2 cores, 1 thread, bfloat16, commit 329c899668,
             b62f2afba3, ec56683a1e).
    Differs: Gulrajani et al. (2017) have wider stages and 200,000 generator steps of 1e-4; these are a
             seventieth of them and five times as long, behind a dense layer.
    """
    network = Conv(widths=(32, 64))
    model = GANConfig(
        latent=128,
        generator=convolutions(spec, network.with_(dense=512)),
        critic=convolutions(spec, network.with_(dense=256, activation="leaky_relu")),
        game=Wasserstein(),
        penalty=WGANGP(weight=10.0),
        critic_turns=5,
    )
    adam = Adam(lr=5e-4, betas=(0.0, 0.9))
    return model, TrainConfig(budget="15 epochs", batch=64, optimizer=adam, ema=10_000.0)


def r3gan(spec: Pixels | Vector) -> tuple[GANConfig, TrainConfig]:
    """The modern default: a relativistic game, R1 and R2, convolutions without norms, EMA.

    Run:     reverie train r3gan --data mnist
    Takes:   17.8 min of training on AMD EPYC, 2 cores, 1 thread, bfloat16.
    Expect:  FD[lenet-mnist-v1@ea277212] 14.33 (sd 1.2); coverage[lenet-mnist-v1@ea277212] 0.8369
             (sd 0.0086) (3 seeds, AMD EPYC, 2 cores, 1 thread, bfloat16, commit 257fa8d89e,
             fca9a05a4b).
    Differs: Huang et al. (2024) have residual networks of 20 M parameters each and see 250 M images;
             these are two strided convolutions and a dense layer each, for a CPU.
    """
    if isinstance(spec, Pixels):
        network = Conv(widths=(32, 64), activation="leaky_relu")
        # Without a dense layer the first picture, of 7 x 7, would be linear in the noise.
        generator, critic = network.with_(dense=512), network.with_(dense=256)
        latent, gamma, end, budget = 64, 0.1, 1e-4, "10 epochs"
    else:
        generator = critic = MLP(widths=(128,) * 3)
        # The noise has as many dimensions as the vector can vary in, and no more.
        latent, gamma, end, budget = entries(spec), 0.02, 1e-5, "5 epochs"
    model = GANConfig(
        latent=latent,
        generator=generator,
        critic=critic,
        game=Relativistic(),
        # Ten times smaller at the end, as Huang et al. (2024) anneal it.
        penalty=R1R2(weight=Ramp(kind="cosine", start=gamma, end=gamma / 10)),
    )
    adam = Adam(lr=Ramp(kind="cosine", start=1e-3, end=end), betas=(0.0, 0.95))
    return model, TrainConfig(budget=budget, batch=64, optimizer=adam, ema=10_000.0)


def cgan(spec: Pixels | Vector) -> tuple[GANConfig, TrainConfig]:
    """A GAN of classes: r3gan with a projection critic, half as long. Draws samples by class.

    Run:     reverie train cgan --data mnist
    Takes:   12.6 min of training on AMD EPYC, 2 cores, 1 thread, bfloat16.
    Expect:  FD[lenet-mnist-v1@ea277212] 3.854 (sd 0.58); coverage[lenet-mnist-v1@ea277212] 0.839
             (sd 0.0056) (3 seeds, AMD EPYC, 2 cores, 1 thread, bfloat16, commit df72ec32ea,
             ea5a00efa8).
    Differs: Miyato & Koyama (2018) have spectral norms, a hinge game and class-conditional batch norm in
             the generator; here the class joins the noise, and penalties keep the critic smooth.
    """
    model, train = r3gan(spec)
    budget = "5 epochs" if isinstance(spec, Pixels) else train.budget
    return model.with_(conditioning=Projection()), train.with_(budget=budget)
