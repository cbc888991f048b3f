"""The configuration refuses what cannot be meant, naming the field."""

import pytest

from reverie.config import from_tree, help_of, override, to_tree
from reverie.data import DataConfig
from reverie.errors import ConfigError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0),
        ("size", [64, 0]),
        ("size", [64]),
        ("size", 10**6),
        ("fit", "squeeze"),
        ("color", "red"),
        ("holdout", 0.0),
        ("holdout", 1.0),
        ("seed", -1),
        ("source", 3),
        ("sorce", "mnist"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_name(field, value):
    with pytest.raises(ConfigError, match=f"data.{field}"):
        from_tree(DataConfig, {field: value}, "data")


def test_a_size_is_a_side_or_height_and_width_and_survives_json():
    for written, hw in ((64, (64, 64)), ([48, 64], (48, 64)), (None, None)):
        config = from_tree(DataConfig, {"size": written})
        assert config.hw == hw
        assert from_tree(DataConfig, to_tree(config)) == config
    assert override(DataConfig(), ["size=[4,6]"]).wh == (6, 4)


def test_every_field_has_a_help_text():
    assert all(help_of(DataConfig).values())
