"""Variables that torchrun sets for all workers start none where one of them is alone."""

import pytest

from reverie.distributed import World, join
from reverie.errors import ConfigError
from reverie.torchrun import rank_and_size


@pytest.mark.parametrize(
    ("rank", "size", "expected"),
    [
        ("1", "2", (1, 2)),
        ("1", None, (0, 1)),
        (None, "2", (0, 1)),
        ("0", "", (0, 1)),
        ("x", "2", (0, 1)),
        (None, None, (0, 1)),
    ],
)
def test_both_variables_make_a_worker(rank, size, expected, monkeypatch):
    for name, value in (("RANK", rank), ("WORLD_SIZE", size)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert rank_and_size() == expected
    if expected == (0, 1):
        assert join("cpu") == World()


def test_workers_that_cannot_meet_say_how_they_are_started(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"MASTER_ADDR.*start them with `reverie launch`"):
        join("cpu")
