"""Commands that make runs: train, resume, launch."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DeviceOption, Json, Quiet, RunName, leads, listening, show

if TYPE_CHECKING:
    from ..preparing import Prepared
    from ..verbs import Run


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe; `reverie recipes` lists them.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH=VALUE]...", help="Settings, e.g. model.beta=4 data.size=64."
        ),
    ] = None,
    data: Annotated[
        str, typer.Option("--data", help="mnist, ring, grid, sprites, or a path to your own.")
    ] = "mnist",
    out: Annotated[
        str | None, typer.Option("--out", help="The run's folder [default: runs/RECIPE-DATA].")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help='"10 epochs", "5000 steps", 2Msamples, 90s, 2m.')
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="The budget in steps.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Of weights, order and noise; data.seed splits data."),
    ] = None,
    device: DeviceOption = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="fp32, bf16 or auto.", show_default=False)
    ] = None,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out files that cannot be read.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and train nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a recipe on data, judge it on held-out data, and write a run folder."""
    from .. import preparing, verbs

    settings = [*(overrides or []), *(["data.skip_broken=true"] if skip_broken else [])]
    with listening(as_json, quiet) as listener:
        if dry_run:
            given = preparing.assignments(
                budget, steps, settings, seed=seed, device=device, precision=precision
            )
            prepared = preparing.prepare(recipe, data, given, listener)
            show_plan(prepared, as_json, quiet)
            return
        run = verbs.train(
            recipe,
            data=data,
            out=out,
            budget=budget,
            steps=steps,
            seed=seed,
            device=device,  # type: ignore[arg-type]  # checked with the configuration
            precision=precision,  # type: ignore[arg-type]
            overrides=settings,
            listener=listener,
        )
    show_run(run, as_json, quiet)


def resume(
    run: RunName, device: DeviceOption = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """Go on with a run from its last checkpoint."""
    from .. import verbs

    with listening(as_json, quiet) as listener:
        made = verbs.resume(run, device=device, listener=listener)  # type: ignore[arg-type]
    show_run(made, as_json, quiet)


def launch(
    context: typer.Context,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Processes here.")] = 2,
    restarts: Annotated[
        int, typer.Option("--restarts", min=0, help="How often dead workers are started again.")
    ] = 3,
) -> None:
    """Run a command data-parallel: reverie launch -w 2 train vae --data mnist.

    The same as torchrun --nproc-per-node N -m reverie ..., with the setting that restarts need.
    """
    from . import workers as crew

    raise typer.Exit(crew.launch(workers, restarts, context.args))


def show_run(run: Run, as_json: bool, quiet: bool) -> None:
    """What a finished run has to say: its held-out numbers, and where to look."""
    if not leads():
        return
    from ..records import record_from
    from ..runs import relative_to_cwd

    records = [record_from(record) for record in run.metrics]
    lines = [
        "",
        "on held-out data:",
        *(f"  {record}" for record in records if record.value is not None),
    ]
    lines += ["", f"report:  {relative_to_cwd(run.folder.report)}"]
    path = shlex.quote(str(relative_to_cwd(run.path)))
    lines += [f"next:    {verb} {path}" for verb in next_verbs(run)]
    result = {"run": str(run.path), "report": str(run.folder.report), "records": run.metrics}
    show(result, lines, as_json, quiet)


def next_verbs(run: Run) -> list[str]:
    """What can be done with the run now."""
    samples = ["reverie sample -n 64"] if "sample" in run.model.can else []
    codes = ["reverie reconstruct"] if "reconstruct" in run.model.can else []
    return [*samples, *codes, "reverie evaluate"]


def show_plan(prepared: Prepared, as_json: bool, quiet: bool) -> None:
    """What a dry run found and would do."""
    if not leads():
        return
    from ..config import to_tree
    from ..data.cache import cache_root
    from ..report import flat

    config, dataset = to_tree(prepared.config), prepared.dataset
    count = sum(p.numel() for p in prepared.model.parameters())
    facts = {
        "data": {
            "name": dataset.name,
            "train": len(dataset.train),
            "test": len(dataset.test),
            "shape": list(dataset.spec.shape),
        },
        "parameters": count,
        "device": str(prepared.device),
        "precision": str(prepared.precision).removeprefix("torch."),
    }
    found = (
        f"{dataset.name}: {len(dataset.train):,} training and {len(dataset.test):,} held-out samples of "
        f"{tuple(dataset.spec.shape)}"
    )
    said = {**facts, "data": found, "parameters": f"{count:,}"}
    lines = [*(f"{name:11}{text}" for name, text in said.items()), ""]
    lines += [f"{path} = {value}" for path, value in flat(config)]
    lines += [
        "",
        f"no run was written (--dry-run); what data had to be decoded is kept in {cache_root()}",
    ]
    show({**facts, "config": config}, lines, as_json, quiet)
