"""Many names come out in order, and take little more than their letters."""

import random
import tracemalloc

import pytest

from reverie.data import names as naming
from reverie.data.names import Names, in_order


@pytest.fixture
def odd():
    """Beyond ASCII, beyond 16 bits, and with a byte that is no UTF-8."""
    return ["b", "a/x", "a-b", "a", "", "é", "\uffee", "\U0001f600", "\udcff", "Z"]


def test_names_come_back_as_they_went_in(odd):
    names = Names(odd)
    assert list(names) == odd
    assert (len(names), names[2]) == (len(odd), "a-b")


@pytest.mark.parametrize("part", [1, 3, 4096])
def test_parts_are_merged_into_the_order_of_strings(odd, part, monkeypatch):
    monkeypatch.setattr(naming, "PART", part)
    assert list(in_order(odd)) == sorted(odd)


def test_no_names_are_no_names():
    assert list(in_order([])) == list(Names()) == []


def test_a_name_takes_its_letters_and_eight_bytes():
    """The letters are 11; what grows by appending has up to an eighth to spare."""
    count = 50_000
    numbers = random.Random(0).sample(range(count), count)
    tracemalloc.start()
    names = in_order(f"{number:07}.png" for number in numbers)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert names[1234] == "0001234.png"
    assert kept < count * (11 + 8) * 9 / 8 + 10_000
    assert peak < 4 * count * (11 + 8)
