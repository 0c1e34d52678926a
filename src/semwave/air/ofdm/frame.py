"""From complex symbols to the samples of a frame, and the cells that both ends know."""

from dataclasses import replace

import numpy as np

from semwave.air.ofdm.header import FrameHeader, header_cells
from semwave.air.ofdm.numerology import Numerology, quadrature

OVERSAMPLING = 4


def phases(count: int, sequence: int) -> np.ndarray:
    """The phase sequence with a number, 0 to 7: ``count`` complex numbers of magnitude one."""
    return np.exp(2j * np.pi * np.random.RandomState(1000 + sequence).random_sample(count))


def order(count: int) -> np.ndarray:
    """Where each symbol goes. Without it the IFFTs of OFDM half undo the spreading, and the symbols' peaks return."""
    return np.random.RandomState(99).permutation(count)


def spread(symbols: np.ndarray, numerology: Numerology, sequence: int) -> np.ndarray:
    """Cells (n,) of complex ``symbols`` (n,): P F D x, or P D x without spreading. The energy stays."""
    import scipy.fft

    turned = symbols * phases(len(symbols), sequence)
    return (scipy.fft.fft(turned, norm="ortho") if numerology.spreading else turned)[order(len(symbols))]


def despread(cells: np.ndarray, numerology: Numerology, sequence: int) -> np.ndarray:
    """Undoes :func:`spread`."""
    import scipy.fft

    ordered = in_order(cells)
    return (scipy.fft.ifft(ordered, norm="ortho") if numerology.spreading else ordered) * phases(
        len(cells), sequence
    ).conj()


def in_order(cells: np.ndarray) -> np.ndarray:
    """What belongs to cells (n,), in the order of the symbols."""
    ordered = np.empty_like(cells)
    ordered[order(len(cells))] = cells
    return ordered


def all_cells(numerology: Numerology, header: np.ndarray, payload: np.ndarray) -> np.ndarray:
    """Every cell (rows, used) of header and payload; cells that the payload leaves over carry known QPSK."""
    rows = numerology.header_symbols + numerology.payload_symbols(2 * len(payload))
    left = rows * numerology.data - len(header) - len(payload)
    cells = np.empty((rows, len(numerology.used)), complex)
    cells[:, ~numerology.is_pilot] = np.r_[header, payload, quadrature(5, left)].reshape(rows, -1)
    cells[:, numerology.is_pilot] = numerology.pilot_values[:rows]
    return cells


def known_cells(numerology: Numerology, header: FrameHeader) -> np.ndarray:
    """Every cell (rows, used) that a receiver knows once it has read ``header``; zero where the payload is."""
    return all_cells(numerology, header_cells(header, numerology), np.zeros(header.k // 2, complex))


def to_samples(numerology: Numerology, cells: np.ndarray) -> np.ndarray:
    """Preamble and ``cells`` (rows, used), as samples complex128."""
    time = numerology.to_time(cells)
    return np.r_[numerology.preamble, np.concatenate([time[:, -numerology.prefix :], time], 1).ravel()]


def modulate(numerology: Numerology, symbols: np.ndarray, header: FrameHeader) -> np.ndarray:
    """Samples of the frame of ``symbols`` (k/2,) complex of power one, with the phases of the lowest peak."""
    payloads = [spread(symbols, numerology, sequence) for sequence in range(numerology.candidates)]
    blank = np.zeros(numerology.header_symbols * numerology.data)
    first = numerology.preamble_samples + numerology.header_symbols * numerology.symbol
    peaks = [
        peak_power(to_samples(numerology, all_cells(numerology, blank, payload))[first:])
        for payload in (payloads if numerology.candidates > 1 else ())
    ]
    sequence = int(np.argmin(peaks)) if peaks else 0
    chosen = header_cells(replace(header, phases=sequence), numerology)
    return to_samples(numerology, all_cells(numerology, chosen, payloads[sequence]))


def peak_power(samples: np.ndarray) -> float:
    """The highest power of the waveform that ``samples`` are of, between them too."""
    import scipy.fft

    spectrum, half = scipy.fft.fft(samples), len(samples) // 2
    wide = np.r_[spectrum[:half], np.zeros((OVERSAMPLING - 1) * len(samples)), spectrum[half:]]
    return float((abs(scipy.fft.ifft(wide)) ** 2).max()) * OVERSAMPLING**2


def peak_to_average_db(samples: np.ndarray) -> float:
    """Peak over mean power in dB of the waveform that ``samples`` are of."""
    return float(10 * np.log10(peak_power(samples) / np.mean(abs(samples) ** 2)))
