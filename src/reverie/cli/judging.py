"""Commands that judge: evaluate, compare, runs, data inspect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..comparison import Comparison
    from ..data import Inspection

from ..errors import ConfigError, StorageError
from ..protocol import Protocol
from .options import (
    AGAIN,
    DeviceOption,
    Json,
    OtherData,
    Quiet,
    RunName,
    Seed,
    choice,
    listening,
    show,
)


def evaluate(
    run: RunName,
    data: OtherData = None,
    samples: Annotated[
        int, typer.Option("--samples", help="Samples to draw, at most.")
    ] = Protocol.samples,
    draws: Annotated[
        int, typer.Option("--draws", help="Draws of the likelihood bound.")
    ] = Protocol.draws,
    images: Annotated[
        int, typer.Option("--images", help="Held-out samples with so many draws.")
    ] = Protocol.images,
    chains: Annotated[
        int, typer.Option("--chains", help="Held-out samples to anneal (AIS, BDMC).")
    ] = Protocol.chains,
    extractor: Annotated[
        str | None,
        typer.Option("--extractor", help="Whose features: a name, NAME=WEIGHTS, or a file."),
    ] = Protocol.extractor,
    lpips: Annotated[
        str | None, typer.Option("--lpips", help="LPIPS too: the folder of its weights.")
    ] = Protocol.lpips,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only what the end of training computes.")
    ] = Protocol.quick,
    seed: Seed = Protocol.seed,
    device: DeviceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge a run on held-out data; writes its metrics.json and report.html.

    Says first what it will cost. Stopped, the same command goes on where it was.
    """
    from ..evaluation import evaluate as judge
    from ..runs import find_run, relative_to_cwd

    with listening(as_json, quiet, AGAIN) as listener:
        judge(
            run,
            data=data,
            device=choice(device),
            samples=samples,
            draws=draws,
            images=images,
            chains=chains,
            extractor=extractor,
            lpips=lpips,
            quick=quick,
            seed=seed,
            listener=listener,
        )
    folder = find_run(run)
    tree = folder.read(folder.metrics)
    lines = [*judgement(tree), f"report: {relative_to_cwd(folder.report)}"]
    show(tree, lines, as_json, quiet)


def judgement(tree: dict[str, Any]) -> list[str]:
    """What an evaluation found, in lines: the numbers by groups, then what they mean."""
    from ..records import number, record_from
    from ..verdict import warnings

    lines: list[str] = []
    group = None
    for item in tree["records"]:
        if item["group"] != group:
            group = item["group"]
            lines += ["", group]
        beside = ", ".join(f"{name} {number(value)}" for name, value in item["reference"].items())
        lines.append(f"  {record_from(item)}" + (f"  ({beside})" if beside else ""))
    lines += ["", *tree["verdict"]]
    found = warnings(tree["records"])
    return [*lines, "", *(f"warning: {text}" for text in found), *([""] if found else [])]


def compare(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs to compare.")],
    out: Annotated[
        str, typer.Option("--out", help="The folder for the page and its exports.")
    ] = "comparison",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """One table over runs of all families; values that cannot be compared are not ranked.

    Writes comparison.html, and the table as .json, .csv, .md and .tex.
    """
    from ..comparison import compare as table
    from ..comparison.page import write_comparison
    from ..runs import relative_to_cwd

    result = table(names)
    page = write_comparison(result, Path(out))
    if as_json:
        show({**result.to_dict(), "page": str(page)}, [], True)
        return
    if not quiet:
        show_table(result)
    show(None, ["", f"page: {relative_to_cwd(page)}"], False, quiet)


def bench(
    names: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="Recipes to compare.")],
    data: Annotated[str, typer.Option("--data", help="What to train on.")] = "mnist",
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", help="Of each run: 5m, 10 epochs, ... [default: what each recipe has]"
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each recipe.")] = 3,
    out: Annotated[str, typer.Option("--out", help="The folder of runs and page.")] = "bench",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train recipes under one budget, judge every run, and compare them on one page.

    Stopped at any point, the same command goes on where it was.
    """
    from ..benching import bench as run_all

    with listening(as_json, quiet, AGAIN) as listener:
        result = run_all(names, data=data, budget=budget, seeds=seeds, out=out, listener=listener)
    page = str(Path(out) / "comparison.html")
    if not as_json and not quiet:
        show_table(result)
    show({**result.to_dict(), "page": page}, ["", f"page: {page}"], as_json, quiet)


def show_table(result: Comparison) -> None:
    """The table in the terminal, with what it means in words."""
    from rich.console import Console

    from ..display import on_terminal

    # A file or a pipe has no width of its own that a table should be squeezed into.
    console = Console(width=None if on_terminal() else 200)
    upright = console.measure(result.to_rich()).minimum > console.width or len(result.runs) <= 4
    table = result.to_rich(upright)
    if upright and console.measure(table).maximum > console.width:
        table = result.to_rich(upright, references=False)
    console.print(table)
    for text in [*result.verdicts(), result.caveat, *result.notes]:
        typer.echo(text)


def runs(
    folder: Annotated[str, typer.Argument(help="Where to look.")] = "runs", as_json: Json = False
) -> None:
    """List the runs in a folder."""
    from ..runs import is_run, list_runs, summary

    where = Path(folder)
    if not where.is_dir():
        raise ConfigError(f"there is no folder {folder!r}; `reverie train vae` makes a first run")
    itself = [where] if is_run(where) else []
    rows = [summary(path) for path in (*itself, *list_runs(where))]
    lines = [f"{r['run']:30} {r['recipe']:12} {r['state']:22} {r['headline']}" for r in rows]
    if not lines:
        lines = [f"{folder} holds no runs yet; make one with `reverie train vae`"]
    show(rows, [*([f"{folder} is itself a run:"] if itself else []), *lines], as_json)


def inspect(
    path: Annotated[
        str, typer.Argument(help="mnist, ring, grid, sprites, or a path to your own.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH=VALUE]...", help="Settings, e.g. data.size=64."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", help="Where the contact sheet is written. [default: contact-sheet.png]"
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at data: counts, sizes, classes, broken files, duplicates, values, a contact sheet."""
    from ..data.open import path_of
    from ..inspecting import inspect as look
    from ..pictures import check_png, save_png

    sheet = Path(out or "contact-sheet.png")
    check_png(sheet)
    within = sheet.resolve().is_relative_to(path_of(path).resolve())
    if within and out is not None:
        raise ConfigError(
            f"--out {out} lies in the data, and would be of it; choose another place"
        )
    with listening(as_json, quiet) as listener:
        found = look(path, overrides=overrides or [], listener=listener)
    failed: StorageError | None = None
    last = []
    if found.shown and within:
        last = [
            "contact sheet: none, it would lie in the data and be of it; name a place with --out"
        ]
    elif found.shown:
        try:
            save_png(found.contact_sheet(), sheet)
            last = [f"contact sheet: {sheet}"]
        except StorageError as error:  # what was found took longer to find
            failed = error
    written = str(sheet) if found.shown and not within and failed is None else None
    show({**found.to_dict(), "contact_sheet": written}, [*described(found), *last], as_json, quiet)
    if failed is not None:
        raise failed


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
    lines += [f"  {' = '.join(names)}" for names in same.files[:10]]
    if len(same.files) > 10:
        lines.append(f"  and {len(same.files) - 10:,} groups more; --json has all of them")
    lines += [f"note:       {note}" for note in found.notes]
    lines.append(f"broken:     {len(found.broken):,}" + (" files" if found.broken else ""))
    lines += [f"  {name}: {reason}" for name, reason in list(found.broken.items())[:20]]
    return lines
