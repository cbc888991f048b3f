"""Seconds from a command to what it gives: its help, an import, the first step of training.

The import of torch alone stands beside them, since it is the most of any run. The data's cache is warm.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .harness import ROOT, arguments, environment, in_turns, table, write

PYTHON = [sys.executable, "-c"]
COMMAND = [sys.executable, "-m", "reverie"]
SIDES = {
    "python": [*PYTHON, "pass"],
    "import torch": [*PYTHON, "import torch"],
    "import reverie": [*PYTHON, "import reverie, sys; assert 'torch' not in sys.modules"],
    "reverie --help": [*COMMAND, "--help"],
    "reverie train vae, first step": [*COMMAND, "train", "vae", "--data", "mnist", "--steps", "1"],
}


def seconds_of(name: str) -> float:
    """Seconds of one command in a fresh process; for training, until its first step is taken."""
    if name.endswith("first step"):
        return first_step()
    begun = time.perf_counter()
    done = subprocess.run(
        SIDES[name], env=environment(2), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(SIDES[name])} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - begun


def first_step() -> float:
    """Seconds from the command to the end of the first step.

    That is when a run of one step writes its first log line, right after the step.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "run" / "log.jsonl"
        command = [*SIDES["reverie train vae, first step"], "--out", str(log.parent)]
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=environment(2),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        while not (log.exists() and log.stat().st_size) and process.poll() is None:
            time.sleep(0.005)
        taken = time.perf_counter() - begun
        if process.poll() not in (None, 0):
            raise SystemExit(f"{' '.join(command)} failed:\n{process.communicate()[1].decode()}")
        process.kill()
        process.communicate()
        return taken


def main() -> None:
    """Measures every command by turns, prints the fastest and the median, and keeps all."""
    quick = arguments(__doc__).quick
    rounds = 2 if quick else 7
    found = in_turns(list(SIDES), rounds, seconds_of)
    rows = [[name, min(times), sorted(times)[rounds // 2]] for name, times in found.items()]
    table(["command", "fastest s", "median s"], rows)
    write("startup", quick, {"seconds": found})


if __name__ == "__main__":
    main()
