"""``semwave air``: photographs as samples of a radio, and back."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semwave.apps.air_transmit import STANDARD, Carriers, Udp, Zmq, check_recordings, numerology_of, transmit
from semwave.apps.options import ModelName
from semwave.apps.outputs import check_outputs, check_rows
from semwave.errors import SemwaveError, printable
from semwave.pictures.console import plain_console
from semwave.zoo import DEFAULT

if TYPE_CHECKING:
    import numpy as np

    from semwave.air import Frame, Refusal, Stream

app = typer.Typer(help="Photographs as complex baseband samples that a radio can send, and back.", no_args_is_help=True)

app.command()(transmit)


@app.command()
def receive(
    source: Annotated[str | None, typer.Argument(help="NAME.sigmf-meta, or - for raw complex64 on stdin.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for a picture a frame, and report.jsonl.")] = Path("out"),
    zmq: Zmq = None,
    udp: Udp = None,
    model: ModelName = DEFAULT,
    carriers: Carriers = 64,
    sample_rate: Annotated[float | None, typer.Option(help="Samples a second, where no recording tells.")] = None,
    idle: Annotated[
        float | None, typer.Option(min=0.1, help="End after so many seconds without samples (default: never).")
    ] = None,
) -> None:
    """Find every frame, and draw it: a picture and a row of the report each.

    Frames of other models or versions and broken headers are refused and counted, never drawn.
    """
    from semwave.air import Frame, Modem
    from semwave.apps.air_report import append, row_of
    from semwave.model import load_model
    from semwave.pictures import images
    from semwave.pictures.files import write_text
    from semwave.receiver import Receiver

    report = out / "report.jsonl"
    check_outputs([report], folders=[out])
    check_rows(report)
    with ExitStack() as stack:
        pieces, rate, opened = _opened(source, zmq, udp, sample_rate, idle, stack)
        loaded = load_model(model)
        stream = Modem(loaded, numerology_of(carriers)).stream()
        drawn, unreadable = 0, 0
        write_text(report, "")
        for results in results_of(stream, pieces):
            for result in results:
                row = row_of(result, rate)
                if isinstance(result, Frame):
                    try:
                        header = result.soft.header
                        assert header is not None
                        size = header.size if header.size in loaded.config.sizes else None
                        picture = Receiver(loaded, size)(result.soft)
                        row["picture"] = f"frame-{drawn:04d}.png"
                        images.write_png(out / row["picture"], images.to_uint8(picture[0]))
                        drawn += 1
                        told = f"frame {row['number']}, k {row['k']}, {row['snr_db']:.1f} dB"
                        typer.echo(f"{printable(out / row['picture'])}: {told}")
                    except SemwaveError as error:
                        row["refused"], unreadable = str(error), unreadable + 1
                append(report, row)
        dropped = opened.dropped if opened is not None else 0
    refused = [f"{count} {why}" for why, count in stream.refused.items()] + [f"{unreadable} unreadable"] * bool(
        unreadable
    )
    text = f"{out}: {drawn} pictures in {stream.samples} samples; refused: {', '.join(refused) or 'none'}"
    typer.echo(text + (f"; {dropped} packets dropped" if dropped else ""))
    if not drawn:
        raise typer.Exit(2)


def results_of(stream: "Stream", pieces: "Iterator[np.ndarray]") -> "Iterator[list[Frame | Refusal]]":
    """What ``stream`` finds in ``pieces``; an empty one, for which nobody has to wait, shows what is complete."""
    for piece in pieces:
        yield stream.feed(piece) if len(piece) else stream.drain()
    yield stream.finish()


def _opened(source, zmq, udp, sample_rate, idle, stack: ExitStack):
    from semwave.air.recordings import raw_pieces, read_recording
    from semwave.air.sockets import Source

    if [source, zmq, udp].count(None) != 2:
        raise SemwaveError("give one recording, or one of --zmq and --udp")
    if source == STANDARD:
        return raw_pieces(sys.stdin.buffer), sample_rate, None
    if source is not None:
        recording = read_recording(source)
        return recording.pieces(), sample_rate or recording.sample_rate, None
    opened = stack.enter_context(Source(zmq, udp))
    return opened.pieces(idle), sample_rate, opened


@app.command()
def channel(
    source: Annotated[str, typer.Argument(metavar="IN", help="NAME.sigmf-meta, or - for raw complex64 on stdin.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="NAME.sigmf-meta, or - for stdout.")],
    snr: Annotated[float | None, typer.Option(help="Es/N0 in dB of a symbol (default: no noise).")] = None,
    cfo: Annotated[float, typer.Option(help="Carrier offset in cycles a sample.")] = 0.0,
    clock_ppm: Annotated[float, typer.Option(help="Parts in a million by which the sender's clock is faster.")] = 0.0,
    delay: Annotated[float, typer.Option(help="Samples before, not necessarily whole.")] = 0.0,
    phase: Annotated[float | None, typer.Option(help="Of the carrier in radians (default: any).")] = None,
    gain: Annotated[float, typer.Option(help="Of signal and noise.")] = 1.0,
    taps: Annotated[str, typer.Option(help="none, rayleigh:N or TDL-A:30ns (A, B, C).")] = "none",
    doppler: Annotated[float, typer.Option(help="Largest Doppler shift in cycles a sample.")] = 0.0,
    sample_rate: Annotated[float | None, typer.Option(min=1, help="Samples a second, where none is recorded.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed: the same one gives the same bits.")] = 0,
) -> None:
    """Put samples through a channel: delay, echoes, clock and carrier offset, noise."""
    import numpy as np

    from semwave.air.recordings import DATA, raw_pieces, read_recording, write_recording
    from semwave.air.samples import SAMPLE_RATE, SampleChannel

    read = Path(source)
    check_recordings(out, [read, read.with_suffix(DATA)] if source != STANDARD else [])
    rate, frequency = sample_rate or SAMPLE_RATE, None
    if source == STANDARD:
        samples = np.concatenate([np.zeros(0, np.complex64), *raw_pieces(sys.stdin.buffer)])
    else:
        recording = read_recording(source)
        samples, frequency = recording.samples(), recording.frequency
        rate = sample_rate or recording.sample_rate or rate
    through = SampleChannel(
        snr, delay, 200, cfo, clock_ppm, phase, gain, taps, doppler=doppler, sample_rate=rate, seed=seed
    )
    received = through(samples)
    if out == STANDARD:
        sys.stdout.buffer.write(received.tobytes())
        sys.stdout.buffer.flush()
    else:
        write_recording(out, received, rate, frequency, "semwave: after a simulated channel")
    typer.echo(f"{out}: {len(received)} samples", err=out == STANDARD)


@app.command()
def inspect(
    source: Annotated[str, typer.Argument(help="NAME.sigmf-meta.")],
    out: Annotated[Path | None, typer.Option(help="The figure, .png (default: NAME.png beside it).")] = None,
    model: ModelName = DEFAULT,
    carriers: Carriers = 64,
) -> None:
    """Say what is in a recording: frames, offsets, SNR; and draw waterfall, channel and constellation."""
    from rich.table import Table

    from semwave.air import Modem
    from semwave.air.recordings import read_recording
    from semwave.apps.air_report import draw, row_of
    from semwave.model import load_model

    recording, path = read_recording(source), out or Path(source).with_suffix(".png")
    if path.suffix != ".png":
        raise SemwaveError(f"{path}: the figure is written as .png")
    samples = recording.samples()
    results = Modem(load_model(model), numerology_of(carriers)).receive(samples)
    columns = ("start", "number", "k", "snr_db", "offset_cycles_a_sample", "clock_ppm", "erased_carriers", "refused")
    table = Table(*(name.replace("_", " ") for name in columns))
    for row in (row_of(result, recording.sample_rate) for result in results):
        table.add_row(*(str(row.get(name, "")) for name in columns))
    plain_console().print(table)
    draw(path, samples, results, recording.sample_rate)
    typer.echo(str(path))
