"""``semwave send``, ``transmit`` and ``receive``: the whole chain, and its two ends."""

from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from semwave.apps import privacy
from semwave.apps.options import (
    BAD_INPUT,
    BATCH,
    PARTIAL_FAILURE,
    WORKERS,
    Batch,
    CodesOnly,
    DrawnBy,
    Face,
    Invert,
    Ks,
    LpipsWeights,
    ModelName,
    NoAlign,
    Ratios,
    Ray,
    RefineSteps,
    Resume,
    Seed,
    Size,
    StandInSeed,
    Start,
    Workers,
    chosen_engine,
    chosen_ks,
    chosen_layers,
    chosen_start,
    found_anywhere,
    lpips_backbones,
    missing_lpips,
    model_file,
)
from semwave.apps.outputs import PICTURES, check_outputs, check_report, check_suffix, row_log_of
from semwave.errors import SemwaveError, printable
from semwave.pictures.files import FILE, kind_of
from semwave.zoo import DEFAULT, LAYERS, MODELS


@privacy.with_options
def send(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO...", help="Pictures, folders of pictures, or .txt lists of file names."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
    ratio: Ratios = None,
    k: Ks = None,
    snr: Annotated[list[float] | None, typer.Option(help="Es/N0 in dB, -20 to 60 (default: 10).")] = None,
    channel: Annotated[
        str, typer.Option(help="awgn, rayleigh (block fading), or by a modem over tdl-a, tdl-b-30ns, ...")
    ] = "awgn",
    codes_only: CodesOnly = False,
    size: Size = None,
    no_align: NoAlign = False,
    face: Face = None,
    invert: Invert = Start.encoder,
    refine_steps: RefineSteps = None,
    perceptual: Annotated[bool, typer.Option("--perceptual", help="Refine by LPIPS(alex) beside the MSE.")] = False,
    seed: Seed = 0,
    model: ModelName = DEFAULT,
    engine: DrawnBy = "torch",
    lpips_weights: LpipsWeights = None,
    report: Annotated[Path | None, typer.Option(help="The report's file (default: report.json in --out).")] = None,
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="Write the report only.")] = False,
    workers: Workers = WORKERS,
    batch: Batch = BATCH,
    ray: Ray = None,
    resume: Resume = False,
    private: privacy.Private = privacy.NOTHING,
) -> None:
    """Send photographs through the whole chain.

    Writes NAME.received.png, NAME.comparison.png (sent | received) and a report with one row an image:
    report.jsonl as it grows, report.json in the end. --ratio, --k and --snr may be given several times; each photo is
    then inverted once and sent with all. Pictures and the report of an earlier run under the same names are replaced. A
    terminal shows the first comparison. Exit codes: 0 all photos were sent, 3 some of them, 2 none.
    """
    from semwave.air.iq import checked_snr
    from semwave.apps.send import picture_names
    from semwave.apps.sending import new_sender, send_photos
    from semwave.interop.engines import check_engine
    from semwave.model import load_model
    from semwave.pictures.console import plain_console, show
    from semwave.pictures.images import read_image
    from semwave.pictures.photos import find_photos

    hidden, masked = private.chosen(seed)
    found = find_photos(photos)
    snrs_db = tuple(dict.fromkeys(snr or (10.0,)))
    for snr_db in snrs_db:
        checked_snr(snr_db, 1)
    report = report or out / "report.json"
    inputs = [*(photo.path for photo in found), *photos, *private.files, *model_file(model)]
    reports = list(dict.fromkeys([report, row_log_of(report)]))
    check_outputs(reports, inputs, [out])
    check_report(report, lines=True)
    check_engine(engine)
    run = chosen_engine(workers, batch, ray)
    loaded = load_model(model)
    size = loaded.config.checked_size(size)
    ks = chosen_ks(loaded.config, k, ratio, size)
    pictures = (out / name for photo in found for name in picture_names(photo, ks, snrs_db) if not no_pictures)
    replaced = check_outputs(chain(reports, pictures), inputs, [out])
    there, first = len(replaced), replaced[:1]
    del inputs, replaced  # there may be millions
    start, steps = chosen_start(invert, refine_steps)
    # Decided here: the report says the same whatever else a machine of a cluster has.
    backbones = lpips_backbones(lpips_weights)
    if ray is not None:  # other processes have other working folders
        found = [replace(photo, path=photo.path.absolute()) for photo in found]
        lpips_weights = lpips_weights and lpips_weights.absolute()
        model = found_anywhere(model)
        if hidden and hidden.knowledge:
            hidden = replace(hidden, knowledge=hidden.knowledge.absolute())
    make = partial(
        new_sender,
        backbones,
        lpips_weights,
        engine,
        model=model,
        ks=ks,
        snrs_db=snrs_db,
        channel=channel,
        size=size,
        align_faces=not no_align,
        face=face,
        layers=chosen_layers(codes_only),
        refine_steps=steps,
        start=start,
        perceptual=perceptual,
        seed=seed,
        privacy=hidden,
        mask=masked,
        out=None if no_pictures else out.absolute(),
    )
    sender = make()
    if ray is None:
        make = lambda: sender  # noqa: E731
    notes: list[str] = []
    done = send_photos(make, found, report, run, plain_console(stderr=True), resume, notes.append)
    if done.table is not None and (done.sent or done.there):
        if missing := missing_lpips(backbones):
            typer.echo(f"semwave: {missing}", err=True)
        console = plain_console()
        console.print(done.table)
        where = f"report: {printable(report)}"
        console.print(where if no_pictures else f"pictures: {printable(out)}, {where}", soft_wrap=True)
        if not no_pictures:
            comparisons = (out / picture_names(photo, ks, snrs_db)[1] for photo in found)
            if arrived := next((path for path in comparisons if kind_of(path) == FILE), None):
                show(console, read_image(arrived))
        if done.there:
            notes.append(f"{done.there} photos were there already")
        elif first:
            notes.append(f"{printable(first[0].parent)}: {there} files of an earlier run were replaced")
    for note in notes:
        typer.echo(f"semwave: note: {note}", err=True)
    for failure in done.failures:
        typer.echo(f"semwave: {printable(failure)}", err=True)
    if done.failures:
        raise typer.Exit(PARTIAL_FAILURE if done.sent or done.there else BAD_INPUT)


@privacy.with_options
def transmit(
    photo: Annotated[Path, typer.Argument(help="The picture to send.")],
    out: Annotated[
        Path, typer.Option(help="File for the symbols: .safetensors with a header, or a plain .npy of k float32.")
    ],
    ratio: Ratios = None,
    k: Ks = None,
    codes_only: CodesOnly = False,
    size: Size = None,
    no_align: NoAlign = False,
    face: Face = None,
    invert: Invert = Start.encoder,
    refine_steps: RefineSteps = None,
    seed: StandInSeed = 0,
    model: ModelName = DEFAULT,
    private: privacy.Private = privacy.NOTHING,
) -> None:
    """Turn one photograph into k real symbols of unit power: the transmitter alone.

    The file says which model made them, with which weights, and what they carry; 'semwave receive' reads that.
    """
    from semwave.air import files
    from semwave.model import load_model
    from semwave.pictures import images
    from semwave.privacy.photo import framed
    from semwave.transmitter import Transmitter

    files.check_suffix(out)
    check_outputs([out], [photo, *private.files, *model_file(model)])
    hidden, masked = private.chosen(seed)
    picture = images.read_image(photo)
    loaded = load_model(model)
    size = loaded.config.checked_size(size)
    ks = chosen_ks(loaded.config, k, ratio, size)
    if len(ks) > 1:
        raise SemwaveError("transmit makes one file of symbols; give one --k or one --ratio")
    start, steps = chosen_start(invert, refine_steps)
    transmitter = Transmitter(loaded, ks[0], chosen_layers(codes_only), steps, start, privacy=hidden)
    try:
        frame = framed(picture, size, not no_align, masked, face)
        signal = transmitter(images.to_tensor(frame.read), frame.region)
    except SemwaveError as error:
        raise SemwaveError(f"{photo}: {error}") from error
    files.write_signal(out, signal)
    if frame.note:
        typer.echo(f"semwave: note: {printable(photo)}: {frame.note}", err=True)
    typer.echo(f"{printable(out)}: {ks[0]} real symbols, {ks[0] // 2} complex")


def receive(
    symbols: Annotated[Path, typer.Argument(help="The received, equalised symbols: a .safetensors file, or a .npy.")],
    out: Annotated[Path, typer.Option(help="The picture to write: .png, .jpg, .webp, .tif or .bmp.")],
    snr: Annotated[
        float, typer.Option(help="Es/N0 in dB at which they were received, where the file does not tell.")
    ] = 10.0,
    model: Annotated[
        str | None, typer.Option("--model", help="The transmitter's model (default: the one that the file names).")
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Of a .npy: what the symbols carry, codes or codes,residual.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Width and height of the picture in pixels (default: the photograph's).")
    ] = None,
    engine: DrawnBy = "torch",
) -> None:
    """Draw the picture that received symbols describe: the receiver alone.

    What is not for this model and its weights is refused. A plain .npy says nothing of itself, so --model and --layers
    must.
    """
    from semwave.air import files
    from semwave.interop.engines import drawn_by
    from semwave.model import load_model
    from semwave.pictures import images
    from semwave.receiver import Receiver
    from semwave.types import Header

    check_suffix(out, PICTURES, "a picture")
    check_outputs([out], [symbols, *model_file(model)])
    plain = symbols.suffix == files.PLAIN
    if plain and (model is None or layers is None):
        raise SemwaveError(f"{symbols}: a .npy says nothing of itself; give --model NAME and --layers codes,residual")
    if not plain and layers is not None:
        raise SemwaveError(f"{symbols}: --layers is for .npy files; this one says what it carries")
    try:
        if plain:
            assert model is not None and layers is not None
            loaded, values = load_model(model), files.read_array(symbols)
            carried = loaded.config.checked_layers(len(values), _layers(layers))
            size = loaded.config.checked_size(size)
            header = Header(loaded.config.name, loaded.digest, len(values), carried, size)
            soft = files.read_plain(symbols, snr, header)
        else:
            soft = files.read_soft(symbols, snr)
            assert soft.header is not None
            made_by = soft.header.model
            if model is None and made_by not in MODELS:
                raise SemwaveError(f"made by {made_by}, which is not shipped; give it with --model")
            loaded = load_model(model or made_by)
            if size is None and soft.header.size in loaded.config.sizes:
                size = soft.header.size
        # Before anything is drawn: a file may hold a thousand pictures' symbols.
        if len(soft.symbols) > 1:
            raise SemwaveError(f"{symbols}: holds {len(soft.symbols)} pictures; receive draws one")
        picture = Receiver(drawn_by(loaded, engine), size)(soft)
        if not soft.received.any():
            typer.echo(f"{printable(symbols)}: no symbol was received; the picture is the mean face", err=True)
    except SemwaveError as error:
        raise SemwaveError(str(error) if str(symbols) in str(error) else f"{symbols}: {error}") from error
    images.write_image(out, images.to_uint8(picture[0]))
    typer.echo(printable(out))


def _layers(text: str) -> tuple[str, ...]:
    """What --layers names. Raises :class:`SemwaveError` for other layers than there are."""
    named = tuple(layer.strip() for layer in text.split(","))
    if not set(named) <= set(LAYERS):
        raise SemwaveError(f"unknown layers '{text}'; give {LAYERS[0]} or {','.join(LAYERS)}")
    return tuple(layer for layer in LAYERS if layer in named)
