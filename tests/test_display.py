"""What a person sees while training: a panel on a terminal, plain lines or JSON elsewhere."""

import errno
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from reverie import display
from reverie.monitor import Listener, Progress


def progress(step, loss=2.5):
    return Progress(
        step=step,
        steps=1000,
        seen=step * 64,
        seconds=12.0,
        rate=1234.5,
        remaining=3725.0,
        values={"elbo/-bound": loss, "elbo/active": 7.0},
        units={"elbo/-bound": "nats"},
        health="7 of 16 latents are used",
    )


def tell(listener):
    listener.worked("reading", 0, 10)
    listener.said("3 files were skipped: a[/b].png, [red]c.png")
    listener.began(Path("runs/[/x]"), 0, 1000)
    for step in (1, 500, 1000):
        listener.progressed(progress(step, 2.5 / step))
    listener.pictured(Path("runs/x/samples/1.png"))
    listener.worked("judging", 1, 4)
    listener.ended()


def test_plain_lines_show_units_speed_and_the_rest_of_the_time(capsys):
    listener = display.PlainLines()
    tell(listener)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "reading ...",
        "note: 3 files were skipped: a[/b].png, [red]c.png",
        "training runs/[/x], step 0 of 1,000",
    ]
    assert lines[3] == (
        "step 1/1,000  1,234 samples/s  1:02:05 left  elbo/-bound 2.5 nats  elbo/active 7  "
        "7 of 16 latents are used"
    )
    # Seconds apart at most but for the last step; the one between is left out.
    assert [line.split()[1] for line in lines[3:5]] == ["1/1,000", "1,000/1,000"]
    assert lines[5] == "judging ..."


@pytest.mark.parametrize("listener", [display.PlainLines, display.JsonLines])
def test_a_full_disk_under_the_log_stops_no_run_and_a_reader_that_left_does(listener, monkeypatch):
    def fail(*text, flush):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.print", fail)
    listener().said("a line")
    monkeypatch.setattr(
        "builtins.print", lambda *text, flush: (_ for _ in ()).throw(BrokenPipeError)
    )
    with pytest.raises(BrokenPipeError):
        listener().said("a line")


def test_closed_output_is_no_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert isinstance(display.for_a_person(), display.PlainLines)


def test_json_lines_are_events(capsys):
    tell(display.JsonLines())
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == [
        "note",
        "began",
        "progress",
        "progress",
        "progress",
        "picture",
    ]
    assert events[2]["values"]["elbo/-bound"] == {"value": 2.5, "unit": "nats"}


def test_the_panel_shows_all_and_takes_names_as_text():
    """A file name is not markup: `[/b]` must not end the program."""
    listener, shown = display.LivePanel(), io.StringIO()
    listener.console = Console(file=shown, force_terminal=True, width=100, color_system=None)
    tell(listener)
    text = shown.getvalue()
    for part in (
        "a[/b].png, [red]c.png",
        "runs/[/x]",
        "step 1,000 of 1,000",
        "1,234 samples/s",
        "1:02:05 left",
    ):
        assert part in text
    assert (
        "elbo/-bound" in text
        and "7 of 16 latents are used" in text
        and "Ctrl-C saves and stops" in text
    )


def test_the_panel_of_a_second_run_is_drawn_anew():
    """`bench` and `recipes verify` train one run after another with one listener."""
    listener, shown = display.LivePanel(), io.StringIO()
    listener.console = Console(file=shown, force_terminal=True, width=100, color_system=None)
    tell(listener)
    first = len(shown.getvalue())
    tell(listener)
    assert "step 1,000 of 1,000" in shown.getvalue()[first:]
    assert len(listener.courses["elbo/-bound"]) == 3


def test_there_is_no_panel_where_there_is_no_terminal(capsys):
    assert type(display.for_a_person()) is display.PlainLines


def test_a_plain_listener_hears_all_and_says_nothing(capsys):
    tell(Listener())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00"), (59.4, "00:59"), (59.6, "01:00"), (3599.6, "1:00:00"), (90061, "25:01:01")],
)
def test_a_clock_rounds_to_seconds(seconds, text):
    assert display.clock(seconds) == text


def test_a_spark_has_the_lowest_and_highest_block_at_the_extremes():
    assert display.spark([1.0]) == "▁" and display.spark([2.0, 2.0]) == "▁▁"
    assert display.spark([0.0, 1.0]) == "▁█"
    long = display.spark([float(i) for i in range(1000)])
    assert len(long) == 24 and long[0] == "▁" and long[-1] == "█" and list(long) == sorted(long)
