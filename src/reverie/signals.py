"""Ctrl-C and SIGTERM as something that a loop can look at when it is safe to stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from .errors import ReverieError


class InterruptedRunError(ReverieError):
    """A signal stopped the run after it was saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Signals:
    """Turns the first Ctrl-C or SIGTERM into a number to look at; a second Ctrl-C leaves at once."""

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
