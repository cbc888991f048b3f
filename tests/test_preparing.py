"""What is decided before training: the data that is opened is what is written down, and can be typed."""

import pytest

from reverie import recipes
from reverie.config import leaves, override
from reverie.data import DataConfig
from reverie.errors import ConfigError
from reverie.monitor import Listener
from reverie.preparing import assignments, prepare


def test_data_that_is_overridden_as_a_whole_is_opened_as_it_is_written_down(pictures):
    found = prepare("ae", "mnist", [f'data={{"source": "{pictures}"}}'], Listener())
    assert found.dataset.name == "pictures" and found.config.data.source == str(pictures)


@pytest.mark.parametrize("text", ['data={"size": 9}', "data.source=ring"])
def test_data_that_is_named_is_not_replaced_by_an_override(text, pictures):
    with pytest.raises(ConfigError, match="the data is named by itself"):
        prepare("ae", str(pictures), [text], Listener())


def test_an_option_is_not_lost_to_an_override_of_what_holds_it():
    with pytest.raises(
        ConfigError, match=r"train\.seed is given twice, as an option and as train="
    ):
        assignments(None, None, ['train={"batch": 32}'], seed=7)


@pytest.mark.parametrize(
    ("data", "overrides"),
    [
        ("pictures.npy", []),
        (DataConfig(source="pictures.npy"), []),
        ("mnist", ["data.source=pictures.npy"]),
    ],
)
def test_a_path_from_here_is_found_from_anywhere_later(data, overrides, pictures, monkeypatch):
    monkeypatch.chdir(pictures.parent)
    found = prepare("ae", data, overrides, Listener())
    assert found.config.data.source == str(pictures)


def test_what_was_said_of_the_data_is_given_as_it_would_be_typed(pictures):
    said = DataConfig(source=str(pictures), flip=True, fit="pad", size=(9, 9))
    found = prepare("ae", said, [], Listener())
    assert set(found.given) == {"data.flip=true", "data.fit=pad", "data.size=[9, 9]"}
    again = prepare("ae", str(pictures), found.given, Listener())
    assert again.config == found.config


@pytest.mark.parametrize("recipe", recipes.names())
def test_every_setting_that_is_shown_can_be_typed(recipe):
    """Each alone, and all at once."""
    config = prepare(recipe, "ring", [], Listener()).config
    shown = [f"{path}={value}" for path, value, _ in leaves(config)]
    assert len(shown) > 20
    for each in shown:
        assert override(config, [each]) == config, each
    assert override(config, shown) == config


def test_a_recipe_is_not_renamed(pictures):
    with pytest.raises(ConfigError, match="the recipe is named by itself, here 'ae'"):
        prepare("ae", str(pictures), ["recipe=vae"], Listener())
