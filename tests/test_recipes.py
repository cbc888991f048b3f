"""A recipe says how to run it, what it takes and gives, and how it differs from its source."""

import inspect
import shlex

import pytest

from reverie import recipes
from reverie.config import from_tree, to_tree
from reverie.errors import ConfigError
from reverie.models import AutoencoderConfig, GANConfig, VAEConfig
from reverie.settings import Config, TrainConfig
from reverie.spec import Pixels, Vector

every_recipe = pytest.mark.parametrize("name", recipes.names())


@every_recipe
def test_a_recipe_has_a_title_and_its_four_sections_in_order(name):
    card = recipes.describe(name)
    assert list(card.sections) == ["Run", "Takes", "Expect", "Differs"]
    assert all(card.sections.values())
    assert card.title.endswith(".") and len(card.title) < 100


@every_recipe
def test_the_command_of_a_recipe_is_its_own(name):
    words = shlex.split(recipes.describe(name).sections["Run"])
    assert words[:3] == ["reverie", "train", name] and "--data" in words


@every_recipe
@pytest.mark.parametrize(
    "spec", [Pixels(shape=(1, 28, 28)), Pixels(shape=(3, 32, 32)), Vector(size=2)]
)
def test_a_recipe_gives_settings_that_survive_json(name, spec):
    model, train = recipes.find(name)(spec)
    assert isinstance(model, AutoencoderConfig | GANConfig | VAEConfig) and isinstance(
        train, TrainConfig
    )
    config = Config(recipe=name, model=model, train=train)
    assert from_tree(Config, to_tree(config)) == config


@every_recipe
def test_a_recipes_players_are_phases_of_its_model(name):
    spec = Pixels(shape=(1, 28, 28), classes=("a", "b"))
    model, train = recipes.find(name)(spec)
    assert set(train.players) <= {phase.name for phase in model.build(spec).phases()}


def test_every_function_of_the_families_is_listed_once():
    """A recipe that was written and not listed could not be run."""
    written = {
        value
        for module in (recipes.adversarial, recipes.deterministic, recipes.variational)
        for value in vars(module).values()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and "Run:" in (value.__doc__ or "")
    }
    assert written == set(recipes.RECIPES.values()) and len(written) == len(recipes.RECIPES)


def test_an_unknown_name_is_refused_with_the_closest():
    with pytest.raises(ConfigError, match=r"there is no recipe 'wgan'; did you mean"):
        recipes.find("wgan")
    with pytest.raises(ConfigError, match=r"there is no recipe 'zzz'; choose one of ae, "):
        recipes.find("zzz")
