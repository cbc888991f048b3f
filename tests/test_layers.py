"""Imports point down the layers, files stay short, and what needs no torch does not wait for it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import reverie

ROOT = Path(reverie.__file__).parent

LAYERS = [
    ["errors", "torchrun"],
    ["config"],
    [
        "budget",
        "hardware",
        "monitor",
        "protocol",
        "records",
        "schedules",
        "spec",
        "storage",
        "tensors",
    ],
    [
        "display",
        "distributed",
        "features",
        "losses",
        "metrics",
        "networks",
        "optim",
        "pictures",
        "plots",
        "signals",
    ],
    ["latent"],
    ["models"],
    ["artifact", "checkpoint", "data", "runs"],
    ["extracting", "sessions", "settings"],
    ["recipes"],
    ["training"],
    ["loading"],
    ["fitting", "inspecting", "painting", "preparing", "verdict", "watching"],
    ["report", "writing"],
    ["evaluation"],
    ["comparison", "verbs"],
    ["repeating"],
    ["benching", "verification"],
    ["cli"],
    ["__main__"],
]
"""From the bottom up. A file imports what stands below it, or its own package."""
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted(ROOT.rglob("*.py"))


def imports(path):
    """The parts of reverie that a file imports, anywhere in it, with the line of each."""
    inside = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = inside[: len(inside) - node.level]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                target = (*package, *name.split("."))[0]
                if (ROOT / target).is_dir() or (ROOT / f"{target}.py").exists():
                    yield target, node.lineno
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = (
                [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
            for name in names:
                assert name.partition(".")[0] != "reverie", (
                    f"{path}:{node.lineno}: import relatively"
                )


def part_of(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def test_every_part_has_a_layer():
    """A new file must be given its place here, or the next test would not see it."""
    parts = {part_of(path) for path in FILES} - {"__init__"}
    assert parts == LEVEL.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_strictly_down(path):
    if path == ROOT / "__init__.py":
        pytest.skip("the verbs are named at the top")
    own = part_of(path)
    upward = [
        f"line {line}: {target}"
        for target, line in imports(path)
        if target != own and LEVEL.get(target, 99) >= LEVEL[own]
    ]
    assert not upward


def test_packages_hold_no_cycles():
    """Inside a package too, files import one another in one direction."""
    edges = {}
    for path in FILES:
        inside = path.relative_to(ROOT).with_suffix("").parts
        if len(inside) == 2 and inside[1] != "__init__":
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ImportFrom) and node.level == 1:
                    names = [node.module] if node.module else [a.name for a in node.names]
                    edges.setdefault(inside, set()).update(
                        (inside[0], n.split(".")[0]) for n in names
                    )
    done = set()

    def visit(node, trail):
        assert node not in trail, " -> ".join("/".join(n) for n in (*trail, node))
        if node not in done:
            for target in edges.get(node, ()):
                visit(target, (*trail, node))
            done.add(node)

    for node in edges:
        visit(node, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_300_lines(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("module", ["reverie", "reverie.cli"])
def test_importing_waits_for_nothing_slow(module):
    """`reverie --help` answers before torch, numpy or Pillow could be loaded."""
    slow = "{'torch', 'numpy', 'PIL', 'matplotlib', 'scipy', 'sklearn'}"
    code = f"import sys, {module}; print(sorted({slow} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
