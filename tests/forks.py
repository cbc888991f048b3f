"""Starts `reverie` in milliseconds: a process that has imported everything forks for each command.

Run by the fixture `processes`; it computes nothing itself, so its children begin with no thread but one.
A line of JSON on stdin is an order, a line of JSON on stdout the answer.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import signal
import sys
import traceback

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Forks and waits as told, until stdin ends."""
    import torch

    import reverie

    torch.set_num_threads(1)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])  # imports as much again
    for module in pkgutil.walk_packages(reverie.__path__, "reverie."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer = wait(order["wait"]) if "wait" in order else start(order)
        print(json.dumps(answer), flush=True)


def wait(pid: int) -> int:
    """The exit code of a child; minus its number, if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def start(order: dict) -> int:
    """Forks a child that runs a command; returns its pid."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        become(order)
        code = run(order)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def become(order: dict) -> None:
    """Takes on the folder, files and environment of the order; ends when its parent does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(order["folder"])
    os.environ.update(order["environment"])
    for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)


def run(order: dict) -> int:
    """Runs the prelude and the command; returns the exit code."""
    from reverie.cli import main as reverie

    exec(order["prelude"], {"__name__": "prelude"})
    sys.argv = ["reverie", *order["arguments"]]
    try:
        reverie()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


if __name__ == "__main__":
    main()
