"""Machine-written parts of the documents: what stands between two marks is replaced."""

from __future__ import annotations

import re


def fill(text: str, name: str, script: str, made: str) -> str:
    """Puts `made` between the mark that names a part with its script, and the next end mark."""
    start = f"<!-- {name}: written by scripts/{script} -->"
    form = re.compile(re.escape(start) + r".*?<!-- end -->", re.S)
    assert form.search(text), f"the document has no mark {start}"
    return form.sub(lambda _: f"{start}\n{made}\n<!-- end -->", text)


def table(header: list[str], rows: list[list[str]], numbers: bool = False) -> str:
    """A table of GitHub's Markdown; with `numbers`, all columns but the first are set to the right."""
    rule = ["---", *(("---:" if numbers else "---") for _ in header[1:])]
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
