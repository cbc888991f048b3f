"""Ctrl-C and SIGTERM as something that a loop can look at when it is safe to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .errors import ReverieError

HEARD = (signal.SIGINT, signal.SIGTERM)


class InterruptedRunError(ReverieError):
    """A signal stopped the run after it was saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Signals:
    """Turns the first Ctrl-C or SIGTERM into a number to look at; a second Ctrl-C leaves at once."""

    def __init__(self) -> None:
        self.number = 0
        self._heard = _heard_by(self._hear)

    def __enter__(self) -> Signals:
        self._heard.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._heard.__exit__(None, None, None)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number


@contextmanager
def stoppable(advice: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM leave at once with this advice: for work that loses nothing by it.

    Raises:
        InterruptedRunError: One came; of a run inside that was stopped by one, this advice stands for its.
    """
    heard = [signal.SIGINT]

    def leave(number: int, frame: FrameType | None) -> None:
        # What passes through a library's `except Exception` must not be taken for an error of its own.
        heard[0] = signal.Signals(number)
        raise KeyboardInterrupt

    try:
        with _heard_by(leave):
            yield
    except KeyboardInterrupt:
        raise InterruptedRunError(advice, heard[0]) from None
    except InterruptedRunError as error:
        raise InterruptedRunError(advice, error.exit_code - 128) from None


@contextmanager
def _heard_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Both signals go to a handler, and to whom they went before again; only a main thread hears any."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number in HEARD}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
