"""Commands that use a trained model: sample, reconstruct, interpolate, encode."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    DeviceOption,
    Json,
    OtherData,
    Out,
    Quiet,
    RunName,
    Seed,
    data_for,
    listening,
    opened,
    show,
    write_samples,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ..loading import Loaded
    from ..runs import RunFolder

Count = Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")]


def sample(
    run: RunName,
    count: Count = 64,
    seed: Seed = 0,
    label: Annotated[
        str | None, typer.Option("--label", help="Of this class alone, by name or number.")
    ] = None,
    out: Out = None,
    device: DeviceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw new samples; neither the data nor any setting is needed."""
    folder, loaded = opened(run, device)
    of = "" if label is None else "-label-" + re.sub(r"[^\w.-]+", "_", label)
    path = folder.path / f"sampled-{count}-seed-{seed}{of}.png"
    checked(out, loaded)
    made = loaded.sample(count, seed=seed, label=label)
    report(write_samples(made, out, path), count, as_json, quiet)


def reconstruct(
    run: RunName,
    count: Count = 32,
    data: OtherData = None,
    out: Out = None,
    device: DeviceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give held-out samples back through the latents; a .png shows each under its original."""
    from ..models.base import require
    from ..painting import across, beside

    folder, loaded = opened(run, device)
    require(loaded.model, "reconstruct")
    checked(out, loaded)
    x = held_out(folder, loaded, data, count, as_json, quiet)
    x_hat = loaded.reconstruct(x)
    # Originals, and the white that fills their last row, belong to a sheet alone.
    sheet = x.dim() == 4 and (not out or Path(out).suffix.lower() == ".png")
    shown = beside(x, x_hat) if sheet else x_hat
    path = write_samples(shown, out, folder.path / "reconstructed.png", across(x))
    report(path, len(x), as_json, quiet)


def interpolate(
    run: RunName,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many ways.")] = 8,
    steps: Annotated[
        int, typer.Option("--steps", min=2, help="Samples on each way, with both of its ends.")
    ] = 12,
    data: OtherData = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", min=0, max=2**32 - 1, help="Which held-out samples, or noises, are joined."
        ),
    ] = 0,
    out: Out = None,
    device: DeviceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Walk through the latents: between held-out samples, or between noises for a GAN."""
    from ..errors import ConfigError
    from ..models.base import require

    folder, loaded = opened(run, device)
    require(loaded.model, "decode")
    checked(out, loaded)
    if "encode" in loaded.can:
        x = held_out(folder, loaded, data, 2 * count, as_json, quiet, seed)
        if len(x) < 2:
            raise ConfigError(
                "a way lies between two held-out samples, and there is only one; "
                "name other data with --data"
            )
        starts, ends = x[: len(x) // 2], x[len(x) - len(x) // 2 :]
    elif data is not None:
        raise ConfigError(
            f"--data is {data!r}, and {loaded.model.family} has no encoder for held-out samples; "
            "leave it out to join noises"
        )
    else:
        starts, ends = loaded.noise(count, seed=2 * seed), loaded.noise(count, seed=2 * seed + 1)
    made = loaded.interpolate(starts, ends, steps)
    path = write_samples(made, out, folder.path / "interpolated.png", steps)
    report(path, len(made), as_json, quiet)


def encode(
    run: RunName,
    data: OtherData = None,
    out: Annotated[
        str | None, typer.Option("--out", help="A .npz with the codes z and the labels y.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="test or train.")] = "test",
    device: DeviceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the latents of a whole split, for whatever comes after."""
    from ..errors import ConfigError, did_you_mean
    from ..models.base import require
    from ..writing import write_codes

    if split not in ("test", "train"):
        raise ConfigError(f"--split is {split!r}; {did_you_mean(split, ('test', 'train'))}")
    folder, loaded = opened(run, device)
    require(loaded.model, "encode")
    with listening(as_json, quiet) as listener:
        dataset = data_for(folder, loaded, data, listener)
        whose = split if data is None else f"{dataset.name}-{split}"
        path = Path(out) if out else folder.path / f"codes-{whose}.npz"
        count = write_codes(loaded, getattr(dataset, split), path, listener)
    report(path, count, as_json, quiet)


def checked(out: str | None, loaded: Loaded) -> None:
    """Refuses a path that the model's samples cannot be written to, before they are made."""
    from ..writing import check_out

    if out:
        check_out(Path(out), pictures=len(loaded.spec.shape) == 3)


def held_out(
    folder: RunFolder,
    loaded: Loaded,
    data: str | None,
    count: int,
    as_json: bool,
    quiet: bool,
    seed: int = 0,
) -> Tensor:
    """Some held-out samples, of one seed always the same, `(N, *shape)` in data units.

    Those of seed 0 are the ones that a judgement begins with.
    """
    from ..data.drawing import drawn
    from ..data.stream import to_range

    with listening(as_json, quiet) as listener:
        split = data_for(folder, loaded, data, listener).test
        if count > len(split):
            listener.said(f"{len(split):,} samples are held out, and {count:,} were asked for")
    return to_range(drawn(split, count, seed).x)


def report(path: Path, count: int, as_json: bool, quiet: bool) -> None:
    """Says where the result is."""
    from ..runs import relative_to_cwd

    show({"path": str(path), "count": count}, [f"wrote {relative_to_cwd(path)}"], as_json, quiet)
