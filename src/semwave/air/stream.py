"""A receiver of samples without end: frames are found across the borders of what it is fed, in bounded memory."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import torch

from semwave.air.iq import to_reals
from semwave.air.ofdm.demodulation import TRUNCATED, Demodulator, Reception, Refusal
from semwave.air.ofdm.detection import LARGEST_OFFSET, Candidate, Detector
from semwave.air.ofdm.header import VERSION, FrameHeader, Maker, model_bits
from semwave.air.ofdm.numerology import LARGEST_K, Numerology
from semwave.types import Soft

ANOTHER_VERSION, ANOTHER_MODEL = "another version", "another model"
PIECE = 2**17
"""So many samples are looked at at once, at most."""
IMPULSE = 20.0
"""A sample so many times as large as the median of its neighbours is no waveform's: it counts as zero."""


@dataclass(frozen=True)
class Frame:
    """A frame that was received.

    Args:
        soft: its symbols (1, k), the noise of each, and the header of the signal.
        reception: how it was received: place, carrier offset, clock, channel.
    """

    soft: Soft
    reception: Reception

    @property
    def number(self) -> int:
        """The frame's number, 0 to 4095."""
        return self.reception.header.number

    @property
    def snr_db(self) -> float:
        """Es/N0 in dB that the frame itself measured."""
        return self.reception.snr_db


class Stream:
    """Finds the frames of ``model`` in samples that come piece by piece.

    ``samples`` were fed, ``found`` frames were whole, and ``refused`` counts the others by the reason. Places count
    from the first sample.
    """

    def __init__(self, model: Maker, numerology: Numerology, largest_offset: float = LARGEST_OFFSET):
        self.model, self.numerology = model, numerology
        self.samples, self.found, self.refused = 0, 0, Counter[str]()
        self._detector = Detector(numerology, largest_offset)
        self._demodulator = Demodulator(numerology, self._reason)
        self._length = numerology.preamble_samples
        # A recording may begin with the very frame.
        self._base = self._scanned = -2 * self._length
        self._buffer = np.zeros(2 * self._length, np.complex64)
        self._waiting: list[Candidate] = []
        self._needed = self._busy = self._base
        self.most_buffered = numerology.samples(LARGEST_K) + PIECE + 8 * self._detector.transform

    @property
    def buffered(self) -> int:
        """Samples that are held, at most :attr:`most_buffered`."""
        return len(self._buffer)

    def feed(self, samples: np.ndarray) -> list[Frame | Refusal]:
        """What ended within ``samples`` (n,) complex, which follow those fed before."""
        results = []
        for begin in range(0, len(samples), PIECE):
            piece = cleaned(samples[begin : begin + PIECE])
            self.samples += len(piece)
            self._buffer = np.concatenate([self._buffer, piece])
            self._scan(4 * self._detector.transform)
            results += self._decode(final=False)
        return results

    def drain(self) -> list[Frame | Refusal]:
        """What is complete in the samples so far; :meth:`feed` alone waits for more to look at at once."""
        self._scan(1)
        return self._decode(final=False)

    def finish(self) -> list[Frame | Refusal]:
        """What is left, once no more samples come."""
        self._buffer = np.concatenate([self._buffer, np.zeros(2 * self._length, np.complex64)])
        self._scan(1)
        self._buffer = self._buffer[: -2 * self._length]
        return self._decode(final=True)

    def _scan(self, at_least: int) -> None:
        end = self._base + len(self._buffer)
        limit = end - 2 * self._length  # a peak is known once all within a preamble of it is seen
        if limit - self._scanned < at_least:
            return
        first = max(self._scanned - self._length, self._base)
        for candidate in self._detector(self._buffer[first - self._base :]):
            if self._scanned <= candidate.start + first < limit:
                self._waiting.append(replace(candidate, start=candidate.start + first))
        self._scanned = limit

    def _decode(self, final: bool) -> list[Frame | Refusal]:
        results: list[Frame | Refusal] = []
        while self._waiting:
            candidate, end = self._waiting[0], self._base + len(self._buffer)
            if candidate.start < self._busy:
                self._waiting.pop(0)
                continue
            if self._needed > end and not final:
                break
            result = self._demodulator(self._buffer, replace(candidate, start=candidate.start - self._base))
            result = replace(result, start=result.start + self._base)
            if isinstance(result, Refusal) and result.why == TRUNCATED and not final:
                self._needed = candidate.start + result.needed
                break
            self._waiting.pop(0)
            if isinstance(result, Reception):
                self._busy = result.start + result.samples - self.numerology.prefix
                self.found += 1
                results.append(self._frame(result))
            else:
                if result.why == ANOTHER_MODEL and result.header:
                    self._busy = result.start + self.numerology.samples(result.header.k) - self.numerology.prefix
                self.refused[result.why] += 1
                results.append(result)
        keep = min([self._scanned, *(candidate.start for candidate in self._waiting[:1])]) - 2 * self._length
        if keep > self._base:
            self._buffer, self._base = self._buffer[keep - self._base :].copy(), keep
        return results

    def _reason(self, header: FrameHeader) -> str | None:
        if header.version != VERSION:
            return ANOTHER_VERSION
        return None if header.model == model_bits(self.model.digest) else ANOTHER_MODEL

    def _frame(self, reception: Reception) -> Frame:
        symbols = to_reals(torch.from_numpy(reception.symbols.astype(np.complex64))[None])
        noise = torch.from_numpy(reception.noise.astype(np.float32))[None].repeat_interleave(2, 1)
        symbols = symbols.where(noise.isfinite(), 0.0)
        return Frame(Soft(symbols, noise, reception.header.restored(self.model)), reception)


def cleaned(samples: np.ndarray) -> np.ndarray:
    """``samples`` (n,) as complex64 without what no waveform has: values that are not finite, and lone impulses, such
    as a flipped bit makes, which would drown everything around them."""
    parts = np.ascontiguousarray(samples, np.complex64).view(np.float32)
    parts = np.where(abs(parts) < 1e15, parts, np.float32(0))  # NaN too; what is larger has no square in float32
    clean = parts.view(np.complex64)
    size = abs(clean)
    largest = size.max(initial=0.0)
    if largest > IMPULSE * size.mean():
        from scipy.ndimage import median_filter

        clean[size > IMPULSE * median_filter(size, 9)] = 0
    return clean
