"""``semwave knowledge``: knowledge bases of natural faces."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semwave.apps.options import (
    BATCH,
    PARTIAL_FAILURE,
    WORKERS,
    Batch,
    ManyCommand,
    ModelName,
    Ray,
    Seed,
    Workers,
    chosen_engine,
    found_anywhere,
    model_file,
)
from semwave.apps.outputs import check_outputs, check_suffix
from semwave.errors import SemwaveError, printable
from semwave.zoo import DEFAULT, config_of

if TYPE_CHECKING:
    from torch import Tensor

    from semwave.pictures.photos import Photo
    from semwave.privacy.faces import GeneratedCodes, PhotoCodes
    from semwave.work.pieces import Pieces
    from semwave.work.units import Engine, Work

app = typer.Typer(help="Make and show knowledge bases of natural faces.", no_args_is_help=True)


@app.command("build", cls=ManyCommand)
def build_knowledge(
    out: Annotated[Path, typer.Option(help="The knowledge base to write: .safetensors.")],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="DIR_OR_CODES", help="Folder of photos, or codes (N, 28, 512): .npy, .safetensors."),
    ] = None,
    generated: Annotated[int, typer.Option(min=0, help="Take this many generated faces instead.")] = 0,
    no_align: Annotated[bool, typer.Option("--no-align", help="The photos are aligned square faces already.")] = False,
    seed: Seed = 0,
    model: ModelName = DEFAULT,
    workers: Workers = WORKERS,
    batch: Batch = BATCH,
    ray: Ray = None,
) -> None:
    """Make a knowledge base: average codes of every part, their spread, and varied natural faces.

    The prototypes are codes of faces in the data set. The knowledge base that comes with the model is made of
    generated faces alone. A photo that cannot be read is left out, and the exit code is 3 then. A build that was
    interrupted goes on.
    """
    from semwave.model import load_model
    from semwave.pictures.console import track
    from semwave.pictures.files import FOLDER, kind_of
    from semwave.pictures.photos import find_photos
    from semwave.privacy import faces
    from semwave.privacy.knowledge import build
    from semwave.privacy.protection import part_model
    from semwave.work.pieces import Pieces

    if (source is None) == (generated == 0):
        raise SemwaveError("give either a folder of photos or a file of codes, or --generated N")
    check_suffix(out, (".safetensors", ""), "a knowledge base")
    photos = find_photos([source]) if source and kind_of(source) == FOLDER else []
    check_outputs([out], [source, *(photo.path for photo in photos), *model_file(model)])
    engine = chosen_engine(workers, batch, ray)
    if ray is not None:  # other processes have other working folders
        photos, model = [replace(photo, path=photo.path.absolute()) for photo in photos], found_anywhere(model)
    loaded = part_model(load_model(model))
    failures: list[str] = []
    pieces = None
    if source is None or photos:
        if photos:
            pieces = Pieces(out, (loaded.digest, not no_align), cache(_content))
            kind, units, make = "photos", photos, partial(_photo_codes, model, not no_align)
        else:
            pieces = Pieces(out, (loaded.digest, "generated", seed), str)
            kind, units, make = "generated faces", range(generated), partial(_generated_codes, model, seed)
        codes, failures = _codes_of(units, make, engine, pieces)
        name = f"{len(codes)} {kind}"
    else:
        assert source is not None
        codes = faces.read_codes(source)
        name = f"{sum(map(len, codes))} codes"
    built = build(loaded, track(codes, "faces", total=len(codes)), name, seed=seed)
    built.save(out)
    if pieces is not None:
        pieces.remove()
    typer.echo(f"{printable(out)}: {built.total} faces, {len(built.prototypes)} prototypes")
    for failure in failures:
        typer.echo(f"semwave: {printable(failure)}", err=True)
    if failures:
        raise typer.Exit(PARTIAL_FAILURE)


def _photo_codes(model: str, align_faces: bool) -> "PhotoCodes":
    """What a process makes for itself to find the codes of photos."""
    from semwave.model import load_model
    from semwave.privacy.faces import PhotoCodes
    from semwave.privacy.protection import part_model

    return PhotoCodes(part_model(load_model(model)), align_faces)


def _generated_codes(model: str, seed: int) -> "GeneratedCodes":
    """What a process makes for itself to find the codes of generated faces."""
    from semwave.model import load_model
    from semwave.privacy.faces import GeneratedCodes
    from semwave.privacy.protection import part_model

    return GeneratedCodes(part_model(load_model(model)), seed)


def _content(photo: "Photo") -> str:
    """Names what is in the file of ``photo``; one that cannot be read has no codes either."""
    from semwave.pictures.files import file_digest

    try:
        return file_digest(photo.path)
    except SemwaveError:
        return "unread"


def _codes_of(
    units: Sequence[Any], make: "Callable[[], Work]", engine: "Engine", pieces: "Pieces"
) -> "tuple[list[Tensor], list[str]]":
    """The codes of ``units``, photos or numbers of generated faces, in their order whatever comes first, and a line for
    each that has none.

    Raises :class:`SemwaveError` where none has.
    """
    from semwave.pictures.console import track

    codes, failures = {}, []
    for outcome in track(pieces(engine, make, units), "inverting", total=len(units)):
        if outcome.result is None:
            where = str(getattr(outcome.unit, "path", outcome.unit))
            failures.append(outcome.failure if where in outcome.failure else f"{where}: {outcome.failure}")
        else:
            codes[outcome.unit] = outcome.result
    if not codes:
        raise SemwaveError(failures[0])
    return [codes[unit] for unit in units if unit in codes], failures


@app.command("show")
def show_knowledge(
    file: Annotated[Path | None, typer.Argument(help="A knowledge base (default: the model's).")] = None,
    model: ModelName = DEFAULT,
) -> None:
    """Say what a knowledge base holds."""
    from rich.table import Table

    from semwave.pictures.console import plain_console
    from semwave.privacy.knowledge import load_knowledge

    config = config_of(model)
    layout, base = config.layout, load_knowledge(config, file)
    table = Table("part", "faces", "|average|", "spread", title=printable(f"{base.made_for}: {base.made_from}"))
    for part, faces in zip(layout.parts, base.faces.tolist(), strict=True):
        codes = layout.code_indices((part,))
        average = base.mean[codes].square().sum().sqrt().item()
        spread = base.spread[codes].square().sum().sqrt().item()
        table.add_row(part, str(faces), f"{average:.2f}", f"{spread:.2f}")
    plain_console().print(table)
    typer.echo(f"{len(base.prototypes)} prototypes of {base.total} faces")
