"""The ``semwave`` command. What a command needs is imported when it runs, so that help appears at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from typer.core import TyperGroup

from semwave import __version__
from semwave.apps import air, chain, evaluate, export, knowledge, measuring, people, privacy, setup, train
from semwave.apps.options import BAD_INPUT, ManyCommand, ModelName, Seed, Size, model_file
from semwave.apps.outputs import check_outputs
from semwave.apps.web.command import serve
from semwave.errors import SemwaveError, printable
from semwave.zoo import DEFAULT, LOWEST_K, MODELS, config_of, verify_weights

INTERRUPTED, TERMINATED = 130, 143
MOST_FACES = 256


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


def _terminate(*_: object) -> None:
    raise Terminated


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Have SIGTERM end a run as an interruption does, so that no part of a file stays behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End with one line on stderr where the input is at fault (exit code 2), the user interrupts (130) or the process
    is asked to end (143)."""
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
    except Terminated:
        message, code = "told to end; the files that are there are whole", TERMINATED
    except BrokenPipeError:
        raise
    except OSError as error:
        message, code = f"{error.filename or 'a file'}: {error.strerror or error}; choose another place", BAD_INPUT
    except MemoryError:
        message, code = "there is not enough memory for this; send fewer or smaller pictures at once", BAD_INPUT
    else:
        return
    typer.echo(f"semwave: {printable(message.replace(chr(10), ' '))}", err=True)
    raise typer.Exit(code)


class OneLineErrors(TyperGroup):
    """The commands under :func:`one_line_errors`, whether their arguments are parsed or they run."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parse the options of ``semwave`` itself."""
        with one_line_errors():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that ``ctx`` names."""
        with one_line_errors(), ending_cleanly():
            return super().invoke(ctx)


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Send photographs of faces as a few hundred real numbers over a noisy channel, and draw them again.",
)
for command in (chain.send, evaluate.evaluate):
    app.command(cls=ManyCommand)(command)
for command in (chain.transmit, chain.receive, serve):
    app.command()(command)
for command in (measuring.bench, measuring.compare):
    app.command()(command)
app.command()(setup.setup)
app.command()(export.export)
app.add_typer(air.app, name="air")
app.add_typer(train.app, name="train")
app.add_typer(knowledge.app, name="knowledge")
figures = typer.Typer(help="Draw figures and measure what the documentation states.", no_args_is_help=True)
figures.command("paper")(evaluate.draw_paper)
figures.command("privacy")(privacy.draw_privacy)
figures.command("people")(people.measure_people)
app.add_typer(figures, name="figures")


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Options of ``semwave`` itself."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command("models")
def list_models(
    verify: Annotated[bool, typer.Option("--verify", help="Compare every file of weights with its digest.")] = False,
) -> None:
    """List the models that are shipped."""
    from semwave.pictures.console import plain_console
    from semwave.zoo import weights_digest

    console = plain_console()
    table = Table("model", "sizes", "k", "weights", "licence", Column("card", overflow="fold"))
    for name, folder in MODELS.items():
        config, weights = config_of(name), sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        table.add_row(
            name,
            ", ".join(map(str, config.sizes)),
            f"{LOWEST_K}..{config.highest_k}",
            f"{weights / 2**20:.1f} MiB",
            config.licence,
            config.card,
        )
    console.print(table)
    if verify:
        console.print(f"{verify_weights()} files of weights are as they were shipped")
        for name in MODELS:
            console.print(f"{name}: digest {weights_digest(name)}")


@app.command()
def generate(
    out: Annotated[Path, typer.Option(help="Folder for face-00.png ... and grid.png.")],
    count: Annotated[int, typer.Option(min=1, max=MOST_FACES, help="Number of faces.")] = 8,
    size: Size = None,
    seed: Seed = 0,
    model: ModelName = DEFAULT,
) -> None:
    """Draw random faces and, beside each, its part masks in colours."""
    import torch

    from semwave.model import load_model
    from semwave.pictures import images
    from semwave.pictures.console import track
    from semwave.pictures.grid import coloured_parts, grid, side_by_side

    check_outputs([out / f"face-{i:02d}.png" for i in range(count)] + [out / "grid.png"], model_file(model), [out])
    loaded = load_model(model)
    size = loaded.config.checked_size(size)
    source = torch.Generator().manual_seed(seed)
    pairs = []
    with torch.no_grad():
        for i in track(range(count), "faces"):
            faces = loaded.generate(loaded.sample(1, source), size)
            pair = side_by_side(images.to_uint8(faces.image[0]), coloured_parts(faces.masks[0], size))
            images.write_png(out / f"face-{i:02d}.png", pair)
            pairs.append(pair)
    images.write_png(out / "grid.png", grid(pairs))
    typer.echo(f"{count} faces in {printable(out)}, all of them in {printable(out / 'grid.png')}")
