"""Why latents carry nothing, and what to change: the collapse doctor.

A latent dimension is of use to a linear Gaussian model exactly when the data's variance along it is above
beta sigma^2 (Lucas et al. 2019, section 4; Higgins et al. 2017 for beta): that many latents, and no more,
can be active at the optimum. What is missing below that was lost on the way: by the decoder or in training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..latent.likelihoods import Gaussian, GaussianLikelihood
from ..models.vae import VAE
from ..schedules import value_at
from .subject import Subject

END = 10**15
"""Samples by which any schedule has ended."""
CARRIES = 0.01
"""Nats of KL below which a latent carries nothing."""


def diagnose(subject: Subject, active: int, kl: Tensor | None) -> str:
    """A sentence on latents that carry nothing: the cause, and what to change; empty if all is well.

    Arguments:
        subject: What is judged.
        active: The number of latents whose means vary.
        kl: The KL to the prior of each latent, `(Z,)`, above that of one that carries nothing; None where
            the prior is not N(0, I).
    """
    model = subject.model
    assert isinstance(model, VAE)
    total = model.latent
    used = active if kl is None else max(active, int((kl > CARRIES).sum()))
    if used == total:
        return ""
    head = f"{total - used} of {total} latents carry nothing"
    if used == 0:
        head = "posterior collapse: no latent carries anything"
    beta, likelihood = value_at(model.config.beta, END, END), model.likelihood
    if isinstance(likelihood, GaussianLikelihood):
        variances, sigma2 = eigenvalues(subject), float(likelihood.log_var.detach().exp())
        worth = int((variances > sigma2).sum())
        if worth < total and worth <= used + 1:
            law = model.config.likelihood
            learned = "the learned " if isinstance(law, Gaussian) and law.learn else ""
            few = f"only {worth} directions of the data vary by more than {learned}sigma^2"
            if learned or worth == len(variances):
                return f"{head}: {few} = {sigma2:.3g}; fewer latents (model.latent) would do"
            return (
                f"{head}: sigma is too large ({few} = {sigma2:.3g}); lower model.likelihood.scale, or "
                "learn it (model.likelihood.learn=true)"
            )
        if int((variances > beta * sigma2).sum()) < min(total, worth):
            return f"{head}: beta = {beta:g} asks for more than they bring; lower model.beta"
    elif beta > 1:
        return f"{head}: beta = {beta:g} asks for more than they bring; lower model.beta towards 1"
    if used > 0:
        return f"{head}; the others do the work, and model.latent={used} would do as well"
    if insensitive(subject):
        return (
            f"{head}: the decoder does without them, whatever it is given it answers the same; take a "
            "weaker decoder, or let the KL rise slowly (model.beta as a ramp from 0)"
        )
    return (
        f"{head}, though the data would pay for more: lost in training; let the KL rise slowly "
        "(model.beta as a ramp from 0), or lower train.optimizer.lr"
    )


def eigenvalues(subject: Subject) -> Tensor:
    """The variances of the training data along its principal directions, in the networks' range."""
    x = torch.cat(list(subject.in_range(subject.training))).cpu().flatten(1).double()
    centred = x - x.mean(0)
    # Of X'X and XX', which share what is not 0, the smaller: pixels squared may not fit in memory.
    squares = centred.T @ centred if x.shape[1] <= len(x) else centred @ centred.T
    return torch.linalg.eigvalsh(squares / max(len(x) - 1, 1))


def insensitive(subject: Subject, count: int = 200) -> bool:
    """Whether what is decoded hardly depends on the latents: below 1 % of the data's variance."""
    x = subject.loaded.decode(subject.loaded.noise(count, seed=subject.seed)).as_subclass(Tensor)
    data = subject.held_out[:count]
    return float(x.var(0).mean()) < 0.01 * float(data.var(0).mean())
