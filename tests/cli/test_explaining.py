"""Which errors become a line: ours are raised again, so that nobody is told to buy memory for a bug."""

import pytest

from reverie.cli import explain


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
    ],
)
def test_memory_that_ran_out_is_said_with_what_to_write(error, capsys):
    assert explain(error) == 1
    assert "not enough memory; write a smaller train.batch" in capsys.readouterr().err


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: an illegal memory access was encountered",
        "required rank 4 tensor to use channels_last memory format",
    ],
)
def test_another_error_that_speaks_of_memory_is_raised_again(message):
    with pytest.raises(RuntimeError, match=message):
        explain(RuntimeError(message))
