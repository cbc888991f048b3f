"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..torchrun import rank_and_size

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..loading import Loaded
    from ..monitor import Listener
    from ..runs import RunFolder

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or its name in runs/.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print JSON for scripts; progress, where there is any, is a line before."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="The seed of the noise.")]
Out = Annotated[
    str | None,
    typer.Option("--out", help="A .png grid, a .npy array, or a folder for single pictures."),
]
OtherData = Annotated[
    str | None, typer.Option("--data", help="Other data than the run's own: a name or a path.")
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, mps or auto.", show_default=False)
]


def show(result: Any, lines: Iterable[str], as_json: bool, quiet: bool = False) -> None:
    """Prints a result for a person or for a script."""
    if as_json:
        typer.echo(json.dumps(result))
    elif not quiet:
        for line in lines:
            typer.echo(line)


def leads() -> bool:
    """Whether this is the leading one of the workers that torchrun started, or there are none."""
    return rank_and_size()[0] == 0


AGAIN = "stopped, and what was done is kept: the same command goes on from there"


@contextmanager
def listening(as_json: bool, quiet: bool, stopped: str = "") -> Iterator[Listener]:
    """Who watches a command: a live panel on a terminal, plain lines elsewhere, JSON lines, or nobody.

    Of several workers only the leading one shows anything.

    Arguments:
        as_json: Whether lines are JSON.
        quiet: Whether nobody watches.
        stopped: What Ctrl-C or SIGTERM leaves with, whatever is at work; empty where that knows better.
    """
    from .. import display
    from ..signals import stoppable

    if quiet or not leads():
        listener = display.Listener()
    else:
        listener = display.JsonLines() if as_json else display.for_a_person()
    try:
        with stoppable(stopped) if stopped else nullcontext():
            yield listener
    finally:
        listener.ended()


def opened(run: str, device: str | None) -> tuple[RunFolder, Loaded]:
    """The run's folder and its model."""
    from ..loading import Loaded
    from ..runs import find_run

    folder = find_run(run)
    return folder, Loaded(folder.path, choice(device))


def choice(device: str | None) -> Any:
    """A device name that exists, refused before anything is read if it does not.

    Raises:
        ConfigError: It does not.
    """
    from typing import get_args

    from ..errors import ConfigError, did_you_mean
    from ..hardware import Device

    names = get_args(Device)
    if device is not None and device not in names:
        raise ConfigError(f"--device is {device!r}; {did_you_mean(device, names)}")
    return device or "auto"


def data_for(folder: RunFolder, loaded: Loaded, data: str | None, listener: Listener) -> Dataset:
    """The run's own data, or other data brought to the shape that its model takes."""
    from ..evaluation.opening import judged_data

    return judged_data(folder, loaded, data, listener)


def write_samples(x: Any, out: str | None, default: Path, columns: int | None = None) -> Path:
    """Writes samples `(N, *shape)` as one grid, one array, or single pictures, by the name of `out`."""
    from ..writing import write_samples as write

    return write(x, Path(out) if out else default, columns)
