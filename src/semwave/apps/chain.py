"""``semwave send``, ``transmit`` and ``receive``: the whole chain, and its two ends."""

from pathlib import Path
from typing import Annotated

import typer

from semwave.apps import privacy
from semwave.apps.options import (
    CodesOnly,
    Engine,
    Face,
    Invert,
    Ks,
    LpipsWeights,
    ModelName,
    NoAlign,
    Ratios,
    RefineSteps,
    Seed,
    Size,
    Start,
    chosen_ks,
    chosen_layers,
    chosen_lpips,
    chosen_start,
    model_file,
)
from semwave.apps.outputs import PICTURES, check_outputs, check_report, check_suffix
from semwave.errors import SemwaveError, printable
from semwave.zoo import DEFAULT, LAYERS, MODELS

PARTIAL_FAILURE = 2


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
    engine: Engine = "torch",
    lpips_weights: LpipsWeights = None,
    report: Annotated[Path | None, typer.Option(help="The report's file (default: report.json in --out).")] = None,
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="Write the report only.")] = False,
    hide: privacy.Hide = None,
    keep: privacy.Keep = None,
    mask: privacy.Mask = None,
    how: privacy.How = None,
    lambda1: privacy.Lambda1 = None,
    lambda2: privacy.Lambda2 = None,
    knowledge: privacy.Base = None,
) -> None:
    """Send photographs through the whole chain.

    Writes NAME.received.png, NAME.comparison.png (sent | received) and a report with one row an image.
    --ratio, --k and --snr may be given several times; each photo is then inverted once and sent with all. Pictures and
    the report of an earlier run under the same names are replaced. A terminal shows the first comparison.
    """
    from semwave.air.iq import checked_snr
    from semwave.apps.send import Sender, picture_names, send_photos, summary
    from semwave.interop.engines import drawn_by
    from semwave.model import load_model
    from semwave.pictures.console import plain_console, show
    from semwave.pictures.images import read_image
    from semwave.pictures.photos import find_photos

    private, masked = privacy.chosen(hide, keep, mask, how, lambda1, lambda2, seed, knowledge)
    found = find_photos(photos)
    snrs_db = tuple(dict.fromkeys(snr or (10.0,)))
    for snr_db in snrs_db:
        checked_snr(snr_db, 1)
    report = report or out / "report.json"
    inputs = [*(photo.path for photo in found), *photos, mask, knowledge, *model_file(model)]
    check_outputs([report], inputs, [out])
    check_report(report)
    loaded = load_model(model)
    size = loaded.config.checked_size(size)
    ks = chosen_ks(loaded.config, k, ratio, size)
    pictures = [] if no_pictures else [out / name for name in picture_names(found, ks, snrs_db)]
    replaced = check_outputs([report, *pictures], inputs, [out])
    lpips, warning = chosen_lpips(lpips_weights)
    start, steps = chosen_start(invert, refine_steps)
    sender = Sender(
        drawn_by(loaded, engine),
        ks,
        snrs_db,
        channel=channel,
        size=size,
        align_faces=not no_align,
        face=face,
        layers=chosen_layers(codes_only),
        refine_steps=steps,
        start=start,
        perceptual=perceptual,
        seed=seed,
        lpips=lpips,
        privacy=private,
        mask=masked,
    )
    notes: list[str] = []
    rows, failures = send_photos(sender, found, out, report, not no_pictures, plain_console(stderr=True), notes.append)
    if rows:
        if warning:
            typer.echo(f"semwave: {warning}", err=True)
        console = plain_console()
        console.print(summary(rows))
        where = f"report: {printable(report)}"
        console.print(where if no_pictures else f"pictures: {printable(out)}, {where}", soft_wrap=True)
        if not no_pictures:
            arrived = next(photo for photo in found if printable(photo.path.name) == rows[0]["photo"])
            comparison = out / picture_names([arrived], ks, snrs_db)[1]
            show(console, read_image(comparison))
        if replaced:
            notes.append(f"{printable(replaced[0].parent)}: {len(replaced)} files of an earlier run were replaced")
    for note in notes:
        typer.echo(f"semwave: note: {note}", err=True)
    for failure in failures:
        typer.echo(f"semwave: {printable(failure)}", err=True)
    if failures:
        raise typer.Exit(PARTIAL_FAILURE)


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
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of what stands in for private parts.")] = 0,
    model: ModelName = DEFAULT,
    hide: privacy.Hide = None,
    keep: privacy.Keep = None,
    mask: privacy.Mask = None,
    how: privacy.How = None,
    lambda1: privacy.Lambda1 = None,
    lambda2: privacy.Lambda2 = None,
    knowledge: privacy.Base = None,
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
    check_outputs([out], [photo, mask, knowledge, *model_file(model)])
    private, masked = privacy.chosen(hide, keep, mask, how, lambda1, lambda2, seed, knowledge)
    picture = images.read_image(photo)
    loaded = load_model(model)
    size = loaded.config.checked_size(size)
    ks = chosen_ks(loaded.config, k, ratio, size)
    if len(ks) > 1:
        raise SemwaveError("transmit makes one file of symbols; give one --k or one --ratio")
    start, steps = chosen_start(invert, refine_steps)
    transmitter = Transmitter(loaded, ks[0], chosen_layers(codes_only), steps, start, privacy=private)
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
    engine: Engine = "torch",
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
