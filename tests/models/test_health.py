"""What a person reads beside the losses: who is ahead in a game, what latents carry."""

import pytest

from reverie.latent.posteriors import FixedGaussian
from reverie.latent.priors import GaussianMixture
from reverie.recipes import find
from reverie.spec import Pixels

SPEC = Pixels(shape=(1, 8, 8))


def health(name, done=0.5, **parts):
    config, _ = find(name)(SPEC)
    values = {key.replace("_", "/", 1): value for key, value in parts.items()}
    return config.build(SPEC).health(values, done)


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (9.0, "the critic wins by 9.0 logits: the generator learns little from it"),
        (1.5, "balanced: the critic is ahead by 1.50 logits"),
        (0.004, "the critic cannot tell real from generated: equilibrium, or it has stopped"),
        (-0.004, "the critic cannot tell real from generated: equilibrium, or it has stopped"),
        (-9.0, "fooled: the critic scores generated samples 9.00 logits above real ones"),
    ],
)
def test_a_critic_is_said_to_be_where_it_is(gap, said):
    assert health("gan", critic_gap=gap) == said


def test_scores_that_are_no_logits_have_no_unit():
    assert health("wgan-gp", critic_gap=3.0) == "the critic puts real and generated 3.00 apart"
    fooled = "fooled: the critic scores generated samples 3.00 above real ones"
    assert health("wgan-gp", critic_gap=-3.0) == fooled


def test_latents_that_carry_nothing_are_called_collapsed_but_not_at_the_start():
    empty = {"elbo_rate": 0.01, "elbo_active": 0.0}
    assert health("vae", 0.05, **empty) == "the latents carry nothing yet"
    assert health("vae", 0.5, **empty).startswith("collapsed: the latents carry nothing")
    # Of a fixed posterior each latent costs KL(N(0, s^2) || N(0, 1)) whatever it carries: 1.807 for 0.1.
    config, _ = find("vae")(SPEC)
    fixed = config.with_(latent=10, posterior=FixedGaussian(scale=0.1)).build(SPEC)
    assert fixed.health({"elbo/rate": 18.08, "elbo/active": 0.0}, 0.5).startswith("collapsed")
    assert "in use" in fixed.health({"elbo/rate": 19.0, "elbo/active": 2.0}, 0.5)
    # Of a learned prior the rate may be below that.
    learned = fixed.config.with_(prior=GaussianMixture()).build(SPEC)
    assert learned.health({"elbo/rate": 9.0, "elbo/active": 1.0}, 0.5) == "latents carry 9.0 nats"
    full = {"elbo_rate": 25.0, "elbo_active": 12.0}
    assert health("vae", 0.5, **full) == "12 of 20 latents in use, carrying 25.0 nats"
