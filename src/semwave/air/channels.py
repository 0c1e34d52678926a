"""Channels: Y = h X + n, equalised by a receiver that knows h.

    Signal: k/2 complex symbols of power 1 -> h X + n -> / h -> Soft: k real symbols, the noise power of each

The SNR is Es/N0 in dB: average power of a complex symbol over noise power per complex sample, at |h| = 1. The draws are
those of Sionna 2.2: noise (AWGN) bit for bit, fading (RayleighBlockFading) up to rounding; a test holds them to it.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from semwave.air.iq import checked_snr, noise_power, to_complex, to_reals
from semwave.errors import SemwaveError
from semwave.plugins import Register, imported
from semwave.types import Signal, Soft


class Channel(ABC):
    """A channel whose fading stays the same over one picture (block fading): a :class:`semwave.types.Transport`.

    Args:
        snr_db: Es/N0 in dB, one for all pictures or one each (B,), -20 to 60.
        random: seed or generator of fading and noise. The same state gives the same bits; global random state is left
            alone.

    Raises:
        SemwaveError: an SNR that is not a number or out of range.
    """

    def __init__(self, snr_db: float | Tensor, random: torch.Generator | int):
        self.snr_db = torch.as_tensor(snr_db, dtype=torch.float32)
        checked_snr(self.snr_db, self.snr_db.numel())
        self.random = torch.Generator().manual_seed(random) if isinstance(random, int) else random

    def __call__(self, signal: Signal) -> Soft:
        """What arrives of ``signal``. Raises :class:`SemwaveError` for another number of pictures than of SNRs."""
        return equalised(signal, *self.receive(signal.iq))

    def receive(self, iq: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The received Y (B, n) complex64 of ``iq`` (B, n), the fading h (B,) and the noise power (B,)."""
        noise = noise_power(checked_snr(self.snr_db, len(iq))).to(iq.device)
        fading = self.fading(len(iq), self.random).to(iq.device)
        drawn = complex_normal(iq.shape, self.random).to(iq.device)
        return fading[:, None] * iq + drawn * noise.sqrt()[:, None], fading, noise

    @staticmethod
    @abstractmethod
    def fading(count: int, random: torch.Generator) -> Tensor:
        """Coefficients h (count,) complex64 with E|h|^2 = 1, on the generator's device."""


class AWGN(Channel):
    """Additive white Gaussian noise: h = 1.

    >>> from semwave.air.iq import signal
    >>> soft = AWGN(snr_db=10.0, random=0)(signal(torch.ones(1, 4)))
    >>> soft.symbols.shape, soft.noise[0, 0].item()
    (torch.Size([1, 4]), 0.10000000149011612)
    """

    @staticmethod
    def fading(count: int, random: torch.Generator) -> Tensor:
        """Ones (count,) complex64."""
        return torch.ones(count, dtype=torch.complex64, device=random.device)


class RayleighBlockFading(Channel):
    """Rayleigh block fading: h is circularly symmetric complex Gaussian, drawn once per picture."""

    @staticmethod
    def fading(count: int, random: torch.Generator) -> Tensor:
        """Coefficients (count,) complex64 of unit average power."""
        return complex_normal((count,), random)


def equalised(signal: Signal, received: Tensor, fading: Tensor, noise: Tensor) -> Soft:
    """Zero forcing: Y / h of ``received`` (B, n), whose noise has the power ``noise`` (B,) / |h|^2 then."""
    noise = (noise / fading.abs().square())[:, None].expand(-1, 2 * received.shape[1])
    return Soft(to_reals(received / fading[:, None]), noise, signal.header)


CHANNELS: Register[type[Channel]] = Register("semwave.channels", {"awgn": AWGN, "rayleigh": RayleighBlockFading})
"""By the name that commands give them. A channel of your own is a class with one method, entered here."""


def channel_class(name: str) -> type[Channel]:
    """The channel called ``name``, or the class that "module:Name" names.

    Raises:
        SemwaveError: there is none of this name, or it is no channel.
    """
    if name in CHANNELS:
        return CHANNELS[name]
    if ":" not in name:
        raise SemwaveError(f"unknown channel '{name}'; the channels are {', '.join(CHANNELS.names())}, or module:Name")
    found = imported(name)
    if not isinstance(found, type) or not issubclass(found, Channel):
        raise SemwaveError(f"'{name}' is not a channel; make it a class of semwave.air.Channel")
    return found


def noisy(symbols: Tensor, snr_db: float | Tensor, random: torch.Generator) -> Tensor:
    """Real ``symbols`` (B, k) after AWGN at ``snr_db``, one or (B,); gradients pass. For training."""
    return to_reals(AWGN(snr_db, random).receive(to_complex(symbols))[0])


def complex_normal(shape: tuple[int, ...] | torch.Size, random: torch.Generator) -> Tensor:
    """Circularly symmetric complex Gaussian numbers of power 1, complex64, on the generator's device."""
    deviation = math.sqrt(0.5)
    real, imaginary = (
        torch.empty(shape, dtype=torch.float32, device=random.device).normal_(0, deviation, generator=random)
        for _ in range(2)
    )
    return torch.complex(real, imaginary)
