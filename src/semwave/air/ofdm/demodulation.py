"""From samples around a candidate to the symbols of its frame.

    carrier offset by repetition -> timing -> header -> channel, carrier and clock over all known cells -> moving gain
        -> noise by residuals -> MMSE -> despreading

Times are in samples from the middle of the preamble, offsets in cycles a sample.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from semwave.air.ofdm.detection import Candidate
from semwave.air.ofdm.equaliser import LEAST_NOISE, equalise, interfered, nonzero
from semwave.air.ofdm.estimation import ChannelEstimator, moving_gain, phase_slope
from semwave.air.ofdm.frame import known_cells
from semwave.air.ofdm.header import FrameHeader, read_headers
from semwave.air.ofdm.numerology import REPETITIONS, Numerology

TRUNCATED, BROKEN_HEADER = "truncated", "broken header"
MOST_ITERATIONS, LEAST_ITERATIONS, GAIN_ITERATIONS = 16, 4, 3
OFFSETS = np.array([0.0, 0.7, -0.7, 1.4, -1.4])
"""Radians over the header by which the carrier offset may be wrong."""
SETTLED = 0.03
"""Radians by which the clock may still turn the outermost cell when it is left alone."""
CLOCK_DEVIATION, LARGEST_CLOCK = 3e-5, 3e-4
"""Clocks are known to tens of parts in a million: standard deviation of the prior, and its end."""


@dataclass(frozen=True)
class Refusal:
    """A candidate that is no frame for us: ``why``, where it begins, its header where that was read. ``needed`` samples
    from its beginning would be enough where it is truncated."""

    why: str
    start: int
    header: FrameHeader | None = None
    needed: int = 0


@dataclass(frozen=True)
class Reception:
    """A frame.

    Args:
        start: sample at which its preamble begins.
        header: what it says of itself.
        symbols: (k/2,) complex, equalised and unbiased.
        noise: (k/2,) noise power of each, in which 1 is the power of a symbol; infinite where its carrier is erased.
        offset: of the carrier, cycles a sample.
        clock_ppm: by how many parts in a million the transmitter's sampling clock is faster than the receiver's.
        response: (used,) complex channel of the used carriers.
        erased: (used,) bool, carriers on which something else was sending.
        samples: length of the frame.
    """

    start: int
    header: FrameHeader
    symbols: np.ndarray
    noise: np.ndarray
    offset: float
    clock_ppm: float
    response: np.ndarray
    erased: np.ndarray
    samples: int

    @property
    def snr_db(self) -> float:
        """Es/N0 over the symbols that were received."""
        received = self.noise[np.isfinite(self.noise)]
        return float(-10 * np.log10(received.mean())) if len(received) else -float("inf")


class _Segment:
    """The samples around a candidate; sample 0 is where its preamble was first thought to begin."""

    def __init__(self, numerology: Numerology, samples: np.ndarray, start: int):
        self.numerology, self._margin = numerology, numerology.prefix + numerology.carriers
        low = start - self._margin
        before = np.zeros(max(-low, 0))
        self._samples = np.r_[before, samples[max(low, 0) :]].astype(complex)
        self.end = len(self._samples) - self._margin

    def _cells(self, first: int, count: int, step: int, offset: float, leak: bool = False) -> np.ndarray:
        """Windows half a prefix early, whose phase ramp is taken out again."""
        numerology = self.numerology
        early = numerology.prefix // 2
        places = first - early + step * np.arange(count)[:, None] + np.arange(numerology.carriers)
        windows = np.exp(-2j * np.pi * offset * places)
        if not leak:
            windows *= self._samples[places + self._margin]
        return numerology.to_cells(windows) * np.exp(2j * np.pi * numerology.used * early / numerology.carriers)

    def preamble(self, start: int, offset: float, leak: bool = False) -> np.ndarray:
        """(2, used) cells of the preamble; those of a constant 1 instead of the samples where ``leak``."""
        step = self.numerology.carriers
        return self._cells(start + self.numerology.preamble_prefix, REPETITIONS, step, offset, leak)

    def symbols(self, start: int, count: int, offset: float, leak: bool = False) -> np.ndarray:
        """(count, used) cells of header and payload, likewise."""
        first = start + self.numerology.preamble_samples + self.numerology.prefix
        return self._cells(first, count, self.numerology.symbol, offset, leak)


class Demodulator:
    """Reads the frame of a candidate; ``refuse`` says of a header why its frame is not wanted, or None."""

    def __init__(self, numerology: Numerology, refuse: Callable[[FrameHeader], str | None]):
        self.numerology, self._refuse = numerology, refuse
        self._channel = ChannelEstimator(numerology)
        middle = numerology.preamble_prefix + numerology.carriers * REPETITIONS / 2
        self._middle = middle
        self._preamble_times = (np.arange(REPETITIONS) - (REPETITIONS - 1) / 2) * numerology.carriers
        self.head_samples = numerology.preamble_samples + numerology.symbol * numerology.header_symbols
        """Samples of preamble and header."""

    def __call__(self, samples: np.ndarray, candidate: Candidate) -> Reception | Refusal:
        """The frame that begins at ``candidate`` in ``samples`` (n,) complex."""
        numerology, begin = self.numerology, candidate.start
        slack = numerology.prefix
        head = samples[: begin + self.head_samples + slack]
        segment = _Segment(numerology, head, begin)
        if segment.end < self.head_samples + slack:
            segment = _Segment(numerology, np.r_[head, np.zeros(slack)], begin)
            if segment.end < self.head_samples + slack:
                return Refusal(TRUNCATED, begin, needed=self.head_samples + slack)
        start, offset, noise = self._synchronise(segment, candidate.offset)
        header, response, error, offset, noise = self._read_header(segment, start, offset, noise)
        if header is None:
            return Refusal(BROKEN_HEADER, begin + start)
        if why := self._refuse(header):
            return Refusal(why, begin + start, header)
        length = numerology.samples(header.k)
        # The windows end half a prefix before the symbols do, so the very last samples may be lacking.
        if len(samples) < begin + start + length - numerology.prefix // 2:
            return Refusal(TRUNCATED, begin + start, header, start + length)
        segment = _Segment(numerology, samples[: begin + start + length], begin)
        return self._receive(segment, begin, start, offset, header, response, error, noise)

    def _synchronise(self, segment: _Segment, offset: float) -> tuple[int, float, float]:
        """Where the frame begins, the carrier offset, the noise of a cell."""
        numerology = self.numerology
        for _ in range(2):
            cells = segment.preamble(0, offset)
            offset += np.angle(np.sum(cells[0].conj() * cells[1])) / (2 * np.pi * numerology.carriers)
        cells = segment.preamble(0, offset)
        noise = _above_floor(np.mean(abs(cells[1] - cells[0]) ** 2) / 2, cells)
        # The echoes' energy goes to the middle of what the prefix covers; the first echo is not to be told from the
        # tail of a sinc.
        matched = cells.mean(0) * numerology.preamble_cells.conj() / numerology.preamble_gain
        echoes = abs(numerology.to_time(matched[None])[0]) ** 2
        floor = noise / REPETITIONS / numerology.preamble_gain**2 * len(numerology.used) / numerology.carriers
        energy = np.maximum(echoes - floor, 0)
        prefix, places = numerology.prefix, np.arange(numerology.prefix + 1)
        window = np.minimum(1, np.minimum(places + 1, prefix + 1 - places) / (prefix / 3))
        covered = np.convolve(np.r_[energy[-prefix:], energy, energy[:prefix]], window, "same")[prefix:-prefix]
        shift = int(covered.argmax())
        shift -= numerology.carriers if shift >= numerology.carriers // 2 else 0
        # A candidate that begins a repetition late or early is not one.
        return int(np.clip(shift, -prefix, prefix)), offset, noise

    def _read_header(
        self, segment: _Segment, start: int, offset: float, noise: float
    ) -> tuple[FrameHeader | None, np.ndarray, np.ndarray, float, float]:
        """The header, channel and error of it, carrier offset, noise. Where the offset was not found well enough for
        the header, it is tried with others, of which its checksums choose."""
        numerology, rows = self.numerology, self.numerology.header_symbols
        pilots, times = numerology.is_pilot, np.r_[self._preamble_times, self._times(rows)]
        refined = offset
        for _ in range(2):
            matched, response, _ = self._preamble_channel(segment, start, refined, noise)
            cells = segment.symbols(start, rows, refined)
            heard = cells[:, pilots] * numerology.pilot_values[:rows]
            values = np.r_[matched @ response.conj(), heard @ response[pilots].conj()]
            refined += phase_slope(times, values, np.pi / numerology.symbol) / (2 * np.pi)
        turn = 1 / (2 * np.pi * rows * numerology.symbol)
        response, error = np.zeros(0), np.zeros(0)
        for offsets in ([refined], [*(refined + turn * OFFSETS[1:]), *(offset + turn * OFFSETS)]):
            tried = [self._preamble_channel(segment, start, each, noise)[1:] for each in offsets]
            cells = np.stack([segment.symbols(start, rows, each)[:, ~pilots] for each in offsets])
            channels, errors = (np.stack(each)[:, None, ~pilots] for each in zip(*tried, strict=True))
            variances = np.broadcast_to(noise + errors, cells.shape)
            wanted, variances = (each.reshape(len(offsets), -1) for each in (cells * channels.conj(), variances))
            for each, (response, error), header in zip(offsets, tried, read_headers(wanted, variances), strict=True):
                if header is not None:
                    return header, response, error, each, noise
        return None, response, error, refined, noise

    def _preamble_channel(
        self, segment: _Segment, start: int, offset: float, noise: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The preamble's cells, matched (2, used), the channel that they tell, and the variance of its error."""
        numerology, gain = self.numerology, self.numerology.preamble_gain
        matched = segment.preamble(start, offset) * numerology.preamble_cells.conj() * gain
        response, error, _ = self._channel(matched.sum(0), np.full(len(numerology.used), REPETITIONS * gain**2), noise)
        return matched, response, error

    def _times(self, rows: int) -> np.ndarray:
        numerology = self.numerology
        first = numerology.preamble_samples + numerology.prefix + numerology.carriers / 2 - self._middle
        return first + np.arange(rows) * numerology.symbol

    def _receive(
        self,
        segment: _Segment,
        begin: int,
        start: int,
        offset: float,
        header: FrameHeader,
        response: np.ndarray,
        error: np.ndarray,
        noise: float,
    ) -> Reception:
        numerology, gain = self.numerology, self.numerology.preamble_gain
        known = known_cells(numerology, header)
        reference = np.r_[np.tile(gain * numerology.preamble_cells, (REPETITIONS, 1)), known]
        weights = abs(reference) ** 2
        rows = len(known)
        times = np.r_[self._preamble_times, self._times(rows)]
        turns = 2 * np.pi / numerology.carriers * np.outer(times, numerology.used)
        clock = 0.0

        def heard(leak: bool = False) -> np.ndarray:
            cells = np.r_[segment.preamble(start, offset, leak), segment.symbols(start, rows, offset, leak)]
            return cells * np.exp(1j * clock * turns)

        for step in range(MOST_ITERATIONS):
            matched = heard() * reference.conj()
            if step:
                response, error, _ = self._channel(matched.sum(0), weights.sum(0), noise)
            aligned = matched * response.conj()
            slope = phase_slope(times, aligned.sum(1), np.pi / numerology.symbol / (8 if step else 1))
            offset += slope / (2 * np.pi)
            if step:
                aligned *= np.exp(-1j * slope * times)[:, None]
                information = max(float(np.sum(turns**2 * weights * abs(response) ** 2)), 1e-30)
                trust = CLOCK_DEVIATION**2 / (CLOCK_DEVIATION**2 + noise / 2 / information)
                measured = clock - np.sum(turns * aligned.imag) / information
                before, clock = clock, float(np.clip(measured * trust, -LARGEST_CLOCK, LARGEST_CLOCK))
                if step >= LEAST_ITERATIONS - 1 and abs(clock - before) * abs(turns).max() < SETTLED:
                    break

        cells, gains = heard(), np.ones(len(times), complex)
        # What leaks of an oscillator is a constant, which lands between the carriers once the offset is taken out.
        raw, full_leak = cells, heard(leak=True)
        leak = full_leak * (weights > 0)
        leak_energy = np.sum(abs(leak) ** 2)
        trusted = np.ones(len(numerology.used), bool)
        for step in range(GAIN_ITERATIONS):
            still = cells / gains[:, None]
            weight = weights * (abs(gains) ** 2)[:, None] * trusted
            response, error, fitted = self._channel(
                np.sum(weight * still / nonzero(reference), 0), weight.sum(0), noise
            )
            misfit = (abs(gains) ** 2)[:, None] * abs(still - reference * response) ** 2 * (weights > 0)
            if step:  # not before the constant is out
                trusted &= ~interfered(misfit, weights > 0, float(np.mean(abs(response) ** 2)))
            residuals = misfit[:, trusted].sum() / max((weights > 0)[:, trusted].sum() - fitted - 1, 1)
            noise = _above_floor(residuals, cells)
            if step < GAIN_ITERATIONS - 1:
                model = reference * response * trusted
                lacking = (raw - gains[:, None] * reference * response) * trusted
                constant = np.vdot(leak * trusted, lacking) / (leak_energy + 1)
                cells = raw - constant * full_leak
                energy = np.maximum(np.sum(abs(model) ** 2, 1), 1e-30)
                gains = moving_gain(
                    times, np.sum(model.conj() * cells, 1) / energy, energy, noise, int((weights > 0).sum())
                )
        data = ~numerology.is_pilot
        payload = (slice(REPETITIONS + numerology.header_symbols, None), data)
        channel = (gains[:, None] * response * trusted)[payload].ravel()[: header.k // 2]
        variance = (noise + abs(gains[:, None]) ** 2 * error)[payload].ravel()[: header.k // 2]
        received = np.where(channel == 0, 0, cells[payload].ravel()[: header.k // 2])
        symbols, symbol_noise = equalise(received, channel, variance, numerology, header.phases)
        return Reception(
            begin + start,
            header,
            symbols,
            symbol_noise,
            offset,
            -1e6 * clock,
            response,
            ~trusted,
            numerology.samples(header.k),
        )


def _above_floor(noise: float, cells: np.ndarray) -> float:
    return max(float(noise), LEAST_NOISE * float(np.mean(abs(cells) ** 2)), 1e-30)
