"""Several workers of one command: torchrun starts them, and starts them again when one dies.

It does so for any exit code but 0. What was refused once is refused again, so the first refusal is noted
for those started after it, which leave at once and without a word.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigError, did_you_mean

NOTE = "REVERIE_REFUSAL"
SHARED = ("train", "resume")
"""Commands that several workers run together."""
LOST = ("gloo", "NCCL", "Connection", "TCPStore")
"""Words of the errors by which a worker learns that another one is gone."""


def launch(workers: int, restarts: int, arguments: Sequence[str]) -> int:
    """Runs `reverie ARGUMENTS` in every worker; returns the exit code.

    Raises:
        ConfigError: They name no command that several workers can share.
    """
    if not arguments or arguments[0].startswith("-"):
        found = f"{arguments[0]} stands in its place" if arguments else "none was given"
        raise ConfigError(
            f"launch takes the command that workers run, and {found}; "
            "write it last, as in `reverie launch --workers 2 train vae`"
        )
    if arguments[0] not in SHARED:
        raise ConfigError(
            f"workers share the batches of one training, and {arguments[0]!r} is another command; "
            f"{did_you_mean(arguments[0], SHARED)}"
        )
    # Restarted workers would read the dead one's address from a shared store (pytorch#135712).
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    how = ["--standalone", f"--nproc-per-node={workers}", f"--max-restarts={restarts}"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ[NOTE] = str(Path(folder) / "refusal")
        try:
            main([*how, "-m", "reverie", *arguments])
        except SignalException as stopped:
            return 128 + stopped.sigval
        except ChildFailedError as error:
            code = refused() or error.get_first_failure()[1].exitcode
            return code if code > 0 else 128 - code
        finally:
            del os.environ[NOTE]
    return 0


def refuse(code: int) -> bool:
    """Notes that starting this command again cannot help; returns whether this worker is the first."""
    if NOTE not in os.environ:
        return True
    try:
        with Path(os.environ[NOTE]).open("x") as file:
            file.write(str(code))
    except FileExistsError:
        return False
    return True


def refused() -> int:
    """The exit code that a worker of this launch was the first to leave with; 0 if none was."""
    note = Path(os.environ.get(NOTE, os.devnull))
    return int((note.read_text() if note.exists() else "") or 0)


def is_loss(error: RuntimeError) -> bool:
    """Whether an error may come of another worker being gone; starting again then helps."""
    return "TORCHELASTIC_RUN_ID" in os.environ and any(word in str(error) for word in LOST)


def reason_of(error: RuntimeError) -> str:
    """What such an error says: its first line, and what nccl names as the last thing that went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    last = next((i for i, line in enumerate(lines) if line.startswith("Last error")), None)
    return "; ".join([lines[0], *([] if last is None else lines[last : last + 2])])
