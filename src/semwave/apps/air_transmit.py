"""``semwave air transmit``, and what the commands of the air share."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semwave.apps import privacy
from semwave.apps.options import (
    CodesOnly,
    Face,
    Ks,
    ModelName,
    NoAlign,
    Ratios,
    Size,
    StandInSeed,
    chosen_ks,
    chosen_layers,
    model_file,
)
from semwave.apps.outputs import check_outputs
from semwave.errors import SemwaveError, printable
from semwave.zoo import DEFAULT

if TYPE_CHECKING:
    from semwave.air import Numerology
    from semwave.pictures.photos import Photo
    from semwave.privacy.photo import Framed
    from semwave.transmitter import Transmitter
    from semwave.types import Signal

STANDARD = "-"
SYMBOLS = ".safetensors"
Carriers = Annotated[int, typer.Option(help="Carriers of a symbol, the same at both ends: 64, 128 or 256.")]
Rate = Annotated[float, typer.Option(min=1, help="Samples a second.")]
Zmq = Annotated[str | None, typer.Option(help="ZMQ instead of a file: tcp://HOST:PORT.")]
Udp = Annotated[str | None, typer.Option(help="UDP packets instead of a file: HOST:PORT.")]


@privacy.with_options
def transmit(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO...", help="Pictures, folders, lists, or .safetensors of symbols.")
    ],
    out: Annotated[str | None, typer.Option(help="NAME.sigmf-meta, or - for raw complex64 on stdout.")] = None,
    zmq: Zmq = None,
    udp: Udp = None,
    ratio: Ratios = None,
    k: Ks = None,
    codes_only: CodesOnly = False,
    size: Size = None,
    no_align: NoAlign = False,
    face: Face = None,
    seed: StandInSeed = 0,
    model: ModelName = DEFAULT,
    carriers: Carriers = 64,
    clip: Annotated[float | None, typer.Option(help="Limit peaks to so many dB over a symbol.")] = None,
    gap: Annotated[int, typer.Option(min=0, max=10**7, help="Samples of silence after every frame.")] = 256,
    number: Annotated[int, typer.Option(min=0, max=4095, help="Number of the first frame.")] = 0,
    sample_rate: Rate = 1e6,
    frequency: Annotated[float | None, typer.Option(help="Centre frequency in Hz, for the recording.")] = None,
    private: privacy.Private = privacy.NOTHING,
) -> None:
    """Turn photographs into frames, one each: complex baseband samples, |IQ| at most 1.

    With --zmq the samples are pushed to whoever connects, as GNU Radio's ZMQ PULL source does.
    """
    import numpy as np

    from semwave.air import Modem
    from semwave.air.ofdm.frame import peak_to_average_db
    from semwave.air.recordings import write_recording
    from semwave.air.sockets import send_udp, send_zmq
    from semwave.model import load_model
    from semwave.pictures import images
    from semwave.pictures.photos import Photo, find_photos
    from semwave.privacy.photo import framed
    from semwave.transmitter import Transmitter

    if [out, zmq, udp].count(None) != 2:
        raise SemwaveError("give one of --out, --zmq and --udp")
    symbols = [path for path in photos if path.suffix == SYMBOLS]
    pictures = [path for path in photos if path.suffix != SYMBOLS]
    found = find_photos(pictures) if pictures else []
    inputs = [*photos, *(photo.path for photo in found), *private.files, *model_file(model)]
    check_recordings(out, inputs)
    hidden, masked = private.chosen(seed)
    if hidden and symbols:
        raise SemwaveError(f"{symbols[0]}: is of symbols, in which nothing can be hidden any more; give the photograph")
    loaded = load_model(model)
    modem = Modem(loaded, numerology_of(carriers), clip)
    width = loaded.config.checked_size(size)
    ks = chosen_ks(loaded.config, k, ratio, width)
    transmitters = [Transmitter(loaded, each, chosen_layers(codes_only), privacy=hidden) for each in ks]
    pieces: list[np.ndarray] = []

    def read(photo: Photo) -> "Framed":
        return framed(images.read_image(photo.path), width, not no_align, masked, face)

    for signal in _signals(symbols, found, transmitters, read):
        pieces += [modem.modulate(signal, number + len(pieces) // 2), np.zeros(gap, np.complex64)]
    samples = np.concatenate(pieces)
    if out == STANDARD:
        sys.stdout.buffer.write(samples.tobytes())
        sys.stdout.buffer.flush()
    elif out is not None:
        write_recording(out, samples, sample_rate, frequency, f"semwave: {len(pieces) // 2} frames, model {model}")
    elif zmq is not None:
        send_zmq(zmq, samples)
    else:
        send_udp(udp or "", samples, sample_rate)
    peak = peak_to_average_db(np.concatenate(pieces[::2]))
    seconds = len(samples) / sample_rate
    text = (
        f"{len(pieces) // 2} frames, {len(samples)} samples, {1e3 * seconds:.1f} ms, peak {peak:.1f} dB over the mean"
    )
    typer.echo(f"{out or zmq or udp}: {text}", err=out == STANDARD)


def _signals(
    symbols: list[Path], photos: "list[Photo]", transmitters: "list[Transmitter]", read: "Callable[[Photo], Framed]"
) -> "Iterator[Signal]":
    """Of files of symbols, then of photographs, for every k: each is inverted once."""
    from semwave.air.files import read_soft
    from semwave.air.iq import to_complex
    from semwave.air.seeds import noise_generator
    from semwave.pictures import images
    from semwave.types import Signal

    protection = transmitters[0].protection
    for path in symbols:
        soft = read_soft(path, 60.0)
        yield Signal(to_complex(soft.symbols), soft.header)
    for photo in photos:
        try:
            frame = read(photo)
            random = noise_generator(protection.privacy.seed, photo.name) if protection else None
            scene = transmitters[0].scene(images.to_tensor(frame.read), frame.region, random)
        except SemwaveError as error:
            raise SemwaveError(f"{photo.path}: {error}") from error
        if frame.note:
            typer.echo(f"semwave: note: {printable(photo.path)}: {frame.note}", err=True)
        for transmitter in transmitters:
            yield transmitter.encode(scene)


def check_recordings(out: str | None, inputs: "list[Path | None]") -> None:
    """Raises :class:`SemwaveError` where ``out`` is no name of a recording, or either of its files is an input."""
    from semwave.air.recordings import DATA, check_recording

    if out is not None and out != STANDARD:
        check_recording(Path(out))
        check_outputs([Path(out), Path(out).with_suffix(DATA)], inputs)


def numerology_of(carriers: int) -> "Numerology":
    """The waveform of so many carriers. Raises :class:`SemwaveError` for a number that is not offered."""
    from semwave.air import NUMEROLOGIES

    if carriers not in NUMEROLOGIES:
        raise SemwaveError(f"carriers are one of {', '.join(map(str, NUMEROLOGIES))}, not {carriers}")
    return NUMEROLOGIES[carriers]
