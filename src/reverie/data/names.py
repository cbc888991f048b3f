"""Many names in little memory: their letters and where each ends, since a folder may hold millions."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice

PART = 4096


class Names:
    """Names in the order they came in, at the cost of their letters and 8 bytes each."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._letters, self._ends = bytearray(), array("Q", [0])
        for name in names:
            self._letters += name.encode("utf-8", "surrogatepass")
            self._ends.append(len(self._letters))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place: int) -> str:
        letters = self._letters[self._ends[place] : self._ends[place + 1]]
        return letters.decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))


def in_order(names: Iterable[str]) -> Names:
    """The names sorted; no more than a part of them are ever held as strings."""
    rest = iter(names)
    parts = iter(lambda: sorted(islice(rest, PART)), [])
    return Names(heapq.merge(*[Names(part) for part in parts]))
