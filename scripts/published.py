"""Published numbers that our own runs are held against, and how those were made. See docs/results.md.

Protocols were read in the authors' code; where a fact was not found there, it says so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where published numbers are from: a short name, and facts by what they are about."""

    name: str
    facts: dict[str, str]


BURDA = Source(
    "Burda et al.",
    {
        "pixels": "binarised anew at every use",
        "data": "59,600 training images",
        "networks": "200-200 tanh, 50 latents",
        "training": "Adam 1e-3 to 1e-4 in 8 stages, batch 20; 3,280 passes = 9.8 million steps",
        "draws k": "5,000 on every test image",
        "judged": "10,000 test images, each binarised once",
        "runs": "no uncertainty given",
    },
)
NOROUZI = Source(
    "Norouzi et al.",
    {
        "pixels": "binarised anew at every use",
        "data": "50,000 training images, the rest for validation",
        "networks": "hidden layers of 300, 40 latents",
        "training": "Adam on normalised gradients, 5e-4, batch 100; KL rising over 100 passes; until "
        "50 passes without a better validation loss, 2,000 at most (the code's defaults)",
        "draws k": "5,000 (the code's default)",
        "judged": "the test split",
        "runs": "± as printed; over what, was not found",
    },
)
PACGAN = Source(
    "Lin et al.",
    {
        "data": "100,000 points; ring: radius 1, sigma 0.01; grid: -4 to 4 by 2, sigma 0.05",
        "networks": "4 x 400 relu with batch norm; 3 x 200 maxout of 5; 2 latents; non-saturating game",
        "training": "Adam 1e-4, beta1 0.8, batch 100; 400 passes = 400,000 steps",
        "judged": "2,500 samples",
        "runs": "10 trials, ± standard error over them",
    },
)

# Of each: the paper's value, and that of the replication.
BURDA_ROWS = {
    "VAE, 1 draw": ("86.76", "86.35"),
    "VAE, 5 draws": ("86.47", "86.10"),
    "VAE, 50 draws": ("86.35", "86.06"),
    "IWAE, 5 draws": ("85.54", "85.18"),
    "IWAE, 50 draws": ("84.78", "84.59"),
}
# Of each: dynamically binarised MNIST, and Fashion-MNIST.
NOROUZI_ROWS = {
    "VAE, Gaussian prior": ("84.45 ± 0.12", "228.70 ± 0.15"),
    "VAE, VampPrior": ("82.43 ± 0.06", "227.35 ± 0.05"),
    "Exemplar VAE": ("82.09 ± 0.18", "226.75 ± 0.07"),
    "HVAE, Gaussian prior": ("82.39 ± 0.11", "227.37 ± 0.1"),
    "HVAE, VampPrior": ("81.56 ± 0.09", "226.72 ± 0.08"),
    "Exemplar HVAE": ("81.22 ± 0.05", "226.53 ± 0.09"),
    "ConvHVAE, Gaussian prior": ("80.52 ± 0.28", "225.38 ± 0.08"),
    "ConvHVAE, VampPrior": ("79.67 ± 0.09", "224.67 ± 0.03"),
    "Exemplar ConvHVAE": ("79.58 ± 0.07", "224.63 ± 0.06"),
}
# Of each: modes, good samples in per cent, KL in nats.
PACGAN_ROWS = {
    "ring": {
        "GAN": ("6.3 ± 0.5", "98.2 ± 0.2", "0.45 ± 0.09"),
        "ALI": ("6.6 ± 0.3", "97.6 ± 0.4", "0.36 ± 0.04"),
        "PacGAN2": ("7.9 ± 0.1", "95.6 ± 2.0", "0.07 ± 0.03"),
        "PacGAN3": ("7.8 ± 0.1", "97.7 ± 0.3", "0.10 ± 0.02"),
        "PacGAN4": ("7.8 ± 0.1", "95.9 ± 1.4", "0.07 ± 0.02"),
    },
    "grid": {
        "GAN": ("17.3 ± 0.8", "94.8 ± 0.7", "0.70 ± 0.07"),
        "ALI": ("24.1 ± 0.4", "95.7 ± 0.6", "0.14 ± 0.03"),
        "PacGAN2": ("23.8 ± 0.7", "91.3 ± 0.8", "0.13 ± 0.04"),
        "PacGAN3": ("24.6 ± 0.4", "94.2 ± 0.4", "0.06 ± 0.02"),
        "PacGAN4": ("24.8 ± 0.2", "93.6 ± 0.6", "0.04 ± 0.01"),
    },
}
