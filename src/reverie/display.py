"""What a person sees while training: a live panel, plain lines, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from .monitor import Listener, Progress

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

PLAIN_SECONDS = 10.0


def tell(line: str) -> None:
    """Prints a line at once; one that a full disk has no room for is lost, and no run with it."""
    try:
        print(line, flush=True)
    except BrokenPipeError:  # whoever read it has left
        raise
    except OSError:
        pass


class JsonLines(Listener):
    """Every event as a line of JSON."""

    @override
    def said(self, message: str) -> None:
        self._line(event="note", message=message)

    @override
    def began(self, path: Path, step: int, steps: int) -> None:
        self._line(event="began", run=str(path), step=step, steps=steps)

    @override
    def progressed(self, progress: Progress) -> None:
        self._line(event="progress", **progress.line())

    @override
    def pictured(self, path: Path) -> None:
        self._line(event="picture", path=str(path))

    def _line(self, **event: Any) -> None:
        tell(json.dumps(event))


class PlainLines(Listener):
    """A line now and then, for logs and pipes."""

    def __init__(self) -> None:
        self._told = 0.0
        self._working = ""

    @override
    def said(self, message: str) -> None:
        self._line(f"note: {message}")

    @override
    def worked(self, what: str, done: int, total: int) -> None:
        if what != self._working and done < total:
            self._line(f"{what} ...")
        self._working = what if done < total else ""

    @override
    def began(self, path: Path, step: int, steps: int) -> None:
        self._line(f"training {path}, step {step:,} of {steps:,}")

    @override
    def progressed(self, progress: Progress) -> None:
        now, last = time.monotonic(), progress.step == progress.steps
        if now - self._told < PLAIN_SECONDS and self._told and not last:
            return
        self._told = now
        self._line(
            f"step {progress.step:,}/{progress.steps:,}  {progress.rate:,.0f} samples/s  "
            f"{clock(progress.remaining)} left  {losses(progress)}  {progress.health}"
        )

    def _line(self, text: str) -> None:
        tell(text)


class LivePanel(Listener):
    """A panel that is drawn over itself: bar, speed, losses, health, and where the pictures are."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console()
        self.live: Live | None = None
        self.path: Path | None = None
        self.panel: Any = ""
        self.courses: dict[str, list[float]] = {}

    @override
    def said(self, message: str) -> None:
        from rich.markup import escape

        self.console.print(f"[yellow]note:[/] {escape(message)}", highlight=False)

    @override
    def worked(self, what: str, done: int, total: int) -> None:
        from rich.console import Group
        from rich.text import Text

        share = f"{100 * done / max(total, 1):.0f} %" if done < total else "done"
        self._show(Group(self.panel, Text(f"{what} ... {share}", style="dim")))

    @override
    def began(self, path: Path, step: int, steps: int) -> None:
        from rich.text import Text

        self.path, self.panel, self.courses = path, "", {}
        self._show(Text(f"{path}: step {step:,} of {steps:,} ..."))

    @override
    def progressed(self, progress: Progress) -> None:
        for name, value in progress.values.items():
            self.courses.setdefault(name, []).append(value)
        self.panel = self._panel(progress)
        self._show(self.panel)

    @override
    def ended(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _show(self, what: Any) -> None:
        from rich.live import Live

        if self.live is None:
            self.live = Live(console=self.console, refresh_per_second=4, transient=False)
            self.live.start()
        self.live.update(what)

    def _panel(self, progress: Progress) -> Any:
        from rich.console import Group
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Text.assemble(
            (f"step {progress.step:,} of {progress.steps:,}", "bold"),
            f"   {progress.rate:,.0f} samples/s   {clock(progress.remaining)} left",
        )
        # A bar ends without a new line: bare, it would swallow the first loss.
        bar = Table.grid(expand=True)
        bar.add_row(ProgressBar(progress.steps, progress.step))
        rows: list[Any] = [head, bar, self._losses(progress)]
        if progress.health:
            rows.append(Text(f"health  {progress.health}", style="green"))
        rows.append(Text(f"pictures in {self.path}/samples   Ctrl-C saves and stops", style="dim"))
        return Panel(
            Group(*rows), title=Text(str(self.path)), title_align="left", border_style="blue"
        )

    def _losses(self, progress: Progress) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for name, value in progress.values.items():
            table.add_row(
                name, f"{value:.4g} {progress.units.get(name, '')}", spark(self.courses[name])
            )
        return table


def for_a_person() -> Listener:
    """The live panel where there is a terminal to draw it on, else plain lines."""
    return LivePanel() if on_terminal() else PlainLines()


def on_terminal() -> bool:
    """Whether there is a terminal to draw on; a service may have closed its output."""
    return sys.stdout is not None and sys.stdout.isatty()


def losses(progress: Progress) -> str:
    """The logged values in one line, with units."""
    return "  ".join(
        f"{name} {value:.4g} {progress.units.get(name, '')}".rstrip()
        for name, value in progress.values.items()
    )


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def spark(values: list[float], width: int = 24) -> str:
    """The course of a value in one line of blocks."""
    bars = "▁▂▃▄▅▆▇█"
    if len(values) > width:
        values = [values[round(k * (len(values) - 1) / (width - 1))] for k in range(width)]
    low, high = min(values), max(values)
    if high == low:
        return bars[0] * len(values)
    return "".join(bars[int((value - low) / (high - low) * 7.999)] for value in values)
