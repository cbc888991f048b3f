"""What people write without a framework: the networks, the tutorial's script and the floor.

The three networks of the recipes `ae`, `vae` and `gan`, once as tutorials train them and once as fast
as a plain loop can be. Neither knows of reverie but for opening MNIST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

BATCH = 64
Step = Callable[[Tensor], object]
Clock = Callable[[int, nn.Module], bool]


def dense(*widths: int, slope: float = 0.0) -> nn.Sequential:
    """Linear layers with a (leaky) ReLU between."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(slope) if slope else nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Autoencoder(nn.Module):
    """784-256-64-256-784; gives logits."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = dense(784, 256, 64), dense(64, 256, 784)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class VAE(nn.Module):
    """784-256-128, 20 latents, 128-256-784; gives logits, means and log variances."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = dense(784, 256, 128, 40), dense(20, 128, 256, 784)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        return self.decoder(z), mean, log_var


def kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(q || N(0, I)) summed over the batch, in nats."""
    return -0.5 * (1 + log_var - mean.pow(2) - log_var.exp()).sum()


# --- the tutorial's script ---------------------------------------------------------------------------


class Pictures(Dataset[tuple[Tensor, int]]):
    """torchvision's `MNIST` with `ToTensor`, and `Normalize` where asked: its own code, inlined."""

    def __init__(self, images: Tensor, labels: Tensor, normalise: bool) -> None:
        self.images, self.labels, self.normalise = images, labels, normalise

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index].numpy())
        x = to_tensor(picture)
        return (normalised(x, 0.5, 0.5) if self.normalise else x), int(self.labels[index])


def to_tensor(picture: Image.Image) -> Tensor:
    """`torchvision.transforms.functional.to_tensor` of a grey picture."""
    x = torch.from_numpy(np.array(picture, np.uint8, copy=True))
    x = x.view(picture.size[1], picture.size[0], 1).permute((2, 0, 1)).contiguous()
    return x.to(dtype=torch.get_default_dtype()).div(255)


def normalised(x: Tensor, mean: float, std: float) -> Tensor:
    """`torchvision.transforms.functional.normalize`."""
    x = x.clone()
    center = torch.as_tensor([mean], dtype=x.dtype, device=x.device)
    scale = torch.as_tensor([std], dtype=x.dtype, device=x.device)
    if (scale == 0).any():
        raise ValueError("std evaluated to zero")
    return x.sub_(center.view(-1, 1, 1)).div_(scale.view(-1, 1, 1))


def tutorial(name: str, images: Tensor, labels: Tensor, clock: Clock) -> nn.Module:
    """Trains as tutorials print it until the clock says no, and gives the network."""
    model, step = {"ae": tutorial_ae, "vae": tutorial_vae, "gan": tutorial_gan}[name]()
    pictures = Pictures(images, labels, normalise=name == "gan")
    loader = DataLoader(pictures, batch_size=BATCH, shuffle=True)
    taken = 0
    while True:
        for x, _ in loader:
            step(x)
            taken += 1
            if not clock(taken, model):
                return model


def tutorial_ae() -> tuple[nn.Module, Step]:
    """An autoencoder with a sigmoid and a summed cross-entropy."""
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Tensor) -> float:
        x = x.view(-1, 784)
        optimizer.zero_grad()
        loss = F.binary_cross_entropy(torch.sigmoid(model(x)), x, reduction="sum")
        loss.backward()
        optimizer.step()
        return loss.item()

    return model, step


def tutorial_vae() -> tuple[nn.Module, Step]:
    """The VAE of pytorch/examples, with this network."""
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Tensor) -> float:
        x = x.view(-1, 784)
        optimizer.zero_grad()
        logits, mean, log_var = model(x)
        loss = F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="sum") + kl(
            mean, log_var
        )
        loss.backward()
        optimizer.step()
        return loss.item()

    return model, step


def tutorial_gan() -> tuple[nn.Module, Step]:
    """The GAN of pytorch/examples: one batch of fakes serves both players."""
    generator = nn.Sequential(dense(100, 256, 512, 1024, 784), nn.Tanh())
    critic = nn.Sequential(dense(784, 512, 256, 1, slope=0.2), nn.Sigmoid())
    criterion = nn.BCELoss()
    of_generator = torch.optim.Adam(generator.parameters(), lr=2e-4)
    of_critic = torch.optim.Adam(critic.parameters(), lr=2e-4)

    def step(x: Tensor) -> tuple[float, float]:
        x = x.view(-1, 784)
        real, fake = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        of_critic.zero_grad()
        loss_real = criterion(critic(x), real)
        loss_real.backward()
        made = generator(torch.randn(len(x), 100))
        loss_fake = criterion(critic(made.detach()), fake)
        loss_fake.backward()
        of_critic.step()
        of_generator.zero_grad()
        loss = criterion(critic(made), real)
        loss.backward()
        of_generator.step()
        return loss_real.item() + loss_fake.item(), loss.item()

    return generator, step


# --- the floor ---------------------------------------------------------------------------------------


def floor(name: str, images: Tensor, clock: Clock) -> nn.Module:
    """The same training as fast as a plain loop over resident pixels goes."""
    model, step = {"ae": floor_ae, "vae": floor_vae, "gan": floor_gan}[name]()
    scale, shift = (2 / 255, -1.0) if name == "gan" else (1 / 255, 0.0)
    for taken, stored in enumerate(resident(images.flatten(1)), start=1):
        x = stored.float().mul_(scale)
        step(x.add_(shift) if shift else x)
        if not clock(taken, model):
            break
    return model


def resident(images: Tensor) -> Iterator[Tensor]:
    """Batches of stored pixels, in a new order for each pass, without end."""
    while True:
        for index in torch.randperm(len(images)).split(BATCH):
            yield images[index]


def floor_ae() -> tuple[nn.Module, Step]:
    """An autoencoder with a cross-entropy of logits."""
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step(x: Tensor) -> None:
        loss = F.binary_cross_entropy_with_logits(model(x), x, reduction="sum") / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return model, step


def floor_vae() -> tuple[nn.Module, Step]:
    """A VAE with a cross-entropy of logits."""
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step(x: Tensor) -> None:
        logits, mean, log_var = model(x)
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        optimizer.zero_grad()
        ((distortion + kl(mean, log_var)) / len(x)).backward()
        optimizer.step()

    return model, step


def floor_gan() -> tuple[nn.Module, Step]:
    """The same game: one batch of fakes serves both players, each computing its own gradients."""
    generator = nn.Sequential(dense(100, 256, 512, 1024, 784), nn.Tanh())
    critic = dense(784, 512, 256, 1, slope=0.2)
    of_generator = torch.optim.Adam(generator.parameters(), lr=2e-4, fused=True)
    of_critic = torch.optim.Adam(critic.parameters(), lr=2e-4, fused=True)

    def step(x: Tensor) -> None:
        made = generator(torch.randn(len(x), 100))
        real, fake = critic(torch.cat([x, made.detach()])).chunk(2)
        loss = (F.softplus(-real) + F.softplus(fake)).mean()
        of_critic.zero_grad()
        loss.backward()
        of_critic.step()
        critic.requires_grad_(False)
        loss = F.softplus(-critic(made)).mean()
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
        critic.requires_grad_(True)

    return generator, step
