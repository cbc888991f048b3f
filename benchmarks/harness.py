"""What every benchmark shares: measuring in fresh processes by turns, a table, a record."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

K = TypeVar("K")
T = TypeVar("T")
RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent


def arguments(doc: str | None, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags that all benchmarks take."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter and noisier, for a check")
    return parser.parse_args(argv)


def environment(threads: int) -> dict[str, str]:
    """This process's environment with every thread pool at `threads`."""
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | dict.fromkeys(pools, str(threads)) | {"PYTHONPATH": path}


def measure(module: str, threads: int, *arguments: object) -> dict[str, Any]:
    """Runs `python -m benchmarks.MODULE ARGUMENTS` in its own process; its last line is JSON."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(
        command, env=environment(threads), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def in_turns(sides: Sequence[K], rounds: int, run: Callable[[K], T]) -> dict[K, list[T]]:
    """Measures all sides once, then all again: what slows the machine for a while slows them all."""
    found: dict[K, list[T]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side].append(run(side))
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of one side's number over the other's in the same round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints rows under a header, numbers rounded to three digits or whole."""
    texts = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(header))]
    for row in texts:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)))


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write(name: str, quick: bool, found: dict[str, Any]) -> None:
    """Keeps what was found in `results/NAME.json`, with where and on what it was measured."""
    from importlib.metadata import version

    record = {
        "benchmark": name,
        "quick": quick,
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "commit": commit(),
        **found,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")


def processor() -> str:
    """The processor's name, with what it can multiply in bfloat16."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    lines = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    name = lines.get("model name", ": " + platform.machine()).lstrip("\t: ")
    has = [flag for flag in ("amx_bf16", "avx512_bf16") if f" {flag} " in text]
    return f"{name} ({', '.join(has) or 'no bf16'})"


def commit() -> str:
    """The commit measured, with a plus where files differ from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head + ("+" if _git("status", "--porcelain", "src") else "")


def _git(*command: str) -> str:
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
