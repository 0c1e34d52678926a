"""Where frames begin: a bank of filters matched to the preamble, one for every carrier offset.

    |p_f^H r|^2 / (|p|^2 |r|^2) > 1 - P^(1 / (L - 1))

In white noise the left side is Beta(1, L - 1), whatever the noise power: the rate of false alarms P is constant. The
*place* is where the plain |p_f^H r|^2 is largest: beside silence the normalised one peaks a repetition early.
"""

from dataclasses import dataclass

import numpy as np

from semwave.air.ofdm.numerology import Numerology

FALSE_ALARMS = 1e-7
"""Probability that noise alone passes the threshold, for one sample and one filter."""
LARGEST_OFFSET = 1 / 64
"""Carrier offset in cycles a sample that is searched for, either way."""
QUIETEST = 1e-20
"""Samples of this size are silence: float32 has no squares of smaller ones."""
FLOOR = 1e-7
"""Energy, relative to the loudest sample, below which nothing is there but rounding."""


@dataclass(frozen=True)
class Candidate:
    """A preamble that may begin at sample ``start``, with a carrier ``offset`` in cycles a sample."""

    start: int
    offset: float


class Detector:
    """Finds preambles with a carrier offset up to ``largest_offset`` cycles a sample, either way."""

    def __init__(self, numerology: Numerology, largest_offset: float = LARGEST_OFFSET):
        import scipy.fft

        self.length = numerology.preamble_samples
        bins = int(np.ceil(largest_offset * 2 * self.length))
        self.offsets = np.arange(-bins, bins + 1) / (2 * self.length)
        self.transform = 1 << (16 * self.length).bit_length()
        turned = numerology.preamble * np.exp(2j * np.pi * self.offsets[:, None] * np.arange(self.length))
        filters = scipy.fft.fft(turned.astype(np.complex64), self.transform, axis=1).conj()
        self._filters = filters / np.sqrt(np.sum(abs(numerology.preamble) ** 2)).astype(np.float32)
        self.threshold = 1 - np.exp(np.log(FALSE_ALARMS) / (self.length - 1))

    def metrics(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every place a preamble may begin at in ``samples``: the normalised metric, the plain one, the filter."""
        import scipy.fft

        count = len(samples) - self.length + 1
        loudest = float(abs(samples).max(initial=0.0))
        if count < 1 or loudest < QUIETEST:
            return np.zeros(max(count, 0)), np.zeros(max(count, 0)), np.zeros(max(count, 0), int)
        samples = (samples / loudest).astype(np.complex64)
        total = np.cumsum(np.r_[0.0, samples.real.astype(float) ** 2 + samples.imag.astype(float) ** 2])
        energy = np.maximum(total[self.length :] - total[: -self.length], FLOOR)
        plain, best = np.empty(count, np.float32), np.empty(count, np.int16)
        hop = self.transform - self.length + 1
        for begin in range(0, count, hop):
            block = scipy.fft.fft(samples[begin : begin + self.transform], self.transform)
            power = scipy.fft.ifft(block * self._filters, axis=1, overwrite_x=True)[:, : min(hop, count - begin)]
            power = power.real**2 + power.imag**2
            best[begin : begin + hop] = chosen = power.argmax(0)
            plain[begin : begin + hop] = np.take_along_axis(power, chosen[None], 0)[0]
        return plain / energy, plain, best

    def __call__(self, samples: np.ndarray) -> list[Candidate]:
        """The preambles in ``samples`` (n,) complex, in their order."""
        normalised, plain, best = self.metrics(samples)
        candidates = []
        hot = np.flatnonzero(normalised > self.threshold)
        while len(hot):
            first = place = int(hot[0])
            while True:  # uphill, until it is the largest within a preamble's length
                low = max(place - self.length, first)
                higher = low + int(plain[low : place + self.length].argmax())
                if plain[higher] <= plain[place]:
                    break
                place = higher
            candidates.append(Candidate(place, float(self.offsets[best[place]])))
            hot = hot[np.searchsorted(hot, place + self.length) :]
        return candidates
