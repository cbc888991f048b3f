"""`reverie extractor`: train one on data of one's own, list those there are."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import DeviceOption, Json, Quiet, choice, listening, show


def train(
    data: Annotated[str, typer.Option("--data", help="Labelled pictures: a name or a path.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            help="The file to write; .json goes beside it. [default: DATA-classifier, numbered when taken]",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH=VALUE]...", help="Settings, e.g. data.size=64."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of 128 samples; four passes else.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the weights and the order.")] = 0,
    device: DeviceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a classifier on your labelled pictures, whose features then judge models of them."""
    from pathlib import Path

    from ..extracting import free_name, train_extractor
    from ..features.classifier import classifier_files
    from ..settings import data_settings

    source = data_settings(data, overrides or [])
    where = free_name(source.source) if out is None else Path(out)
    with listening(as_json, quiet) as listener:
        extractor, training = train_extractor(
            source,
            where,
            steps=steps,
            seed=seed,
            device=choice(device),
            listener=listener,
        )
    file = str(classifier_files(where)[0])
    right = f"{100 * training.accuracy:.1f} % right of {training.held_out:,} held-out samples"
    lines = [
        f"{extractor.tag}: {right}, {len(training.classes)} classes of {training.data}",
        f"wrote {file}; name that file where an extractor is asked for",
    ]
    show({**extractor.record(), "tag": extractor.tag, "out": file}, lines, as_json, quiet)


def listing(as_json: Json = False) -> None:
    """List extractors: what each takes and gives, and whether it is here."""
    from ..features import REGISTRY

    rows = [
        {
            **entry.card.record(entry.pinned),
            "classes": entry.card.classes,
            "installed": entry.here,
            "install": entry.install,
        }
        for entry in REGISTRY.values()
    ]
    lines = [f"{'extractor':18} {'sha256':9} {'takes':22} {'gives':>7}  resize"]
    for row in rows:
        gives = row["dimension"] or "entries"
        where = "" if row["installed"] else f"  (not here: {row['install']})"
        lines.append(
            f"{row['name']:18} {row['sha256'][:8] or '-':9} {row['input']:22} {gives:>7}  "
            f"{row['resize']}{where}"
        )
    lines.append("and the file of any classifier that `reverie extractor train` wrote")
    lines.append("and for reconstructions LPIPS: `reverie evaluate RUN --lpips FOLDER`")
    show(rows, lines, as_json)
