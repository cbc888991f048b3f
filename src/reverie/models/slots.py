"""Which choices of the latent family's slots go together, and what to choose where they do not."""

from __future__ import annotations

from ..errors import ConfigError
from ..latent.bounds import ELBO, IWAE
from ..latent.likelihoods import Bernoulli, DiscretizedLogistic, Gaussian
from ..latent.terms import MMD, FreeBits
from ..spec import Pixels, Vector


def check_likelihood(
    likelihood: Bernoulli | Gaussian | DiscretizedLogistic, spec: Pixels | Vector
) -> None:
    """Refuses a likelihood of [0, 1] for data in other units."""
    if isinstance(spec, Vector) and not isinstance(likelihood, Gaussian):
        raise ConfigError(
            f"model.likelihood is {likelihood.kind!r}, which needs values in [0, 1], and this data is "
            "a vector in its own units; write model.likelihood=gaussian"
        )


def check_bound(
    bound: ELBO | IWAE, beta: object, terms: tuple[FreeBits | MMD, ...], has_kl_parts: bool
) -> None:
    """Refuses a weighted KL inside a bound that has no KL to weigh."""
    if isinstance(bound, IWAE) and beta != 1.0:
        raise ConfigError(
            f"model.beta is {beta!r}, and the IWAE bound has no KL term to weigh; "
            "write model.beta=1, or model.bound=elbo"
        )
    for term in terms:
        if isinstance(term, FreeBits) and (isinstance(bound, IWAE) or not has_kl_parts):
            raise ConfigError(
                "the term 'free_bits' frees the KL of each dimension, which needs bound=elbo and "
                "prior=standard_normal; leave the term out, or choose those"
            )
