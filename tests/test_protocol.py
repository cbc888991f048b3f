"""What may be asked of `evaluate` is in one place, and says in JSON what two values must share."""

import dataclasses
import json
from pathlib import Path

import pytest

from reverie.errors import ConfigError
from reverie.protocol import LEAST, Asked, Protocol


def test_every_field_may_be_asked_for_by_its_keyword():
    fields = {item.name: item.type for item in dataclasses.fields(Protocol)}
    assert fields == {name: kind.__forward_arg__ for name, kind in Asked.__annotations__.items()}


def test_a_file_may_be_named_by_its_path():
    named = Protocol(extractor=Path("a") / "mine.json", lpips=Path("b"))
    assert named == Protocol(extractor="a/mine.json", lpips="b")
    assert json.loads(json.dumps(named.to_dict()))["extractor"] == "a/mine.json"


@pytest.mark.parametrize("name", LEAST)
def test_numbers_that_are_too_small_are_refused(name):
    assert getattr(Protocol(**{name: LEAST[name]}), name) == LEAST[name]
    message = f"{name} is {LEAST[name] - 1}; write at least {LEAST[name]}"
    with pytest.raises(ConfigError, match=message):
        Protocol(**{name: LEAST[name] - 1})


def test_where_pinned_weights_lie_is_no_difference_between_two_protocols():
    """Seeds that were judged on two machines are one row; what was not asked for is not said."""
    one, two = Protocol(lpips="/a/weights"), Protocol(lpips="b")
    assert one.to_dict() == two.to_dict() != Protocol().to_dict()
    assert "lpips" not in Protocol().to_dict()
    assert json.loads(json.dumps(one.to_dict())) == one.to_dict()
