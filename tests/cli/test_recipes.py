"""`reverie recipes`, and what every command has: help, and an answer that comes before torch does."""

import json
import subprocess
import sys

import pytest

from reverie import __version__, recipes

COMMANDS = [
    ["train"],
    ["resume"],
    ["launch"],
    ["sample"],
    ["reconstruct"],
    ["interpolate"],
    ["encode"],
    ["evaluate"],
    ["compare"],
    ["runs"],
    ["data"],
    ["data", "inspect"],
    ["recipes"],
    ["recipes", "show"],
    ["recipes", "verify"],
]


def test_all_recipes_are_listed_with_a_line_each(reverie):
    said = reverie("recipes")
    assert [line.split()[0] for line in said.out.splitlines()] == recipes.names()
    rows = json.loads(reverie("recipes", "--json").out)
    assert [row["name"] for row in rows] == recipes.names()
    assert all({"Run", "Takes", "Expect", "Differs"} <= set(row) for row in rows)


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_shown_with_its_sections_and_settings(name, reverie):
    said = reverie("recipes", "show", name)
    assert said.code == 0 and said.out.startswith(f"{name}: ")
    for key in ("Run:", "Takes:", "Expect:", "Differs:"):
        assert f"\n{key}" in said.out
    assert "  train.batch = " in said.out and "  model.kind = " in said.out
    assert "  # Samples in a global batch, over all workers and micro-batches." in said.out
    tree = json.loads(reverie("recipes", "show", name, "--json").out)
    assert tree["name"] == name and tree["train"]["batch"] > 0


def test_an_unknown_recipe_names_the_closest(reverie):
    said = reverie("recipes", "show", "vay")
    assert (said.code, said.err) == (2, "error: there is no recipe 'vay'; did you mean 'vae'?\n")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_each_option(command, reverie):
    said = reverie(*command, "--help")
    assert said.code == 0 and said.out.startswith(f"Usage: reverie {' '.join(command)} ")
    options = said.out.partition("Options:")[2].partition("Commands:")[0].splitlines()
    for line in options:
        if line.startswith("  -"):
            assert len(line.split("  ")) > 2 or options[options.index(line) + 1].startswith(
                "      "
            ), line
    assert reverie(*command, "-h").out == said.out


def test_the_top_lists_every_command(reverie):
    said = reverie("--help")
    for command in COMMANDS:
        assert f"\n  {command[0]} " in said.out


def test_the_version_is_printed(reverie):
    assert reverie("--version").out == f"reverie {__version__}\n"


def test_help_answers_without_importing_torch():
    code = (
        "import sys; sys.argv = ['reverie', '--help']\n"
        "from reverie.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'matplotlib'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.splitlines()[-1] == "[]"
