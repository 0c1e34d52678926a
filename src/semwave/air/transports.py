"""Channels by name: those that a receiver is told, and those over which a modem has to find out.

A name of :data:`SAMPLED` is a waveform over a tapped delay line of 3GPP TR 38.901, at 5 Msample/s, with a delay, a
carrier offset of 0.01 cycles a sample and a clock 20 ppm off: the receiver is told none of it. With "-known-h" behind
it the same echoes and Es/N0 meet a receiver that knows h, for comparison.
"""

import math
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch

from semwave.air.channels import AWGN, CHANNELS, channel_class
from semwave.air.iq import noise_power, to_complex, to_reals
from semwave.air.link import OUTAGE, Link
from semwave.air.modem import Modem
from semwave.air.ofdm.equaliser import equalise
from semwave.air.ofdm.frame import spread
from semwave.air.ofdm.header import Maker
from semwave.air.ofdm.numerology import Numerology
from semwave.air.samples import SampleChannel
from semwave.errors import SemwaveError
from semwave.types import Header, Signal, Soft, Transport
from semwave.zoo import CODES

KNOWN_H = "-known-h"
ECHOES = {
    f"tdl-{letter.lower()}{suffix}": f"TDL-{letter}:{spread}ns"
    for suffix, spread in (("-30ns", 30), ("", 100), ("-300ns", 300))
    for letter in "ABC"
}
"""Echoes by name; 100 ns of delay spread where it says none."""
SAMPLED = ECHOES | {name + KNOWN_H: taps for name, taps in ECHOES.items()}
CONDITIONS = {"delay": 300.5, "offset": 0.01, "clock_ppm": 20.0, "sample_rate": 5e6}
OUTAGE_DRAWS = 1000


def check_channel(name: str) -> None:
    """Raises :class:`SemwaveError`, naming those there are, for a name that is none."""
    if name in CHANNELS or ":" in name:
        channel_class(name)
    elif name not in SAMPLED:
        there_are = ", ".join([*CHANNELS.names(), *ECHOES])
        raise SemwaveError(
            f"unknown channel '{name}'; the channels are {there_are}, these with {KNOWN_H}, or your own as module:Name"
        )


def transport(name: str, model: Maker, snr_db: float, random: torch.Generator) -> Transport:
    """The channel called ``name`` for a signal of ``model``, at mean Es/N0 ``snr_db``; what it draws comes from
    ``random``. Raises as :func:`check_channel`."""
    check_channel(name)
    if name not in SAMPLED:
        return channel_class(name)(snr_db, random)
    channel = _echoing(name, snr_db, int(torch.randint(2**31, (1,), generator=random)))
    return partial(over_known, channel, Numerology()) if name.endswith(KNOWN_H) else Modem(model).over(channel)


def _echoing(name: str, snr_db: float, seed: int) -> SampleChannel:
    return SampleChannel(snr_db, taps=SAMPLED[name], seed=seed, **CONDITIONS)


def over_known(channel: SampleChannel, numerology: Numerology, signal: Signal) -> Soft:
    """What a receiver makes of ``signal`` that knows the echoes of ``channel``, its noise, delay, offset and clock: the
    payload of frames with the known response in the same equaliser. Echoes are drawn anew for every picture."""
    softs, power = [], float(noise_power(torch.tensor(channel.snr_db))) if channel.snr_db is not None else 0.0
    for place, symbols in enumerate(signal.iq.detach().cpu().numpy().astype(complex)):
        random = np.random.default_rng((channel.seed, place))
        h = np.resize(response(channel, numerology)[~numerology.is_pilot], len(symbols))
        drawn = random.standard_normal((2, len(symbols))) * math.sqrt(power / 2)
        received = h * spread(symbols, numerology, 0) + drawn[0] + 1j * drawn[1]
        softs.append(equalise(received, h, np.full(len(symbols), power), numerology, 0))
    iq, noise = (torch.from_numpy(np.stack(each)) for each in zip(*softs, strict=True))
    return Soft(to_reals(iq.to(torch.complex64)), noise.float().repeat_interleave(2, 1), signal.header)


def response(channel: SampleChannel, numerology: Numerology) -> np.ndarray:
    """The response (used,) complex of the used carriers to one draw of the echoes of ``channel``."""
    delays, amplitudes = channel.echoes()
    return np.exp(-2j * np.pi * np.outer(numerology.used / numerology.carriers, delays)) @ amplitudes


@dataclass(frozen=True)
class _Name:
    name: str


@dataclass(frozen=True)
class _Maker:
    """Whoever made a signal with such a header."""

    config: _Name
    digest: str


class AirLink(Link):
    """A link over one of :data:`SAMPLED`, with the interface of :class:`Link`: the noise is measured in the equalised
    symbols that arrived. Signals of other schemes, which have no header, cross it too.

    Raises:
        SemwaveError: an SNR out of range, or as :func:`check_channel`.
    """

    def __init__(self, name: str, snr_db: float, random: torch.Generator):
        super().__init__(AWGN, snr_db, random)
        check_channel(name)
        self.name, self.random = name, random

    def __call__(self, signal: Signal) -> Soft:
        """Send ``signal``, (1, k/2) complex symbols of power 1."""
        header = signal.header or Header("link", "0" * 12, 2 * signal.iq.shape[1], (CODES,), 512)
        maker = _Maker(_Name(header.model), header.digest)
        soft = transport(self.name, maker, self.snr_db, self.random)(Signal(signal.iq, header))
        received = soft.noise[:, ::2].isfinite()
        errors = (to_complex(soft.symbols) - signal.iq).abs().square()[received]
        self.count(signal, float(errors.mean()) * signal.iq.numel() if len(errors) else 0.0)
        return Soft(soft.symbols, soft.noise, signal.header)

    @property
    def reliable_snr_db(self) -> float:
        """Es/N0 in dB after a receiver that knows h, which nine of ten pictures meet."""
        return _reliable_snr_db(self.name.removesuffix(KNOWN_H), self.snr_db)


@cache
def _reliable_snr_db(name: str, snr_db: float) -> float:
    channel, noise = _echoing(name, snr_db, 0), 10 ** (-snr_db / 10)
    powers = [abs(response(channel, Numerology())) ** 2 for _ in range(OUTAGE_DRAWS)]
    shares = np.array([np.mean(power / (power + noise)) for power in powers])
    return float(np.quantile(10 * np.log10(shares / (1 - shares)), OUTAGE))
