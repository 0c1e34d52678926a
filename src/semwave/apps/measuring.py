"""``semwave bench`` and ``semwave compare``: what they are asked, and their tables."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from semwave.apps.options import LpipsWeights, ModelName, Seed, model_file
from semwave.apps.outputs import check_outputs, check_report
from semwave.zoo import DEFAULT, MODELS


def bench(
    photo: Annotated[Path | None, typer.Option(help="A photo with a face (default: the astronaut).")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to repeat every stage.")] = 3.0,
    runs: Annotated[int, typer.Option(min=1, help="Fresh processes for import, load and send.")] = 5,
    report: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file too.")] = None,
    model: ModelName = DEFAULT,
) -> None:
    """Measure how long every stage takes on this machine, and how much memory a run needs.

    Medians over the repetitions; the spread is the width of their middle half.
    """
    from semwave.apps import bench as measuring
    from semwave.evaluation.machine import machine
    from semwave.pictures import files, images
    from semwave.pictures.console import plain_console, track

    check_outputs([report], [photo, *model_file(model)])
    check_report(report)

    if photo is None:
        from skimage.data import astronaut

        picture = astronaut()
    else:
        picture = images.read_image(photo)
    rows: list[dict] = []
    measured = chain(
        measuring.processes(model, picture, runs),
        ((timing, None) for timing in measuring.stages(model, picture, seconds)),
    )
    for timing, memory in track(measured, "measuring"):
        rows.append(measuring.as_row(timing, memory))
    if report is not None:
        files.write_json(report, {"machine": machine(), "stages": rows})
    table = Table("stage", "median [s]", "spread [s]", "runs", "images/s", "peak memory [MiB]")
    for row in rows:
        figures = (f"{row['median']:.4f}", f"{row['spread']:.4f}", str(row["runs"]), f"{row['images_per_second']:.1f}")
        table.add_row(str(row["stage"]), *figures, f"{row['peak_memory_mib']:.0f}" if "peak_memory_mib" in row else "")
    plain_console().print(table)
    typer.echo(", ".join(f"{name}: {value}" for name, value in machine().items()))
    invert = next(row["median"] for row in rows if row["stage"] == "invert")
    typer.echo(
        f"the Semantic StyleGAN authors' inversion, {measuring.AUTHORS_INVERSION:,.0f} s on two cores, takes "
        f"{measuring.AUTHORS_INVERSION / invert:,.0f} times as long as invert"
    )


def compare(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PHOTO]...", help="Aligned photos to invert: pictures, folders, or .txt lists."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="A model; may be given several times (default: all).")
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Pixels at which they are compared.")] = 128,
    pairs: Annotated[int, typer.Option(min=0, help="Pairs of random faces that swap a part.")] = 100,
    refine_steps: Annotated[int, typer.Option(min=0, help="Steps of gradient descent of the inversion.")] = 0,
    kid: Annotated[
        bool, typer.Option("--kid", help="Also KID of random faces; --lpips-weights must have SqueezeNet.")
    ] = False,
    seed: Seed = 0,
    lpips_weights: LpipsWeights = None,
    report: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file too.")] = None,
) -> None:
    """Compare generators: how well photos are inverted, without a channel, and whether parts change by themselves.

    Two codes of a part are swapped between random faces; "inside" is the share of the squared change that lies within
    that part's mask, grown by 5 % of the width. KID is between the photos and as many random faces, by features of
    SqueezeNet.
    """
    from semwave.apps import compare as comparison
    from semwave.evaluation.kid import Features, check_enough
    from semwave.model import load_model
    from semwave.pictures import files
    from semwave.pictures.console import plain_console, track
    from semwave.pictures.metrics import LPIPS
    from semwave.pictures.photos import find_photos

    found = [photo.path for photo in find_photos(photos)] if photos else []
    check_outputs([report], [*found, *(photos or ()), *(file for name in model or () for file in model_file(name))])
    check_report(report)
    if kid:
        check_enough(len(found))
    models = [load_model(name) for name in model or MODELS]
    lpips, features = LPIPS("alex", lpips_weights), Features(lpips_weights) if kid else None
    rows = []
    for loaded in models:
        shares = comparison.locality(loaded, size, track(range(pairs), f"{loaded.config.name}: swapping"), seed)
        inverting = track(found, f"{loaded.config.name}: inverting")
        quality = list(comparison.inversion(loaded, inverting, size, refine_steps, lpips))
        drawing = track(found, f"{loaded.config.name}: random faces")
        distance = comparison.naturalness(loaded, drawing, size, seed, features) if features else None
        rows.append(comparison.row(loaded, size, shares, quality, distance))
        if report is not None:
            files.write_json(report, rows)
    table = Table("", *(row["model"] for row in rows))
    table.add_row("pairs", *(str(row["pairs"]) for row in rows))
    for part in comparison.SWAPPED:
        table.add_row(f"inside, {part}", *(_figure(row["inside_parts"].get(part), ".1%") for row in rows))
    table.add_row("inside, mean", *(_figure(row["inside"], ".1%") for row in rows))
    table.add_row("photos", *(str(row["photos"]) for row in rows))
    table.add_row("PSNR [dB]", *(_figure(row["psnr_db"], ".2f") for row in rows))
    table.add_row("LPIPS(alex)", *(_figure(row["lpips_alex"], ".3f") for row in rows))
    if kid:
        table.add_row("KID", *(_figure(row["kid"], ".2f") for row in rows))
    plain_console().print(table)


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
