r"""Variational autoencoder: encoder, posterior, prior, decoder, likelihood, bound and terms.

A published variant is a choice of members, not a class.

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2014), section 3
    | https://arxiv.org/abs/1312.6114
    | beta-VAE (Higgins et al., 2017) for `beta` other than 1
    | https://openreview.net/forum?id=Sy2fzU9gl
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor
from typing_extensions import override

from ..config import Section
from ..errors import ConfigError
from ..latent.bounds import (
    ELBO,
    Bound,
    Draws,
    ImportanceBound,
    importance_bound,
    log_prob_of_draws,
)
from ..latent.likelihoods import Bernoulli, Likelihood
from ..latent.posteriors import DiagonalGaussian, NormalPosterior, Posterior
from ..latent.priors import Prior, StandardNormal
from ..latent.terms import Term
from ..latent.thinning import LEAST, thinned_bound
from ..networks import MLP, Network
from ..schedules import Hyper, value_at
from ..spec import Pixels, Vector
from ..tensors import Noise, at_least_float32
from .base import Batch, Model, Phase
from .slots import check_bound, check_likelihood

ACTIVE = 0.01
"""Nats of KL from which a latent dimension counts as in use."""
ENTRIES = {"cpu": 2**19}
"""Decoded numbers at a time in `importance`: few enough for a CPU's cache, elsewhere `MANY`."""
MANY = 2**26
CODES = 2**20
"""Latent numbers at a time in `importance`."""


class VAEConfig(Section):
    """A VAE; the decoder mirrors the encoder."""

    kind: Literal["vae"] = "vae"
    latent: PositiveInt = 20
    """The number of latent dimensions Z."""
    network: Network = MLP(widths=(256, 128))
    """The encoder, and mirrored the decoder."""
    posterior: Posterior = DiagonalGaussian()
    """q(z|x)."""
    prior: Prior = StandardNormal()
    """p(z)."""
    likelihood: Likelihood = Bernoulli()
    """p(x|z)."""
    bound: Bound = ELBO()
    """The bound on log p(x) that is maximised."""
    beta: Hyper = 1.0
    """The weight of the KL in the loss; 1 is the ELBO."""
    terms: tuple[Term, ...] = ()
    """What else is added to the loss."""

    def build(self, spec: Pixels | Vector) -> VAE:
        """The model for this data.

        Raises:
            ConfigError: Two choices do not go together; the message says what to choose.
        """
        return VAE(self, spec)


class VAE(Model):
    """Minimises -E_q[log p(x|z)] + beta KL(q(z|x) || p(z)), in nats per sample (eq. 3)."""

    family = "a VAE"

    def __init__(self, config: VAEConfig, spec: Pixels | Vector) -> None:
        super().__init__(spec, config.likelihood.value_range)
        check_likelihood(config.likelihood, spec)
        has_parts = isinstance(config.prior, StandardNormal)
        check_bound(config.bound, config.beta, config.terms, has_parts)
        self.config, self.latent = config, config.latent
        # Of another prior the rate is an estimate that may be below this.
        self.least_kl = config.posterior.least_kl if has_parts else 0.0
        outputs = config.posterior.outputs(config.latent)
        self.encoder = config.network.encoder(spec.shape, outputs)
        self.likelihood = config.likelihood.build()
        self.decoder = config.network.decoder(config.latent, spec.shape, self.likelihood.outputs)
        self.prior = config.prior.build(config.latent)

    @override
    def phases(self) -> list[Phase]:
        names = ["-bound", "distortion", "rate", *(term.kind for term in self.config.terms)]
        units = {name: "nats" for name in names} | {"active": "latents"}
        return [Phase(name="elbo", network=self, loss=self.loss, units=units)]

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted bound and terms, averaged over the batch."""
        config = self.config
        draws, z = self.draws(batch.x, batch.noise, config.bound.draws, config.bound.needs_ratio)
        beta = value_at(config.beta, batch.seen, batch.total)
        bounded = config.bound(draws, beta)
        loss = bounded.loss
        parts = {
            "-bound": bounded.negative,
            "distortion": bounded.distortion,
            "rate": bounded.rate,
            "active": (draws.kl.detach().mean(0) > self.least_kl + ACTIVE).sum(),
        }
        for term in config.terms:
            value = term(draws.kl, z[0], self.prior.sample(len(batch.x), batch.noise))
            loss = loss + value_at(term.weight, batch.seen, batch.total) * value
            parts[term.kind] = value
        return loss, parts

    def losses(self, batch: Batch) -> Mapping[str, tuple[Tensor, str]]:
        """The parts of the ELBO of every sample, `(B,)` in nats."""
        draws, _ = self.draws(batch.x, batch.noise, 1, ratio=False)
        distortion, rate = -draws.log_likelihood[0], draws.kl.sum(1)
        values = {"-elbo": distortion + rate, "distortion": distortion, "rate": rate}
        return {name: (value, "nats") for name, value in values.items()}

    def draws(self, x: Tensor, noise: Noise, count: int, ratio: bool) -> tuple[Draws, Tensor]:
        """What a bound is made of, and the codes `(K, B, Z)` it was made with."""
        posterior = self.posterior(x)
        z = posterior.sample(count, noise)
        decoded = self.decoder(z.flatten(0, 1))
        repeated = x.expand(count, *x.shape).flatten(0, 1) if count > 1 else x
        log_likelihood = self.likelihood.log_prob(decoded, repeated).unflatten(0, (count, -1))
        log_ratio = posterior.log_prob(z) - self.prior.log_prob(z) if ratio else None
        return Draws(log_likelihood, log_ratio, self.prior.kl(posterior, z)), z

    def log_likelihood(
        self, x: Tensor, noise: Noise, draws: int, decoded: int | None = None
    ) -> Tensor:
        """The IWAE bound of so many draws in nats, `(B,)`, without a gradient.

        Burda et al. (2016), eq. 8. `importance` says what `decoded` is.
        """
        found = self.importance(x, noise, draws, decoded)
        return found.value.to(at_least_float32(x).dtype)

    def importance(
        self, x: Tensor, noise: Noise, draws: int, decoded: int | None = None
    ) -> ImportanceBound:
        """The same in float64, with what the weights say of its error.

        Each sample is encoded once. Memory grows with B only as encoding does, and not with `draws`; where
        `decoded` is given, with the codes of one sample's draws and the square of `decoded`.
        The networks compute in the precision of their parameters, float32 unless that was changed; the
        importance weights are summed in float64. Threads are the caller's choice.

        Arguments:
            x: Samples `(B, *shape)`.
            noise: Of the draws, and of the choice among them.
            draws: K.
            decoded: How many draws of each sample are decoded; the mean of all K weights is estimated from
                theirs without bias, as `latent.thinning` says. None decodes all.

        Raises:
            ConfigError: `draws` is less than 1, or `decoded` less than `LEAST`.
        """
        if draws < 1:
            raise ConfigError(f"draws is {draws}; write at least 1")
        if decoded is not None and decoded < LEAST:
            raise ConfigError(f"decoded is {decoded}; write at least {LEAST}")
        with torch.inference_mode():
            posterior = self.posterior(x)
            if decoded is None or decoded >= draws:
                found = importance_bound(self._pieces(x, posterior, noise, draws))
            else:
                found = self._thinned(x, posterior, noise, draws, decoded)
        # Clones, made out here, may be used like any other tensor.
        return found.clone()

    def _pieces(
        self, x: Tensor, posterior: NormalPosterior, noise: Noise, draws: int
    ) -> Iterator[Tensor]:
        """log p(x, z) - log q(z|x) of all samples, some draws at a time: `(k, B)` each."""
        most = max(1, min(draws, self._rows(x), CODES // (len(x) * self.latent)))
        for start in range(0, draws, most):
            z = posterior.sample(min(most, draws - start), noise)
            yield self.log_weights(z, x, posterior)

    def _thinned(
        self, x: Tensor, posterior: NormalPosterior, noise: Noise, draws: int, decoded: int
    ) -> ImportanceBound:
        """The bound of all draws with few of them decoded, some samples at a time."""
        most = max(1, CODES // (draws * self.latent))
        parts = (each.split(most) for each in (x, posterior.mean, posterior.log_var))
        return ImportanceBound.joined(
            [
                self._thinned_of(part, NormalPosterior(mean, log_var), noise, draws, decoded)
                for part, mean, log_var in zip(*parts, strict=True)
            ]
        )

    def _thinned_of(
        self, x: Tensor, posterior: NormalPosterior, noise: Noise, draws: int, decoded: int
    ) -> ImportanceBound:
        z = posterior.sample(draws, noise)

        def log_weights(places: Tensor) -> Tensor:
            rows = places.T.to(z.device)[..., None].expand(-1, -1, self.latent)
            return self.log_weights(z.gather(0, rows), x, posterior).T

        return thinned_bound(posterior.telling(z).transpose(0, 1), log_weights, decoded, noise)

    def log_weights(self, z: Tensor, x: Tensor, posterior: NormalPosterior) -> Tensor:
        """log p(x, z) - log q(z|x) in nats of codes `(k, B, Z)`, few decoded at a time: `(k, B)`."""
        rows = self._rows(x)
        together = max(1, rows // len(z))

        def log_likelihood(codes: Tensor, x: Tensor) -> Tensor:
            decoded = self.decoder(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
            return log_prob_of_draws(self.likelihood, decoded, x)

        # One sample's draws lie together, as the product with its pixels wants them.
        pairs = zip(z.transpose(0, 1).split(together), x.split(together), strict=True)
        parts = [
            torch.cat([log_likelihood(few, part) for few in codes.split(rows, 1)], 1)
            for codes, part in pairs
        ]
        return torch.cat(parts).T - (posterior.log_prob(z) - self.prior.log_prob(z))

    def _rows(self, x: Tensor) -> int:
        """How many samples are decoded at a time in `importance`."""
        entries = self.likelihood.outputs * x[0].numel()
        return max(1, ENTRIES.get(x.device.type, MANY) // entries)

    def posterior(self, x: Tensor) -> NormalPosterior:
        """q(z|x) of samples `(B, *shape)`."""
        return self.config.posterior(self.encoder(x))

    def encode(self, x: Tensor) -> Tensor:
        """The posterior's mean, `(B, Z)`."""
        return self.posterior(x).mean

    def decode(self, z: Tensor) -> Tensor:
        """E[x|z], `(B, *shape)`."""
        return self.likelihood.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """E[x | posterior mean of x]."""
        return self.decode(self.encode(x))

    def sample(self, count: int, noise: Noise) -> Tensor:
        """E[x|z] for z from the prior: the picture that papers show, without pixel noise."""
        return self.decode(self.prior.sample(count, noise))

    @override
    def health(self, parts: Mapping[str, float], done: float) -> str:
        rate, active = parts["elbo/rate"], parts["elbo/active"]
        nothing = self.least_kl * self.latent
        if rate < nothing + 0.1 and done < 0.1:
            return "the latents carry nothing yet"
        if rate < nothing + 0.1:
            return "collapsed: the latents carry nothing; lower model.beta, or raise it slowly"
        if not isinstance(self.config.prior, StandardNormal):
            return f"latents carry {rate:.1f} nats"
        return f"{active:.0f} of {self.latent} latents in use, carrying {rate:.1f} nats"
