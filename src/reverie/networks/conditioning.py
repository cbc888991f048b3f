"""How a class enters the two networks of a GAN.

The generator's code is its noise followed by the class as a one-hot vector; what differs is the critic.
A conditional critic takes samples and labels, `(B, *shape)` and `(B,)`, to scores `(B, 1)`.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import one_hot
from typing_extensions import override

from ..config import Section
from .conv import Conv
from .mlp import MLP
from .parts import activation


class Unconditional(Section):
    """No class enters."""

    kind: Literal["none"] = "none"

    def critic(self, network: MLP | Conv, shape: tuple[int, ...], classes: int) -> nn.Module:
        """A critic of samples alone: `(B, *shape)` to `(B, 1)`."""
        return network.encoder(shape, 1)


class Concatenation(Section):
    """The critic sees the one-hot class beside the sample. Mirza & Osindero (2014), section 3.2.

    A fully connected critic sees it beside the sample's entries, a convolutional one as planes of 0 or 1.
    """

    kind: Literal["concat"] = "concat"

    def critic(self, network: MLP | Conv, shape: tuple[int, ...], classes: int) -> nn.Module:
        """A critic of samples with their labels."""
        if isinstance(network, MLP):
            # A plane would be as many inputs of one weight each, and train hundreds of times as fast.
            body = network.encoder((math.prod(shape) + classes,), 1)
            return Beside(body, classes, flat=True)
        channels, *size = shape
        return Beside(network.encoder((channels + classes, *size), 1), classes)


class Projection(Section):
    """The critic adds the class's own direction in its features. Miyato & Koyama (2018), eq. 3."""

    kind: Literal["projection"] = "projection"
    features: PositiveInt = 128
    """The width of phi, the features that the class is projected on."""

    def critic(self, network: MLP | Conv, shape: tuple[int, ...], classes: int) -> nn.Module:
        """A critic of samples with their labels."""
        body = nn.Sequential(network.encoder(shape, self.features), activation(network.activation))
        return Projecting(body, self.features, classes)


Conditioning = Annotated[Unconditional | Concatenation | Projection, Field(discriminator="kind")]


class Beside(nn.Module):
    """Joins the class to the first axis of a sample.

    Arguments:
        body: What judges both, `(B, C + K, ...)` to `(B, 1)`.
        classes: K.
        flat: Whether samples are flattened before.
    """

    def __init__(self, body: nn.Module, classes: int, flat: bool = False) -> None:
        super().__init__()
        self.body, self.classes, self.flat = body, classes, flat

    @override
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.body(joined(x.flatten(1) if self.flat else x, y, self.classes))


class Projecting(nn.Module):
    """psi(phi(x)) + <e_y, phi(x)>.

    Arguments:
        body: phi, `(B, *shape)` to `(B, features)`.
        features: Their number.
        classes: The number of classes.
    """

    def __init__(self, body: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.body = body
        self.score = nn.Linear(features, 1)
        self.classes = nn.Embedding(classes, features)
        # As small as the weights of psi: PyTorch would draw from N(0, 1).
        nn.init.normal_(self.classes.weight, std=features**-0.5)

    @override
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features = self.body(x)
        return self.score(features) + (self.classes(y) * features).sum(1, keepdim=True)


def joined(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """`(B, C, ...)` and labels `(B,)` to `(B, C + classes, ...)`."""
    hot = one_hot(y, classes).to(x.dtype)
    shape = (len(x), classes, *x.shape[2:])
    return torch.cat([x, hot.view(*hot.shape, *[1] * (x.dim() - 2)).expand(shape)], 1)
