"""The critic's standing: ranks against scikit-learn's AUC, and critics whose answers are known."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from reverie.evaluation.critic import above, critic
from reverie.loading import Loaded
from reverie.losses.adversarial import (
    Hinge,
    LeastSquares,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from reverie.models import GANConfig
from reverie.networks import MLP

LINEAR = MLP(widths=())


@pytest.mark.parametrize("levels", [2, 5, 10**6])
def test_pairs_above_are_the_area_under_the_roc_curve_ties_and_all(levels):
    generator = torch.Generator().manual_seed(levels)
    for a_count, b_count, shift in ((50, 80, 0), (80, 50, 0.3), (1, 7, 0), (300, 1, 0)):
        a = (torch.rand(a_count, generator=generator) * levels + shift * levels).floor()
        b = (torch.rand(b_count, generator=generator) * levels).floor()
        truth = torch.cat([torch.ones(a_count), torch.zeros(b_count)])
        expected = roc_auc_score(truth.numpy(), torch.cat([a, b]).numpy())
        assert above(a, b) == pytest.approx(expected, abs=1e-12)


def test_equal_scores_and_separate_scores_are_a_half_and_one():
    assert above(torch.zeros(9), torch.zeros(4)) == 0.5
    assert above(torch.ones(9), torch.zeros(4)) == 1 and above(torch.zeros(9), torch.ones(4)) == 0


@pytest.fixture
def judged(subject, dataset, monkeypatch):
    """A GAN whose critic gives a point's first entry, on points that lie at these places."""

    def make(train, held_out, generated, game=None, count=200, seen=None):
        def weights(model):
            for parameter in model.critic.parameters():
                parameter.zero_()
            model.critic[-1].weight[0, 0] = 1

        generator = torch.Generator().manual_seed(0)
        x, y, samples = (
            torch.randn(count, 2, generator=generator) + torch.tensor([place, 0])
            for place in (train, held_out, generated)
        )
        monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: samples[:count])
        config = GANConfig(latent=2, generator=LINEAR, critic=LINEAR, game=game or NonSaturating())
        return subject(config, dataset(x, y), weights, seen=seen)

    return make


def test_a_critic_that_knows_nothing_by_heart_is_not_warned_of(judged, by_metric):
    """Three draws from N(0, 1): AUCs of 1/2, with a deviation of sqrt(401 / 12) / 200 = 0.029."""
    records = by_metric(critic(judged(0.0, 0.0, 0.0)))
    for name in ("critic: training above held-out", "critic: held-out above generated"):
        assert records[name].value == pytest.approx(0.5, abs=4 * 0.029)
        assert records[name].warnings == () and records[name].n == 200
        assert records[name].direction == "none"


def test_a_critic_that_has_learned_the_training_set_is_warned_of(judged, by_metric):
    """Scores 1 and 0 apart by 2: P(a > b) = Phi(2 / sqrt 2) = 0.921."""
    record = by_metric(critic(judged(2.0, 0.0, 0.0)))["critic: training above held-out"]
    assert record.value == pytest.approx(0.921, abs=0.04)
    [warning] = record.warnings
    assert warning.startswith(
        f"the critic tells training from held-out data ({100 * record.value:.0f} %"
    )


def test_the_deviation_is_that_of_ranks_that_are_alike(judged, by_metric):
    """sqrt((m + n + 1) / (12 m n)): six and six deviate by 0.17, and 0.78 is within three of that."""
    record = by_metric(critic(judged(0.8, 0.0, 0.0, count=6)))["critic: training above held-out"]
    assert record.value > 0.6 and record.warnings == ()
    assert record.uncertainty == pytest.approx((13 / (12 * 36)) ** 0.5)


def test_how_far_the_critic_is_ahead_is_measured_on_held_out_data(judged, by_metric):
    """Training data scores as high as anything; held-out data does not, and that is what counts."""
    records = by_metric(critic(judged(9.0, 0.0, 2.0)))
    ahead = records["critic: held-out above generated"]
    assert ahead.value == pytest.approx(1 - 0.921, abs=0.04) and ahead.reference == {
        "equilibrium": 0.5
    }


def test_signs_are_counted_where_0_is_the_border(judged, by_metric):
    """2 Phi(1) - 1 = 0.683 at 1, 0 at 0, -0.683 at -1; the deviation over 200 is at most 0.07."""
    record = by_metric(critic(judged(1.0, 0.0, -1.0)))["critic: mean sign on training data"]
    assert record.value == pytest.approx(0.683, abs=0.2)
    assert record.reference["held-out data"] == pytest.approx(0, abs=0.28)
    assert record.reference["generated"] == pytest.approx(-0.683, abs=0.2)


@pytest.mark.parametrize(("mirrored", "expected"), [(False, 1.0), (True, 0.0)])
def test_the_mean_sign_of_scores_above_0_is_one_and_of_symmetric_ones_zero(
    mirrored, expected, subject, dataset, by_metric, monkeypatch
):
    """Karras et al. (2020), r_t = E sign D of the training data, exactly: the critic gives a point's first
    entry, which is above 0, or stands beside its mirror image. Held-out data is symmetric, samples below 0.
    """

    def first_entry(model):
        for parameter in model.critic.parameters():
            parameter.zero_()
        model.critic[-1].weight[0, 0] = 1

    half = 0.1 + torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    symmetric, above_0 = torch.cat([half, -half]), torch.cat([half, half])
    train = symmetric if mirrored else above_0
    monkeypatch.setattr(Loaded, "sample", lambda self, count, seed=0: -above_0[:count])
    config = GANConfig(latent=2, generator=LINEAR, critic=LINEAR, game=NonSaturating())
    found = by_metric(critic(subject(config, dataset(train, symmetric), first_entry)))
    record = found["critic: mean sign on training data"]
    assert record.value == expected
    assert record.reference == {"held-out data": 0.0, "generated": -1.0}


@pytest.mark.parametrize("game", [NonSaturating(), Hinge()])
def test_games_with_a_border_at_0_have_signs(game, judged, by_metric):
    record = by_metric(critic(judged(0, 0, 0, game)))["critic: mean sign on training data"]
    assert record.value is not None


@pytest.mark.parametrize("game", [Wasserstein(), Relativistic(), LeastSquares()])
def test_games_whose_scores_may_be_shifted_have_no_signs(game, judged, by_metric):
    """A Wasserstein or relativistic critic plus any constant plays the same; least squares has 1/2."""
    record = by_metric(critic(judged(0, 0, 0, game)))["critic: mean sign on training data"]
    assert record.value is None
    assert record.reason == f"a {game.kind} critic's scores have no border at 0"


def test_models_without_a_critic_say_so(subject, families, noise_pictures):
    for name, words in {"ae": "an autoencoder", "vae": "a VAE"}.items():
        records = critic(subject(families[name], noise_pictures(), folder=name))
        assert [record.metric for record in records] == [
            "critic: training above held-out",
            "critic: held-out above generated",
            "critic: mean sign on training data",
        ]
        assert {record.reason for record in records} == {f"{words} has no critic"}


def test_of_data_that_the_critic_was_not_trained_on_nothing_is_called_its_memory(
    judged, by_metric
):
    records = by_metric(critic(judged(2.0, 0.0, 0.0, seen="f" * 64)))
    for name in ("critic: training above held-out", "critic: mean sign on training data"):
        assert records[name].value is None and records[name].warnings == ()
        assert records[name].reason.startswith("it was trained on other data (fingerprint ffff")
    assert records["critic: held-out above generated"].value is not None
