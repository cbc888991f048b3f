"""`reverie launch`: what it refuses before any worker is started."""

import os

import pytest


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], "none was given"),
        (["--workers", 3], "none was given"),
        (["--data", "mnist"], "--data stands in its place"),
    ],
)
def test_a_launch_without_a_command_says_in_a_line_what_to_write(
    arguments, found, reverie, monkeypatch
):
    monkeypatch.delenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", raising=False)
    said = reverie("launch", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"error: launch takes the command that workers run, and {found}; "
        "write it last, as in `reverie launch --workers 2 train vae`\n"
    )
    assert "TORCH_DISABLE_SHARE_RDZV_TCP_STORE" not in os.environ  # nothing was begun
