"""The command line: each command parses, calls one function of the package, and shows the result.

Nothing heavy is imported until a command runs, so that `reverie --help` answers at once.
"""

from __future__ import annotations

import os
import sys

import typer

from ..errors import ConfigError, ReverieError, StorageError
from . import judging, making, recipes, using

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
app.command()(judging.runs)
data_app.command("inspect")(judging.inspect)
app.add_typer(data_app, name="data")
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
    try:
        app()
    except ReverieError as error:
        if os.environ.get("REVERIE_DEBUG"):
            raise
        tell(error)
        sys.exit(error.exit_code)
    except SystemExit as leaving:
        if leaving.code == 130:  # how typer leaves after Ctrl-C, without a word
            typer.echo("stopped", err=True)
        raise
    except BrokenPipeError:
        # Whoever read our output has left; nothing more can be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if os.environ.get("REVERIE_DEBUG"):
            raise
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"error: {where}{error.strerror or error}", err=True)
        sys.exit(StorageError.exit_code)


def tell(error: ReverieError) -> None:
    """Says what went wrong; among workers, the leading one says what all of them found."""
    rank = os.environ.get("RANK", "0")
    shared = error.exit_code == ConfigError.exit_code or error.exit_code > 128
    if rank == "0" or not shared:
        typer.echo(f"{'' if rank == '0' else f'worker {rank}: '}error: {error}", err=True)
