"""A part of a split stands for all of it, the same part for everyone."""

import torch

from reverie.data.dataset import Split
from reverie.data.drawing import drawn

SPLIT = Split(torch.arange(1000.0)[:, None], torch.arange(1000))


def test_samples_keep_their_labels_and_none_is_drawn_twice():
    part = drawn(SPLIT, 300)
    assert torch.equal(part.x[:, 0].long(), part.y) and len(part.y.unique()) == 300


def test_a_smaller_part_is_the_beginning_of_a_larger_one():
    assert torch.equal(drawn(SPLIT, 100).x, drawn(SPLIT, 300).x[:100])
    assert torch.equal(drawn(SPLIT, 2000).x.sort(0).values, SPLIT.x)


def test_the_order_is_not_the_stored_one():
    """The mean of 100 of 0 to 999 deviates by 27 from 499.5."""
    assert abs(float(drawn(SPLIT, 100).x.mean()) - 499.5) < 4 * 27


def test_what_has_no_labels_is_drawn_without():
    assert drawn(Split(SPLIT.x), 5).y is None
