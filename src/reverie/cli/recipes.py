"""Commands about recipes: the list, one of them, and running one in full."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AGAIN, Json, Quiet, listening, show

Name = Annotated[str, typer.Argument(metavar="NAME", help="A recipe.")]


def listing(context: typer.Context, as_json: Json = False) -> None:
    """List all recipes with a line each."""
    if context.invoked_subcommand is not None:
        return
    from ..recipes import describe, names

    cards = [describe(name) for name in names()]
    rows = [{"name": card.name, "title": card.title, **card.sections} for card in cards]
    show(rows, [f"{card.name:12}{card.title}" for card in cards], as_json)


def show_one(name: Name, as_json: Json = False) -> None:
    """Show what a recipe is, takes and gives, and all its settings on mnist."""
    from ..config import leaves, to_tree
    from ..recipes import describe, find
    from ..spec import Pixels

    card = describe(name)
    model, train = find(name)(Pixels(shape=(1, 28, 28)))
    settings = {"model": to_tree(model), "train": to_tree(train)}
    lines = [f"{name}: {card.title}", ""]
    lines += [f"{key + ':':9}{text}" for key, text in card.sections.items()]
    lines += ["", "settings for 28 x 28 grey pictures:"]
    for name_of, section in (("model", model), ("train", train)):
        for path, value, text in leaves(section, name_of):
            first = " ".join(text.partition("\n\n")[0].split())
            lines.append(f"  {path + ' = ' + value:40}{first and '  # ' + first}".rstrip())
    show({"name": name, "title": card.title, **card.sections, **settings}, lines, as_json)


def verify(
    name: Name,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="How many runs, seeds 0, 1, ...")
    ] = 3,
    data: Annotated[str, typer.Option("--data", help="What to train on.")] = "mnist",
    write: Annotated[
        bool, typer.Option("--write", help="Write Takes and Expect into the recipe's source.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a recipe in full with several seeds, and say what it gave.

    Runs that ended under runs/verify are not repeated.
    """
    from ..verification import verify as run_all

    with listening(as_json, quiet, AGAIN) as listener:
        found = run_all(name, seeds, data, listener)
    if write:
        found.write()
    show(found.to_dict(), [f"Takes:   {found.takes}", f"Expect:  {found.expect}"], as_json, quiet)
