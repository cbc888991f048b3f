"""Commands that judge: evaluate, compare, runs, data inspect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..data import Inspection

from .options import Json, OtherData, Quiet, RunName, Seed, listener_for, show, source_of


def evaluate(
    run: RunName,
    data: OtherData = None,
    samples: Annotated[
        int, typer.Option("--samples", min=2, help="Samples to draw, at most.")
    ] = 10_000,
    draws: Annotated[
        int, typer.Option("--draws", min=1, help="Draws of the likelihood bound.")
    ] = 50,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge a run on held-out data; writes its metrics.json and report.html."""
    from ..evaluation import evaluate as judge
    from ..evaluation import relative_to_cwd
    from ..runs import find_run

    listener = listener_for(as_json, quiet)
    try:
        records = judge(run, data=data, samples=samples, draws=draws, seed=seed, listener=listener)
    finally:
        listener.ended()
    lines = []
    for record in records:
        beside = ", ".join(f"{name} {value:.4g}" for name, value in record.reference.items())
        lines.append(f"{record}" + (f"  ({beside})" if beside else ""))
    lines.append(f"report: {relative_to_cwd(find_run(run).report)}")
    show([record.to_dict() for record in records], lines, as_json, quiet)


def compare(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs to compare.")],
    as_json: Json = False,
) -> None:
    """One table over runs of all families; values that cannot be compared are not ranked."""
    from ..comparison import compare as table

    result = table(names)
    if as_json:
        show(result.to_dict(), [], True)
        return
    from rich.console import Console

    console = Console()
    upright = console.measure(result.to_rich()).minimum > console.width or len(result.runs) <= 4
    console.print(result.to_rich(upright))
    for note in result.notes:
        typer.echo(note)


def runs(
    folder: Annotated[str, typer.Argument(help="Where to look.")] = "runs", as_json: Json = False
) -> None:
    """List the runs in a folder."""
    from ..errors import ConfigError
    from ..runs import list_runs, summary

    if not Path(folder).is_dir():
        raise ConfigError(f"there is no folder {folder!r}; `reverie train vae` makes a first run")
    rows = [summary(path) for path in list_runs(Path(folder))]
    lines = [f"{r['run']:30} {r['recipe']:12} {r['state']:22} {r['headline']}" for r in rows]
    show(
        rows, lines or [f"{folder} holds no runs yet; make one with `reverie train vae`"], as_json
    )


def inspect(
    path: Annotated[str, typer.Argument(help="mnist, ring, grid, or a path to your own.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH=VALUE]...", help="Settings, e.g. data.size=64."),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", help="Where the contact sheet is written.")
    ] = "contact-sheet.png",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at data: counts, sizes, classes, broken files, duplicates, values, a contact sheet."""
    from ..data import inspect_source
    from ..pictures import save_png

    listener = listener_for(as_json, quiet)
    try:
        found = inspect_source(source_of(path, overrides or []), listener.worked)
    finally:
        listener.ended()
    if found.shown:
        save_png(found.contact_sheet(), Path(out))
    result = {**found.to_dict(), "contact_sheet": out if found.shown else None}
    show(
        result,
        [*described(found), *([f"contact sheet: {out}"] if found.shown else [])],
        as_json,
        quiet,
    )


def described(found: Inspection) -> list[str]:
    """An inspection in lines, the faults last, where they are seen."""
    from ..display import spark

    counts = ", ".join(f"{count:,} {split}" for split, count in found.counts.items())
    lines = [f"{found.name}: {counts}"]
    if found.sizes is not None:
        (w, _, w2), (h, _, h2) = found.sizes.width, found.sizes.height
        width, height = found.sizes.commonest
        spread = f", from {w}x{h} to {w2}x{h2}" if found.sizes.distinct > 1 else ""
        lines.append(f"sizes:      {width}x{height} ({found.sizes.commonest_count:,}){spread}")
    lines.append("kinds:      " + ", ".join(f"{mode} ({n:,})" for mode, n in found.modes.items()))
    for split, classes in found.classes.items():
        named = ", ".join(f"{name} {count:,}" for name, count in list(classes.items())[:20])
        more = f" and {len(classes) - 20} more" if len(classes) > 20 else ""
        lines.append(f"classes:    {len(classes)} in {split}: {named}{more}")
    if found.mean is not None and found.std is not None:
        bars = spark([float(count) ** 0.25 for count in found.histogram], 32)
        lines.append(
            f"values:     {found.low:.3g} {bars} {found.high:.3g}  "
            f"mean {found.mean:.4f}, sd {found.std:.4f}"
        )
    same = found.duplicates
    lines.append(
        f"duplicates: {same.extra:,} samples repeat another; {same.across:,} lie in both splits"
    )
    lines += [f"note:       {note}" for note in found.notes]
    lines.append(f"broken:     {len(found.broken):,}" + (" files" if found.broken else ""))
    lines += [f"  {name}: {reason}" for name, reason in list(found.broken.items())[:20]]
    return lines
