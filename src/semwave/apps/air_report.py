"""What ``semwave air`` says of frames: rows, and a figure of waterfall, channel and constellation."""

import io
import json
from pathlib import Path

import numpy as np

from semwave.air import Frame, Refusal
from semwave.air.iq import to_complex
from semwave.errors import SemwaveError
from semwave.pictures.files import write_bytes

ROWS, BINS = 400, 128
MOST_FRAMES = 4


def append(path: Path, row: dict) -> None:
    """Add ``row`` to a report of JSON lines. Raises :class:`SemwaveError` where it cannot be written."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise SemwaveError(f"{path}: cannot be written ({error.strerror}); choose another place") from None


def row_of(result: Frame | Refusal, rate: float | None) -> dict:
    """The row of the report: how a frame was received at ``rate`` samples a second, or why it was refused."""
    if not isinstance(result, Frame):
        return {"start": result.start, "refused": result.why}
    reception, header = result.reception, result.soft.header
    assert header is not None
    return {
        "start": reception.start,
        "number": result.number,
        "k": header.k,
        "layers": list(header.layers),
        "size": header.size,
        "snr_db": round(result.snr_db, 2),
        "offset_cycles_a_sample": float(f"{reception.offset:.3e}"),
        "offset_hz": round(reception.offset * rate, 1) if rate else None,
        "clock_ppm": round(reception.clock_ppm, 1),
        "erased_carriers": int(reception.erased.sum()),
    }


def draw(path: Path, samples: np.ndarray, results: list[Frame | Refusal], sample_rate: float | None) -> None:
    """Draw what ``results`` were found in ``samples`` (n,) complex. Raises :class:`SemwaveError` for a bad place."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    frames = [result for result in results if isinstance(result, Frame)][:MOST_FRAMES]
    figure = Figure(figsize=(13, 4), layout="constrained")
    FigureCanvasAgg(figure)
    waterfall, response, constellation = figure.subplots(1, 3)
    rate, unit = (sample_rate / 1e3, "kHz") if sample_rate else (1.0, "cycles a sample")
    extent = (-rate / 2, rate / 2, len(samples) / (sample_rate / 1e3 if sample_rate else 1), 0)
    waterfall.imshow(spectra_db(samples), aspect="auto", extent=extent, interpolation="nearest")
    waterfall.set(title="waterfall [dB]", xlabel=f"frequency [{unit}]", ylabel="time [ms]" if sample_rate else "sample")
    for frame in frames:
        reception = frame.reception
        size = len(reception.response)
        used = np.r_[np.arange(-size // 2, 0), np.arange(1, size // 2 + 1)]
        label = f"frame {frame.number}, {frame.snr_db:.1f} dB"
        response.plot(used, 20 * np.log10(np.maximum(abs(reception.response), 1e-6)), label=label)
        iq = to_complex(frame.soft.symbols)[0].numpy()
        constellation.plot(iq.real, iq.imag, ".", markersize=2, alpha=0.5, label=label)
    response.set(title="channel [dB]", xlabel="carrier")
    constellation.set(title="symbols, equalised", xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
    if frames:
        response.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_bytes(path, buffer.getvalue())


def spectra_db(samples: np.ndarray) -> np.ndarray:
    """Power spectra (rows, 128) in dB of at most 400 stretches of ``samples``, the lowest frequency first."""
    count = max(1, min(ROWS, len(samples) // BINS))
    starts = np.linspace(0, max(len(samples) - BINS, 0), count).astype(int)
    padded = np.r_[samples, np.zeros(max(BINS - len(samples), 0))]
    windows = padded[starts[:, None] + np.arange(BINS)] * np.hanning(BINS)
    power = abs(np.fft.fftshift(np.fft.fft(windows, axis=1), axes=1)) ** 2
    return 10 * np.log10(np.nan_to_num(power, posinf=0) + 1e-12)
