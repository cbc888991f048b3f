"""Annealing is asked for, agrees with closed forms, and its values may be compared."""

import math
from dataclasses import replace

import pytest

from reverie.comparison import unlike
from reverie.evaluation import annealed as module
from reverie.evaluation.annealed import annealed
from reverie.latent.annealing import Annealing


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(module, "HOW", Annealing(steps=10, chains=4, leapfrogs=2, pilots=2))


def test_it_is_left_out_unless_it_is_asked_for(subject, families, noise_pictures):
    assert annealed(subject(families["vae"], noise_pictures())) == []


def test_a_vae_of_zero_weights_has_ln_2_a_pixel_and_no_gap(
    subject, families, noise_pictures, zero, by_metric
):
    """The likelihood does not depend on z: every temperature's weight is the same, and exact."""
    judged = subject(families["vae"], noise_pictures(), zero, chains=module.PART + 3)
    records = by_metric(annealed(judged))
    found = records["-log p(x) by AIS"]
    exact = pytest.approx(64 * math.log(2), rel=1e-6)
    assert found.value == exact and found.n == records["BDMC gap"].n == module.PART + 3
    assert found.reference == {"bound of 50 draws, the same samples": exact}
    assert records["BDMC gap"].value == pytest.approx(0, abs=1e-4)
    assert 0 < found.shown["acceptance"] <= 1


def test_the_error_is_over_samples_and_has_their_degrees(subject, families, noise_pictures):
    """Of one sample nothing is known of others; what its chains differ by is no error of a mean."""
    judged = (
        subject(families["vae"], noise_pictures(), folder=str(count), chains=count)
        for count in (4, 1)
    )
    several, one = (annealed(each)[0] for each in judged)
    assert (several.n, several.df, len(several.values)) == (4, 3, 4) and several.uncertainty > 0
    assert (one.n, one.uncertainty, one.df) == (1, None, None)


def test_two_models_may_be_compared(subject, families, noise_pictures, zero):
    """What their chains accept is their own, and no setting."""
    trees = []
    for folder, weights in (("a", zero), ("b", None)):
        judged = subject(families["vae"], noise_pictures(), weights, folder=folder, chains=3)
        trees.append({**annealed(judged)[0].to_dict(), "data": "same"})
    assert unlike(trees) == ""


def test_an_annealed_bound_below_the_entropy_of_the_pixels_is_no_value(
    subject, families, noise_pictures, monkeypatch, by_metric
):
    """Averaged over the 64 pixels instead of summed, about ln 2: far below the half nat of each."""
    judged = subject(families["vae"], noise_pictures(), chains=3)
    kept = module.ais

    def too_good(*arguments):
        found = kept(*arguments)
        return replace(found, log_weights=found.log_weights / 64)  # averaged over pixels

    monkeypatch.setattr(module, "ais", too_good)
    records = by_metric(annealed(judged))
    assert "no model reaches it" in records["-log p(x) by AIS"].reason
    assert records["BDMC gap"].value is not None


def test_what_has_no_likelihood_says_so(subject, families, noise_pictures):
    records = annealed(subject(families["gan"], noise_pictures(), chains=3))
    assert [record.metric for record in records] == ["-log p(x) by AIS", "BDMC gap"]
    assert {(record.value, record.reason) for record in records} == {
        (None, "a GAN has no likelihood")
    }
