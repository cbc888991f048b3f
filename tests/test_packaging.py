"""What an installed copy has, and what a clean clone installs."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[1]


def normalised(requirement):
    """A requirement's name as indexes compare them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def test_type_checkers_are_told_that_the_package_is_typed():
    assert (files("reverie") / "py.typed").is_file()


def test_all_that_a_clean_clone_asks_for_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *extras["test"],
        *extras["lint"],
    ]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normalised(line) for line in lines if re.fullmatch(r"[\w.-]+==[\w.]+", line)}
    assert {normalised(requirement) for requirement in asked} <= pinned
