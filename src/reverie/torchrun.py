"""What torchrun tells the workers that it starts, in their environment."""

from __future__ import annotations

import os


def rank_and_size() -> tuple[int, int]:
    """This worker's number and how many there are; 0 and 1 where torchrun did not say both.

    Other launchers and shells leave one of the variables behind, which alone starts no workers.
    """
    try:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1
