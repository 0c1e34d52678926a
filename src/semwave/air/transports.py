"""Channels by name: those that a receiver is told, and those over which a modem has to find out.

A name of :data:`SAMPLED` is a waveform over a tapped delay line of 3GPP TR 38.901, at 5 Msample/s, with a delay, a
carrier offset of 0.01 cycles a sample and a clock 20 ppm off: the receiver is told none of it.
"""

from functools import partial

import torch

from semwave.air.channels import CHANNELS, channel_class
from semwave.air.modem import Modem
from semwave.air.samples import SampleChannel
from semwave.errors import SemwaveError
from semwave.types import Model, Transport

SAMPLED = {
    f"tdl-{letter.lower()}{suffix}": f"TDL-{letter}:{spread}ns"
    for suffix, spread in (("-30ns", 30), ("", 100), ("-300ns", 300))
    for letter in "ABC"
}
"""Echoes by name; 100 ns of delay spread where it says none."""
CONDITIONS = {"delay": 300.5, "offset": 0.01, "clock_ppm": 20.0, "sample_rate": 5e6}


def check_channel(name: str) -> None:
    """Raises :class:`SemwaveError`, naming those there are, for a name that is none."""
    if name in CHANNELS or ":" in name:
        channel_class(name)
    elif name not in SAMPLED:
        there_are = ", ".join([*CHANNELS.names(), *SAMPLED])
        raise SemwaveError(f"unknown channel '{name}'; the channels are {there_are}, or your own as module:Name")


def transport(name: str, model: Model, snr_db: float, random: torch.Generator) -> Transport:
    """The channel called ``name`` for a signal of ``model``, at mean Es/N0 ``snr_db``; what it draws comes from
    ``random``. Raises as :func:`check_channel`."""
    check_channel(name)
    if name not in SAMPLED:
        return channel_class(name)(snr_db, random)
    channel = partial(SampleChannel, snr_db, taps=SAMPLED[name], **CONDITIONS)
    return Modem(model).over(channel(seed=int(torch.randint(2**31, (1,), generator=random))))
