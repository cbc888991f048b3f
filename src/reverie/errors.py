"""The errors a person can meet. Each message says where, what was found, and what to write instead.

The command line turns them into one line and an exit code; a traceback that a user sees is our mistake.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ReverieError(Exception):
    """Anything that Reverie refuses or cannot do; `exit_code` is what the command returns."""

    exit_code = 1


class ConfigError(ReverieError, ValueError):
    """A configuration, an option or an argument cannot be used as given."""

    exit_code = 2


class CapabilityError(ReverieError, TypeError):
    """A model was asked for what it cannot do; the message says what it can."""

    exit_code = 2


class DataError(ReverieError, ValueError):
    """The data cannot be used as it is; the message lists the files or entries at fault."""

    exit_code = 3


class ModelFileError(ReverieError, ValueError):
    """A saved model or checkpoint is missing, altered, truncated or of another version."""

    exit_code = 3


class DivergedError(ReverieError, ArithmeticError):
    """A loss or a weight stopped being finite; the last good state was kept."""

    exit_code = 4


class StorageError(ReverieError, OSError):
    """A file could not be written (disk full, permissions); what was there before is intact."""

    exit_code = 5


MEANT = {"gpu": "cuda"}
"""Words that mean another which is not spelled alike."""


def did_you_mean(given: object, allowed: Iterable[object]) -> str:
    """Names the closest allowed value, or lists all of them: the tail of an error message."""
    names = sorted(str(name) for name in allowed)
    if (meant := MEANT.get(str(given).lower())) in names:
        return f"did you mean {meant!r}?"
    close = difflib.get_close_matches(str(given), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(names)}" if names else "there is nothing to choose from"
