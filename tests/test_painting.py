"""Where pictures stand on the sheets: a claim of every report."""

import pytest
import torch

from reverie.painting import COLUMNS, across, beside


@pytest.mark.parametrize("count", [1, 10, COLUMNS, COLUMNS + 4])
def test_every_original_stands_over_its_reconstruction(count):
    """Picture i is a sheet of the number i, its reconstruction of 100 + i: in a row of their own each."""
    x = torch.arange(count).view(-1, 1, 1, 1).float()
    sheet, width = beside(x, x + 100).flatten(), across(x)
    rows = sheet.view(-1, width)
    assert width == min(count, COLUMNS) and len(rows) == 2 * -(-count // width)
    originals, again = rows[0::2].flatten(), rows[1::2].flatten()
    assert torch.equal(originals[:count], x.flatten())
    assert torch.equal(again[:count], x.flatten() + 100)
    assert (originals[count:] == 1).all() and (again[count:] == 1).all()
