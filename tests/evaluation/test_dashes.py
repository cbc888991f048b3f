"""A metric of one family is a value or a dash with its reason in every other, on the same data."""

from dataclasses import replace

import pytest
import torch

from reverie.comparison import column
from reverie.data import DataConfig, Split, open_dataset
from reverie.evaluation.reconstruction import MS_SSIM_SIDE, likeness
from reverie.evaluation.session import MEASURES
from reverie.latent.annealing import Annealing

OF_ITS_LOSS = {"held-out -elbo", "held-out distortion", "held-out rate"}
"""Each family's own, named in the words of its loss."""


@pytest.fixture(scope="module")
def sprites():
    """The first 300 of each split: how many there are changes no name."""
    data = open_dataset(DataConfig(source="sprites", size=16))
    train, test = (Split(part.x[:300], part.y[:300]) for part in (data.train, data.test))
    return replace(data, train=train, test=test)


@pytest.fixture(autouse=True)
def briefly(monkeypatch):
    """Anneals in a few steps."""
    brief = Annealing(steps=2, chains=2, leapfrogs=1, pilots=2)
    monkeypatch.setattr("reverie.evaluation.annealed.HOW", brief)


def large(dataset):
    x = torch.randint(0, 256, (24, 1, MS_SSIM_SIDE, MS_SSIM_SIDE)).to(torch.uint8)
    return dataset(x[:12], x[12:])


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: f"{m.name}, {m.judge.__name__}")
@pytest.mark.parametrize("kind", ["noise", "sprites"])
def test_every_family_has_a_record_of_what_another_is_measured_by(
    kind, measure, subject, families, noise_pictures, sprites
):
    data = noise_pictures() if kind == "noise" else sprites
    columns, valued = {}, set()
    for name, config in families.items():
        judged = subject(config, data, folder=name, samples=60, draws=3, images=5, chains=2)
        records = measure.records(judged)
        columns[name] = {column(record.metric) for record in records} - OF_ITS_LOSS
        valued |= {column(record.metric) for record in records if record.value is not None}
        assert all(record.reason for record in records if record.value is None)
    # What no data of this kind has a value of needs no dash.
    known = (valued - OF_ITS_LOSS) | (columns["vae"] & columns["gan"])
    for name, found in columns.items():
        assert known <= found, name


def test_pictures_large_enough_for_ms_ssim_have_a_dash_where_there_is_no_encoder(
    subject, families, dataset, by_metric
):
    torch.manual_seed(0)
    data = large(dataset)
    found = {
        name: by_metric(likeness(subject(config, data, folder=name)))
        for name, config in families.items()
    }
    assert found["gan"]["MS-SSIM"].reason == "a GAN has no encoder"
    assert found["vae"]["MS-SSIM"].value is not None
    assert found["ae"].keys() == found["vae"].keys() == found["gan"].keys()
