"""Which errors become a line: ours are raised again, so that nobody is told to buy memory for a bug."""

import os
import subprocess
import sys

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


def test_a_console_without_our_bars_and_arrows_shows_what_it_can(pictures, tmp_path):
    """The histogram of `data inspect` is made of blocks, which Latin-1 lacks."""
    command = [sys.executable, "-m", "reverie", "data", "inspect", str(pictures)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "REVERIE_CACHE": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"values:     0 ????" in done.stdout


def test_a_path_that_settings_cannot_carry_is_named_in_a_line(reverie):
    for command in (["train", "vae"], ["data", "inspect"]):
        where = ["--data"] if command[0] == "train" else []
        said = reverie(*command, *where, "bad\udcff")
        assert said.code == 3 and said.err.count("\n") == 1
        assert "a path that is not UTF-8" in said.err
