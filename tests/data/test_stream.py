"""Batches: every sample once a pass, from the position alone, and nothing that a GPU must be waited for."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from reverie.data.dataset import Split
from reverie.data.stream import Stream
from reverie.tensors import noise_of

CPU = torch.device("cpu")


def split(count):
    """Samples whose one pixel is their number, and whose label is too."""
    return Split(torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1), torch.arange(count))


def test_every_sample_comes_once_in_each_pass_with_its_label():
    """Ten samples in batches of four: the passes meet within batches, and no remainder is dropped."""
    stream = Stream(split(10), 4, 0, "unit", CPU)
    batches = [stream.samples(number, (0, 4), noise_of(0)) for number in range(10)]
    x = torch.cat([(255 * x).round().long().flatten() for x, _ in batches])
    assert torch.equal(x, torch.cat([y for _, y in batches]))
    passes = x.view(4, 10)
    assert all(sorted(each.tolist()) == list(range(10)) for each in passes)
    assert len({tuple(each.tolist()) for each in passes}) == 4


@pytest.mark.parametrize("number", [3, 0, 7])
def test_a_batch_follows_from_its_number_whatever_came_before(number):
    made = Stream(split(10), 4, 5, "unit", CPU)
    for earlier in range(9):
        made.samples(earlier, (0, 4), noise_of(0))
    fresh = Stream(split(10), 4, 5, "unit", CPU)
    assert torch.equal(
        made.samples(number, (0, 4), noise_of(0))[0], fresh.samples(number, (0, 4), noise_of(0))[0]
    )


class Copies(TorchDispatchMode):
    """Counts what is copied from the CPU to another device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        given = [x for x in args if isinstance(x, torch.Tensor)]
        if isinstance(made, torch.Tensor) and made.device.type != "cpu":
            self.count += any(x.device.type == "cpu" for x in given)
        return made


def test_a_step_within_a_pass_copies_nothing_to_the_device():
    """Not the order, not the labels: a GPU would be waited for at each. `meta` stands for one."""
    stream = Stream(split(100), 8, 0, "unit", torch.device("meta"))
    with Copies() as first:
        stream.samples(0, (0, 8), noise_of(0))
    with Copies() as later:
        for number in range(1, 12):
            x, y = stream.samples(number, (0, 8), noise_of(0))
    assert (x.device.type, y.device.type) == ("meta", "meta")
    assert (first.count, later.count) == (1, 0)
