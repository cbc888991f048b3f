"""How a recipe adapts to data that its paper did not have."""

from __future__ import annotations

from ..latent.likelihoods import Bernoulli, Gaussian
from ..networks import MLP, Network
from ..spec import Pixels, Vector


def likelihood(spec: Pixels | Vector) -> Bernoulli | Gaussian:
    """The cross-entropy of the tutorials for pixels; a Gaussian of learned width for all else."""
    return Bernoulli() if isinstance(spec, Pixels) else Gaussian(scale=1.0, learn=True)


def convolutions(spec: Pixels | Vector, network: Network) -> Network:
    """The network for pixels; a vector has no neighbourhood to convolve, and gets an MLP."""
    return network if isinstance(spec, Pixels) else MLP(widths=(256, 256))
