"""A channel at the level of samples, for trying out: what a radio and the air do to a waveform.

    delay, echoes h(t) -> clock -> carrier offset, phase -> noise -> gain

Echoes lie between the samples (windowed sinc), fade as Jakes has it where there is Doppler, and their powers are those
of a profile: equally spaced with 3 dB less each ("rayleigh:5"), or a tapped delay line of 3GPP TR 38.901
("TDL-A:30ns").
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semwave.air.modem import AMPLITUDE
from semwave.air.sionna import kept_random_state, sionna
from semwave.errors import SemwaveError

SAMPLE_RATE = 1e6
HALF_SINC = 12
LEAD = 2 * HALF_SINC
SINUSOIDS = 32
MOST_TAPS, SPACING, FALL_DB = 32, 2.0, 3.0
MOST_DELAY = 10_000_000
PROFILE = re.compile(r"(?i)rayleigh:(\d{1,2})|TDL-([ABC])(?::(\d{1,5}(?:\.\d{1,3})?)ns)?|none")


@dataclass(frozen=True)
class SampleChannel:
    """Samples to samples; every call draws anew from where the last one ended.

    Args:
        snr_db: Es/N0 in dB of a symbol of amplitude ``amplitude``, at mean echo power 1; None for no noise.
        delay: samples of noise before, not necessarily whole.
        tail: samples of noise after.
        offset: of the carrier, cycles a sample.
        clock_ppm: by how many parts in a million the transmitter's sampling clock is faster than the receiver's.
        phase: of the carrier in radians; None draws one.
        gain: of everything, noise too.
        taps: "none", "rayleigh:N", "TDL-A:30ns" (B, C), or pairs of delay in samples and complex amplitude.
        doppler: largest Doppler shift in cycles a sample; 0 for echoes that do not move.
        sample_rate: samples a second, which a delay spread in nanoseconds needs.
        seed: of echoes, phase and noise.
        amplitude: of a symbol in what is sent.

    Raises:
        SemwaveError: a profile that is not known, or values out of range.
    """

    snr_db: float | None = None
    delay: float = 0.0
    tail: int = 200
    offset: float = 0.0
    clock_ppm: float = 0.0
    phase: float | None = None
    gain: float = 1.0
    taps: str | Sequence[tuple[float, complex]] = "none"
    doppler: float = 0.0
    sample_rate: float = SAMPLE_RATE
    seed: int = 0
    amplitude: float = AMPLITUDE

    def __post_init__(self):
        if self.snr_db is not None and not -40 <= self.snr_db <= 100:
            raise SemwaveError(f"the SNR must be from -40 to 100 dB, not {self.snr_db:g}")
        if not 0 <= self.delay <= MOST_DELAY or not 0 <= self.tail <= MOST_DELAY:
            raise SemwaveError(f"delay and tail must be from 0 to {MOST_DELAY} samples")
        if not abs(self.offset) <= 0.5 or not abs(self.clock_ppm) <= 1000 or not 0 <= self.doppler <= 0.01:
            raise SemwaveError("offsets are up to 0.5 cycles a sample and 1000 ppm, Doppler up to 0.01 cycles a sample")
        if not (math.isfinite(self.gain) and self.gain > 0 and self.sample_rate > 0):
            raise SemwaveError("gain and sample rate must be above zero")
        delay_profile(self.taps, self.sample_rate)

    @cached_property
    def _profile(self) -> tuple[np.ndarray, np.ndarray, bool]:
        return delay_profile(self.taps, self.sample_rate)

    @cached_property
    def _random(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """What arrives of ``samples`` (n,) complex: complex64, longer by delay, tail and echoes."""
        received, _ = self.with_taps(samples)
        return received

    def echoes(self) -> tuple[np.ndarray, np.ndarray]:
        """Delays in samples and complex amplitudes of the echoes of one call, drawn."""
        delays, amplitudes, fixed = self._profile
        return delays, amplitudes if fixed else amplitudes * _normal(self._random, len(delays))

    def with_taps(self, samples: np.ndarray) -> tuple[np.ndarray, list[tuple[float, complex]]]:
        """What arrives, and the echoes that were drawn, at their beginning where they move."""
        random, (delays, amplitudes) = self._random, self.echoes()
        whole, fraction = divmod(self.delay, 1)
        count = len(samples) + int(whole) + math.ceil(max(delays) + fraction) + 2 * HALF_SINC + self.tail
        # The receiver's n-th sample is taken at n (1 + ppm) of the transmitter's.
        times = np.arange(count) * (1 + 1e-6 * self.clock_ppm) - whole - fraction
        padded = np.concatenate([np.zeros(LEAD), np.asarray(samples, complex), np.zeros(LEAD)])
        received = np.zeros(count, complex)
        for delay, amplitude in zip(delays, amplitudes, strict=True):
            moving = _jakes(random, self.doppler, count) if self.doppler else 1.0
            received += amplitude * moving * _at(padded, times - delay + LEAD)
        phase = random.uniform(0, 2 * np.pi) if self.phase is None else self.phase
        received *= np.exp(1j * (phase + 2 * np.pi * self.offset * np.arange(count)))
        if self.snr_db is not None:
            received += self.amplitude * 10 ** (-self.snr_db / 20) * _normal(random, count)
        drawn = list(zip(delays.tolist(), amplitudes.tolist(), strict=True))
        return (self.gain * received).astype(np.complex64), drawn


def delay_profile(
    taps: str | Sequence[tuple[float, complex]], sample_rate: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Delays in samples, amplitudes, and whether these are fixed; else they are root mean squares of a total power 1.

    Raises:
        SemwaveError: a profile that is not known.
    """
    if not isinstance(taps, str):
        delays, amplitudes = np.array([tap[0] for tap in taps], float), np.array([tap[1] for tap in taps], complex)
        if not 1 <= len(taps) <= MOST_TAPS or not ((delays >= 0) & (delays <= 1e4)).all():
            raise SemwaveError(f"a channel has 1 to {MOST_TAPS} echoes, 0 to 10000 samples late")
        return delays, amplitudes, True
    found = PROFILE.fullmatch(taps)
    if not found:
        raise SemwaveError(f"unknown echoes '{taps}'; give none, rayleigh:N or TDL-A:30ns (A, B, C)")
    count, letter, spread = found.groups()
    if count:
        if not 1 <= int(count) <= MOST_TAPS:
            raise SemwaveError(f"a channel has 1 to {MOST_TAPS} echoes, not {count}")
        places = np.arange(int(count))
        powers = 10 ** (-FALL_DB * places / 10)
        return SPACING * places, np.sqrt(powers / powers.sum()), False
    if letter:
        with kept_random_state():
            line = sionna("sionna.phy.channel.tr38901").TDL(letter.upper(), float(spread or 100) * 1e-9, 3.5e9)
        powers = line.mean_powers.numpy().astype(float)
        return line.delays.numpy().astype(float) * sample_rate, np.sqrt(powers / powers.sum()), False
    return np.zeros(1), np.ones(1), True


def _at(padded: np.ndarray, times: np.ndarray) -> np.ndarray:
    """``padded`` at ``times`` in samples, by a sinc under a squared cosine; zero outside."""
    if (times[:1] % 1 == 0).all() and times[-1] - times[0] == len(times) - 1:
        inside = (times >= 0) & (times < len(padded))
        return np.where(inside, padded[np.clip(times, 0, len(padded) - 1).astype(int)], 0)
    whole = np.floor(times).astype(int)
    fraction = times - whole
    result = np.zeros(len(times), complex)
    for tap in range(1 - HALF_SINC, HALF_SINC + 1):
        place, distance = whole + tap, fraction - tap
        weight = np.sinc(distance) * np.cos(np.pi * distance / (2 * HALF_SINC + 2)) ** 2
        inside = (place >= 0) & (place < len(padded))
        result += weight * np.where(inside, padded[np.clip(place, 0, len(padded) - 1)], 0)
    return result


def _jakes(random: np.random.Generator, doppler: float, count: int) -> np.ndarray:
    """A gain of mean power 1 that moves as scattering from all sides makes it: a sum of sinusoids (Jakes 1974)."""
    angles = (np.arange(SINUSOIDS) + random.random()) * 2 * np.pi / SINUSOIDS
    phases = random.uniform(0, 2 * np.pi, SINUSOIDS)
    times, gain = np.arange(count), np.zeros(count, complex)
    for angle, phase in zip(angles, phases, strict=True):
        gain += np.exp(1j * (2 * np.pi * doppler * np.cos(angle) * times + phase))
    return gain / math.sqrt(SINUSOIDS)


def _normal(random: np.random.Generator, count: int) -> np.ndarray:
    return (random.standard_normal(count) + 1j * random.standard_normal(count)) / math.sqrt(2)
