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


@pytest.mark.parametrize(
    ("command", "hint"),
    [("bench", "choose one of resume, train"), ("tran", "did you mean 'train'?")],
)
def test_a_command_that_workers_cannot_share_is_refused_before_any_starts(command, hint, reverie):
    said = reverie("launch", "-w", 2, command, "vae")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"error: workers share the batches of one training, and {command!r} is another command; {hint}\n"
    )
