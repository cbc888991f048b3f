"""Samples in a file are read in place, and memory does not grow with what was read."""

import gc
import os

import numpy as np
import pytest
import torch

from reverie.data.mapped import MappedArray
from reverie.errors import StorageError


def resident_bytes():
    """Pages of files that this process holds, as Linux counts them."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[2]) * os.sysconf("SC_PAGESIZE")


@pytest.fixture
def stored(tmp_path):
    x = np.arange(64 * 1024 * 1024 // 4, dtype=np.float32).reshape(-1, 1024)
    np.save(tmp_path / "x.npy", x)
    return tmp_path / "x.npy", x


def open_mapped(path, x):
    return MappedArray(path, path.stat().st_size - x.nbytes, x.shape, x.dtype)


def test_rows_are_copies_of_what_is_stored(stored):
    path, x = stored
    index = torch.tensor([5, 0, 16383, 5])
    rows = open_mapped(path, x).rows(index)
    np.testing.assert_array_equal(rows, x[index])
    rows.zero_()
    np.testing.assert_array_equal(open_mapped(path, x).rows(index), x[index])


def test_writing_to_the_samples_leaves_the_file_alone(stored):
    path, x = stored
    opened = open_mapped(path, x)
    opened.x[0] = -1
    np.testing.assert_array_equal(np.load(path, mmap_mode="r")[0], x[0])


@pytest.mark.skipif(
    not os.path.exists("/proc/meminfo"), reason="asks Linux how much memory there is"
)
def test_a_file_larger_than_memory_is_opened_and_read(tmp_path):
    """A quarter more than memory and swap together; all but its header is a hole."""
    with open("/proc/meminfo") as file:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in file}
    count = int(1.25 * 1024 * (sizes["MemTotal"] + sizes["SwapTotal"])) // 4096
    path = tmp_path / "x.npy"
    path.write_bytes(b"header--")
    os.truncate(path, 8 + count * 4096)
    with open(path, "r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\x07" * 4096)
    opened = MappedArray(path, 8, (count, 4096), np.dtype(np.uint8))
    rows = opened.rows(torch.tensor([0, count - 1]))
    assert rows[0].sum() == 0 and rows[1].sum() == 7 * 4096 and opened.x[count - 1, 5] == 7


def test_memory_stays_flat_however_much_is_read(stored):
    """All 64 MB are read; less than 4 MB of them may count as this process's."""
    path, x = stored
    opened = open_mapped(path, x)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    before = resident_bytes()
    peak, total = 0, 0.0
    for index in order.split(64):
        total += opened.rows(index).double().sum().item()
        peak = max(peak, resident_bytes() - before)
    assert total == x.sum(dtype=np.float64)
    assert peak < 4 << 20


def test_no_rows_and_rows_from_the_end_are_as_in_memory(stored):
    path, x = stored
    opened = open_mapped(path, x)
    assert opened.rows(torch.empty(0, dtype=torch.int64)).shape == (0, 1024)
    np.testing.assert_array_equal(opened.rows(torch.tensor([-1])), x[-1:])
    with pytest.raises(IndexError, match="16384 to 16384 of 16384 samples"):
        opened.rows(torch.tensor([16384]))


def test_a_file_cut_short_in_use_is_an_error_and_no_noise(stored):
    path, x = stored
    opened = open_mapped(path, x)
    with path.open("r+b") as file:
        file.truncate(1 << 20)
    with pytest.raises(StorageError, match=r"x.npy: was cut short while it was in use"):
        opened.rows(torch.tensor([16000]))


def test_a_forgotten_split_gives_its_file_back(stored):
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    path, x = stored
    before = open_files()
    opened = open_mapped(path, x)
    assert open_files() > before
    del opened
    gc.collect()
    assert open_files() == before
