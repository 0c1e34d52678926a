"""The ``semwave`` command. What a command needs is imported when it runs, so that help appears at once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from typer.core import TyperGroup

from semwave import __version__
from semwave.apps import evaluate as evaluation
from semwave.apps import privacy as privacy
from semwave.apps import train as training
from semwave.apps.options import LpipsWeights, ModelName, Seed
from semwave.errors import SemwaveError

if TYPE_CHECKING:
    from torch import Tensor

    from semwave.model import Model
    from semwave.pictures.metrics import LPIPS

BAD_INPUT, INTERRUPTED = 2, 130
MOST_FACES = 256
OPTIMISE_STEPS = 80


class Inversion(StrEnum):
    """How a photograph becomes codes."""

    encoder = "encoder"
    optimise = "optimise"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End with one line on stderr where the input is at fault (exit code 2) or the user interrupts (130)."""
    try:
        yield
    except SemwaveError as error:
        message, code = str(error), BAD_INPUT
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        if context is None or not error.format_message():  # a bare command: Typer shows its help
            raise
        message, code = f"{error.format_message()} (see {context.command_path} --help)", error.exit_code
    except KeyboardInterrupt:
        message, code = "interrupted; the files that are there are whole", INTERRUPTED
    else:
        return
    typer.echo("semwave: " + " ".join(message.split()), err=True)
    raise typer.Exit(code)


class OneLineErrors(TyperGroup):
    """The commands under :func:`one_line_errors`, whether their arguments are parsed or they run."""

    def make_context(self, *args: object, **options: object) -> typer.Context:
        """Parse the options of ``semwave`` itself."""
        with one_line_errors():
            return super().make_context(*args, **options)

    def invoke(self, ctx: typer.Context) -> object:
        """Run the command that ``ctx`` names."""
        with one_line_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Send photographs of faces as a few hundred real numbers over a noisy channel, and draw them again.",
)
app.add_typer(training.app, name="train")
app.add_typer(privacy.knowledge, name="knowledge")
figures = typer.Typer(help="Draw figures and measure what the documentation states.", no_args_is_help=True)
figures.command("paper")(evaluation.draw_paper)
figures.command("privacy")(privacy.draw_privacy)
app.add_typer(figures, name="figures")

Ks = Annotated[list[int] | None, typer.Option("--k", help="Real symbols an image: 256 or 2560.")]
Ratios = Annotated[
    list[str] | None,
    typer.Option(
        "--ratio",
        help="k / n, n = 3 size^2; at 512: 1/3072 or 10/3072 (default).",
    ),
]
CodesOnly = Annotated[
    bool, typer.Option("--codes-only", help="Codes are all that is sent, as in the paper; both ends must know.")
]
Size = Annotated[
    int | None,
    typer.Option(help="Width and height of the picture in pixels (default: the model's, 512 for faces-512)."),
]
NoAlign = Annotated[bool, typer.Option("--no-align", help="The picture is an aligned square face already.")]
RefineSteps = Annotated[
    int | None,
    typer.Option(help="Steps of gradient descent (default: none after encoder, 80 with --invert optimise)."),
]
Invert = Annotated[
    Inversion, typer.Option(help="encoder: the codes in one pass; optimise: gradient descent from the mean face.")
]


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Options of ``semwave`` itself."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def send(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO...", help="Pictures, folders of pictures, or .txt lists of file names."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
    ratio: Ratios = None,
    k: Ks = None,
    snr: Annotated[list[float] | None, typer.Option(help="Es/N0 in dB, -20 to 60 (default: 10).")] = None,
    channel: Annotated[str, typer.Option(help="awgn, or rayleigh (block fading).")] = "awgn",
    codes_only: CodesOnly = False,
    size: Size = None,
    no_align: NoAlign = False,
    invert: Invert = Inversion.encoder,
    refine_steps: RefineSteps = None,
    perceptual: Annotated[
        bool, typer.Option("--perceptual", help="Refine by LPIPS(alex) beside the MSE; needs --lpips-weights.")
    ] = False,
    seed: Seed = 0,
    model: ModelName = "faces-512",
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
    --ratio, --k and --snr may be given several times; each photo is then inverted once and sent with all.
    """
    from semwave.air.channels import checked_snr
    from semwave.apps.send import Sender, send_photos, summary
    from semwave.model import load_model
    from semwave.pictures.photos import find_photos

    private, masked = privacy.chosen(hide, keep, mask, how, lambda1, lambda2, seed, knowledge)
    found = find_photos(photos)
    snrs_db = tuple(dict.fromkeys(snr or (10.0,)))
    for snr_db in snrs_db:
        checked_snr(snr_db, 1)
    loaded = load_model(model)
    size = _chosen_size(loaded, size)
    lpips, warning = _lpips(lpips_weights)
    sender = Sender(
        loaded,
        _chosen_ks(loaded, k, ratio, size),
        snrs_db,
        channel=channel,
        size=size,
        align_faces=not no_align,
        **_inversion(invert, refine_steps),
        perceptual=perceptual,
        seed=seed,
        lpips=lpips,
        privacy=private,
        mask=masked,
        residual=not codes_only,
    )
    report = report or out / "report.json"
    rows, failures = send_photos(sender, found, out, report, not no_pictures, Console(stderr=True))
    if rows:
        if warning:
            typer.echo(f"semwave: {warning}", err=True)
        console = Console()
        console.print(summary(rows))
        console.print(f"report: {report}" if no_pictures else f"pictures: {out}, report: {report}", soft_wrap=True)
    for failure in failures:
        typer.echo(f"semwave: {failure}", err=True)
    if failures:
        raise typer.Exit(BAD_INPUT)


@app.command()
def transmit(
    photo: Annotated[Path, typer.Argument(help="The picture to send.")],
    out: Annotated[Path, typer.Option(help="File for the symbols: .npy, k float32.")],
    ratio: Ratios = None,
    k: Ks = None,
    codes_only: CodesOnly = False,
    size: Size = None,
    no_align: NoAlign = False,
    invert: Invert = Inversion.encoder,
    refine_steps: RefineSteps = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of what stands in for private parts.")] = 0,
    model: ModelName = "faces-512",
    hide: privacy.Hide = None,
    keep: privacy.Keep = None,
    mask: privacy.Mask = None,
    how: privacy.How = None,
    lambda1: privacy.Lambda1 = None,
    lambda2: privacy.Lambda2 = None,
    knowledge: privacy.Base = None,
) -> None:
    """Turn one photograph into k real symbols of unit power: the transmitter alone."""
    from semwave.model import load_model
    from semwave.pictures import files, images
    from semwave.privacy.photo import framed
    from semwave.transmitter import Transmitter

    private, masked = privacy.chosen(hide, keep, mask, how, lambda1, lambda2, seed, knowledge)
    picture = images.read_image(photo)
    loaded = load_model(model)
    size = _chosen_size(loaded, size)
    ks = _chosen_ks(loaded, k, ratio, size)
    if len(ks) > 1:
        raise SemwaveError("transmit makes one file of symbols; give one --k or one --ratio")
    transmitter = Transmitter(
        loaded, ks[0], **_inversion(invert, refine_steps), privacy=private, residual=not codes_only
    )
    try:
        picture = framed(picture, size, not no_align, masked)
        symbols = transmitter(images.to_tensor(picture.read), picture.region).symbols[0]
    except SemwaveError as error:
        raise SemwaveError(f"{photo}: {error}") from error
    files.write_array(out, symbols.numpy())
    typer.echo(f"{out}: {len(symbols)} real symbols, {len(symbols) // 2} complex")


@app.command()
def receive(
    symbols: Annotated[Path, typer.Argument(help="The received symbols: .npy, k float32, equalised.")],
    out: Annotated[Path, typer.Option(help="The picture to write: .png.")],
    snr: Annotated[float, typer.Option(help="Es/N0 in dB at which they were received.")] = 10.0,
    codes_only: CodesOnly = False,
    size: Size = None,
    model: ModelName = "faces-512",
) -> None:
    """Draw the picture that k received symbols describe: the receiver alone."""
    from semwave.pictures import images
    from semwave.receiver import Receiver

    received = _read_symbols(symbols)
    receiver = Receiver(model, size, residual=not codes_only)
    try:
        picture = receiver(received, snr)
    except SemwaveError as error:
        raise SemwaveError(f"{symbols}: {error}") from error
    images.write_png(out, images.to_uint8(picture[0]))
    typer.echo(str(out))


app.command()(evaluation.evaluate)


@app.command("models")
def list_models() -> None:
    """List the models that are shipped."""
    from semwave.model import MODELS, load_model

    table = Table("model", "sizes", "k", "weights", "licence", Column("card", overflow="fold"))
    for name, folder in MODELS.items():
        model = load_model(name)
        weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        table.add_row(
            name,
            ", ".join(map(str, model.sizes)),
            ", ".join(map(str, model.codecs)),
            f"{weights / 2**20:.1f} MiB",
            model.info.get("licence", "-"),
            model.info.get("card", "-"),
        )
    Console().print(table)


@app.command()
def generate(
    out: Annotated[Path, typer.Option(help="Folder for face-00.png ... and grid.png.")],
    count: Annotated[int, typer.Option(min=1, max=MOST_FACES, help="Number of faces.")] = 8,
    size: Size = None,
    seed: Seed = 0,
    model: ModelName = "faces-512",
) -> None:
    """Draw random faces and, beside each, its part masks in colours."""
    import torch
    from rich.progress import track

    from semwave.model import load_model
    from semwave.pictures import images
    from semwave.pictures.grid import coloured_parts, grid, side_by_side

    loaded = load_model(model)
    size = _chosen_size(loaded, size)
    if out.exists() and not out.is_dir():
        raise SemwaveError(f"{out}: is not a folder; choose another --out")
    source = torch.Generator().manual_seed(seed)
    pairs = []
    with torch.no_grad():
        console = Console(stderr=True)
        for i in track(range(count), "faces", console=console, transient=True, disable=not console.is_terminal):
            faces = loaded.generate(loaded.sample(1, source), size)
            pair = side_by_side(images.to_uint8(faces.image[0]), coloured_parts(faces.masks[0], size))
            images.write_png(out / f"face-{i:02d}.png", pair)
            pairs.append(pair)
    images.write_png(out / "grid.png", grid(pairs))
    typer.echo(f"{count} faces in {out}, all of them in {out / 'grid.png'}")


@app.command()
def bench(
    photo: Annotated[Path | None, typer.Option(help="A photo with a face (default: the astronaut).")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to repeat every stage.")] = 3.0,
    runs: Annotated[int, typer.Option(min=1, help="Fresh processes for import, load and send.")] = 5,
    report: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file too.")] = None,
    model: ModelName = "faces-512",
) -> None:
    """Measure how long every stage takes on this machine, and how much memory a run needs.

    Medians over the repetitions; the spread is the width of their middle half.
    """
    from rich.progress import track

    from semwave.apps import bench as measuring
    from semwave.pictures import files, images

    if photo is None:
        from skimage.data import astronaut

        picture = astronaut()
    else:
        picture = images.read_image(photo)
    rows, console = [], Console(stderr=True)
    measured = chain(
        measuring.processes(model, picture, runs),
        ((timing, None) for timing in measuring.stages(model, picture, seconds)),
    )
    for timing, memory in track(
        measured, "measuring", console=console, transient=True, disable=not console.is_terminal
    ):
        rows.append(measuring.as_row(timing, memory))
    if report is not None:
        files.write_json(report, {"machine": measuring.machine(), "stages": rows})
    table = Table("stage", "median [s]", "spread [s]", "runs", "images/s", "peak memory [MiB]")
    for row in rows:
        figures = (f"{row['median']:.4f}", f"{row['spread']:.4f}", str(row["runs"]), f"{row['images_per_second']:.1f}")
        table.add_row(str(row["stage"]), *figures, f"{row['peak_memory_mib']:.0f}" if "peak_memory_mib" in row else "")
    Console().print(table)
    typer.echo(", ".join(f"{name}: {value}" for name, value in measuring.machine().items()))
    invert = next(row["median"] for row in rows if row["stage"] == "invert")
    typer.echo(
        f"the Semantic StyleGAN authors' inversion, {measuring.AUTHORS_INVERSION:,.0f} s on two cores, takes "
        f"{measuring.AUTHORS_INVERSION / invert:,.0f} times as long as invert"
    )


@app.command()
def compare(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PHOTO]...", help="Aligned photos to invert: pictures, folders, or .txt lists."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="A model; may be given several times (default: all).")
    ] = None,
    size: Annotated[int, typer.Option(help="Pixels at which they are compared.")] = 128,
    pairs: Annotated[int, typer.Option(min=0, help="Pairs of random faces that swap a part.")] = 100,
    refine_steps: Annotated[int, typer.Option(min=0, help="Steps of gradient descent of the inversion.")] = 0,
    seed: Seed = 0,
    lpips_weights: LpipsWeights = None,
    report: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file too.")] = None,
) -> None:
    """Compare generators: how well photos are inverted, without a channel, and whether parts change by themselves.

    Two codes of a part are swapped between random faces; "inside" is the share of the squared change that lies within
    that part's mask, grown by 5 % of the width.
    """
    from rich.progress import track

    from semwave.apps import compare as comparison
    from semwave.model import MODELS, load_model
    from semwave.pictures import files
    from semwave.pictures.photos import find_photos

    found = [photo.path for photo in find_photos(photos)] if photos else []
    models = [load_model(name) for name in model or MODELS]
    lpips, warning = _lpips(lpips_weights)
    rows, console = [], Console(stderr=True)
    shown = {"console": console, "transient": True, "disable": not console.is_terminal}
    for loaded in models:
        shares = comparison.locality(loaded, size, track(range(pairs), f"{loaded.name}: swapping", **shown), seed)
        inverting = track(found, f"{loaded.name}: inverting", **shown)
        quality = list(comparison.inversion(loaded, inverting, size, refine_steps, lpips))
        rows.append(comparison.row(loaded, size, shares, quality))
        if report is not None:
            files.write_json(report, rows)
    if warning:
        typer.echo(f"semwave: {warning}", err=True)
    table = Table("", *(row["model"] for row in rows))
    table.add_row("pairs", *(str(row["pairs"]) for row in rows))
    for part in comparison.SWAPPED:
        table.add_row(f"inside, {part}", *(_figure(row["inside_parts"].get(part), ".1%") for row in rows))
    table.add_row("inside, mean", *(_figure(row["inside"], ".1%") for row in rows))
    table.add_row("photos", *(str(row["photos"]) for row in rows))
    table.add_row("PSNR [dB]", *(_figure(row["psnr_db"], ".2f") for row in rows))
    table.add_row("LPIPS(alex)", *(_figure(row["lpips_alex"], ".3f") for row in rows))
    Console().print(table)


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _inversion(invert: Inversion, refine_steps: int | None) -> dict[str, str | int]:
    """What ``--invert`` and ``--refine-steps`` mean to a transmitter."""
    if invert is Inversion.optimise:
        return {"start": "mean", "refine_steps": OPTIMISE_STEPS if refine_steps is None else refine_steps}
    return {"start": "encoder", "refine_steps": refine_steps or 0}


def _chosen_size(model: "Model", size: int | None) -> int:
    """What --size asks for, or the model's own."""
    size = model.size if size is None else size
    if size not in model.sizes:
        offered = ", ".join(map(str, model.sizes))
        raise SemwaveError(f"size {size} is not offered by {model.name}; the sizes are {offered}")
    return size


def _chosen_ks(model: "Model", ks: Iterable[int] | None, ratios: Iterable[str] | None, size: int) -> tuple[int, ...]:
    """The numbers of symbols that --k and --ratio ask for, each once; the largest where they ask for none."""
    from semwave.transmitter import k_of_ratio

    asked = [*(ks or ()), *(k_of_ratio(ratio, size, model.codecs) for ratio in ratios or ())]
    return tuple(dict.fromkeys(asked)) or (max(model.codecs),)


def _lpips(weights: Path | None) -> "tuple[LPIPS | None, str]":
    """LPIPS(alex); where it is not at hand, None and a warning, unless the user named a folder for it."""
    from semwave.pictures.metrics import LPIPS

    try:
        return LPIPS("alex", weights), ""
    except SemwaveError as error:
        if weights is not None:
            raise
        return None, f"warning: lpips_alex is left out: {error}"


def _read_symbols(path: Path) -> "Tensor":
    """Symbols (1, k) float32 of a .npy file of shape (k,) or (1, k)."""
    import numpy as np
    import torch

    try:
        # Mapped, so that a header that promises more than the file holds is refused and nothing is unpickled.
        symbols = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise SemwaveError(f"{path}: cannot be read ({error.strerror}); check the name") from None
    except Exception:  # a hostile header fails in nearly any way
        raise SemwaveError(f"{path}: not a plain .npy array; give what 'semwave transmit' writes") from None
    if symbols.dtype != np.float32:
        raise SemwaveError(f"{path}: symbols must be float32, not {symbols.dtype}")
    if symbols.ndim != 1 and not (symbols.ndim == 2 and len(symbols) == 1):
        raise SemwaveError(f"{path}: symbols must be one row of k numbers, not of shape {symbols.shape}")
    return torch.tensor(np.array(symbols)).reshape(1, -1)
