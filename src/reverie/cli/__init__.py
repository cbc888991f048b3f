"""The command line: each command parses, calls the package, and shows the result.

Nothing heavy is imported until a command runs, so that `reverie --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer

from ..errors import ReverieError, StorageError
from . import extractors, judging, making, recipes, using, workers

app = typer.Typer(
    name="reverie",
    help="Train, look at, judge and compare autoencoders, VAEs and GANs on your own data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Look at data before training on it.", no_args_is_help=True)
extractor_app = typer.Typer(
    help="What sees the difference between real and generated samples.", no_args_is_help=True
)
recipes_app = typer.Typer(
    help="List recipes, show one, or run one in full and write down what it gave."
)

app.command()(making.train)
app.command()(making.resume)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    making.launch
)
app.command()(using.sample)
app.command()(using.reconstruct)
app.command()(using.interpolate)
app.command()(using.encode)
app.command()(judging.evaluate)
app.command()(judging.compare)
app.command()(judging.bench)
app.command()(judging.runs)
data_app.command("inspect")(judging.inspect)
app.add_typer(data_app, name="data")
extractor_app.command("train")(extractors.train)
extractor_app.command("list")(extractors.listing)
app.add_typer(extractor_app, name="extractor")
recipes_app.callback(invoke_without_command=True)(recipes.listing)
recipes_app.command("show")(recipes.show_one)
recipes_app.command("verify")(recipes.verify)
app.add_typer(recipes_app, name="recipes")


def _version(value: bool) -> None:
    if value:
        from .. import __version__

        typer.echo(f"reverie {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None: ...


def main() -> None:
    """Runs a command; whatever a person did wrong becomes one line and an exit code."""
    if code := workers.refused():
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a console may lack our arrows and bars
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="reverie")
    except SystemExit as leaving:
        if leaving.code == 130:  # how typer leaves after Ctrl-C, without a word
            typer.echo("stopped", err=True)
        if leaving.code in (2, 130):
            workers.refuse(leaving.code)
        raise
    except BrokenPipeError:
        # Whoever read our output has left; nothing more can be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ReverieError, OSError, RuntimeError, MemoryError) as error:
        if os.environ.get("REVERIE_DEBUG"):
            raise
        sys.exit(explain(error))


NO_MEMORY = "not enough memory; write a smaller train.batch or data.size, or narrower networks"


EXHAUSTED = ("out of memory", "can't allocate memory", "not enough memory")
"""How PyTorch's allocators say so: of a GPU by its own error, of the CPU by a bare RuntimeError."""


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out; other errors speak of memory too, such as an illegal access to it."""
    said = str(error).partition("\n")[0]
    return any(words in said for words in EXHAUSTED)


def explain(error: ReverieError | OSError | RuntimeError | MemoryError) -> int:
    """Says in a line what went wrong, and returns the exit code; our own mistakes are raised again."""
    if isinstance(error, ReverieError):
        code, text = error.exit_code, str(error)
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        code, text = StorageError.exit_code, f"{where}{error.strerror or error}"
    elif isinstance(error, MemoryError) or ran_out_of_memory(error):
        code, text = 1, f"{NO_MEMORY} ({str(error).partition(chr(10))[0] or 'MemoryError'})"
    elif workers.is_loss(error):
        reason = workers.reason_of(error)
        typer.echo(f"worker {os.environ.get('RANK')}: lost the others ({reason})", err=True)
        return 1
    else:
        raise error
    if workers.refuse(code):
        typer.echo(f"error: {text}", err=True)
    return code
