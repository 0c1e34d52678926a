"""Channels: y = h x + n, with the noise and the fading of Sionna.

    k reals of unit power -> k/2 complex symbols of unit power -> h x + n -> k reals

The SNR is Es/N0 in dB: average power of a complex symbol over noise power per complex sample. Symbols have
unit power, so the noise has variance 10^(-SNR/10) per complex sample and half of that per real dimension. Two
reals x[2i], x[2i+1] of mean square one make the complex symbol (x[2i] + j x[2i+1]) / sqrt(2). The receiver
takes the factor back, so a received real has noise of variance 10^(-SNR/10) beside a signal of power one.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

import torch
from torch import Tensor

from semwave.errors import SemwaveError

LOWEST_SNR_DB, HIGHEST_SNR_DB = -20.0, 60.0


@dataclass(frozen=True)
class Received:
    """What a channel hands to the receiver.

    ``symbols`` (B, k) float32: y, as reals; ``fading`` (B,) complex64: h, known to the receiver;
    ``snr_db`` (B,) float32: Es/N0 at |h| = 1.
    """

    symbols: Tensor
    fading: Tensor
    snr_db: Tensor


class Channel(ABC):
    """A channel whose fading stays the same over one image (block fading)."""

    def __init__(self):
        # Sionna takes seconds to import: not while an image is on its way.
        _drawing_from_generator("AWGN")

    def __call__(self, symbols: Tensor, snr_db: float | Tensor, generator: torch.Generator) -> Received:
        """Send ``symbols``.

        Args:
            symbols: (B, k) float32, k even, mean square one per image.
            snr_db: Es/N0 in dB, one for all images or one each (B,), -20 to 60.
            generator: source of fading and noise; the same state gives the same bits, and global
                random state is left alone.

        Raises:
            SemwaveError: an odd k, or an SNR that is not a number or out of range.
        """
        snr_db = checked_snr(snr_db, len(symbols)).to(symbols.device)
        x = to_complex(symbols).to(generator.device)
        fading = self.fading(len(x), generator)
        noise_power = (10 ** (-snr_db / 10)).to(generator.device)
        y = _sionna("AWGN", generator)(fading[:, None] * x, noise_power)
        return Received(to_reals(y).to(symbols.device), fading.to(symbols.device), snr_db)

    @abstractmethod
    def fading(self, count: int, generator: torch.Generator) -> Tensor:
        """Coefficients h (count,) complex64 with E|h|^2 = 1, on the generator's device."""


class AWGN(Channel):
    """Additive white Gaussian noise: h = 1."""

    def fading(self, count: int, generator: torch.Generator) -> Tensor:
        """Ones (count,) complex64."""
        return torch.ones(count, dtype=torch.complex64, device=generator.device)


class RayleighBlockFading(Channel):
    """Rayleigh block fading: h is circularly symmetric complex Gaussian, drawn once per image."""

    def fading(self, count: int, generator: torch.Generator) -> Tensor:
        """Coefficients (count,) complex64 of unit average power."""
        model = _sionna("RayleighBlockFading", generator, num_rx=1, num_rx_ant=1, num_tx=1, num_tx_ant=1)
        coefficients, _ = model(batch_size=count, num_time_steps=1)
        return coefficients.reshape(count)


CHANNELS: dict[str, type[Channel]] = {"awgn": AWGN, "rayleigh": RayleighBlockFading}


def make_channel(name: str) -> Channel:
    """The channel called ``name``. Raises :class:`SemwaveError`, naming those there are, if it is none."""
    if name not in CHANNELS:
        raise SemwaveError(f"unknown channel '{name}'; the channels are {', '.join(CHANNELS)}")
    return CHANNELS[name]()


def equalise(received: Received) -> tuple[Tensor, Tensor]:
    """Undo the fading by zero forcing, y / h.

    Returns symbols (B, k) float32 and the SNR (B,) in dB that they have after it: snr_db + 20 log10 |h|.
    """
    y = to_complex(received.symbols) / received.fading[:, None]
    return to_reals(y), received.snr_db + 20 * received.fading.abs().log10()


def checked_snr(snr_db: float | Tensor, images: int) -> Tensor:
    """One SNR in dB for each of so many images, (images,) float32.

    Raises:
        SemwaveError: not one SNR, nor one for each image, or one that is not a number from -20 to 60.
    """
    values = torch.as_tensor(snr_db, dtype=torch.float32)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != images):
        raise SemwaveError(f"need one SNR, or one for each of {images} images, not {values.numel()}")
    if not ((values >= LOWEST_SNR_DB) & (values <= HIGHEST_SNR_DB)).all():
        raise SemwaveError(f"the SNR must be from {LOWEST_SNR_DB:g} to {HIGHEST_SNR_DB:g} dB, not {snr_db}")
    return values.expand(images)


def to_complex(reals: Tensor) -> Tensor:
    """Complex symbols (B, k/2) of power 1 from pairs of reals (B, k) of mean square 1."""
    if reals.ndim != 2 or reals.shape[1] % 2:
        raise SemwaveError(f"symbols must be (B, k) with even k, not {tuple(reals.shape)}")
    return torch.view_as_complex(reals.float().reshape(len(reals), -1, 2).contiguous()) / math.sqrt(2)


def to_reals(symbols: Tensor) -> Tensor:
    """Reals (B, k) of mean square 1 from complex symbols (B, k/2) of power 1: undoes :func:`to_complex`."""
    return torch.view_as_real(symbols * math.sqrt(2)).flatten(1)


def _sionna(name: str, generator: torch.Generator, **options: int):
    """Sionna's block ``name``, drawing from ``generator`` on its device."""
    kind, number = generator.device.type, generator.device.index or 0
    block = _drawing_from_generator(name)(device=kind if kind == "cpu" else f"{kind}:{number}", **options)
    block.source = generator
    return block


@cache
def _drawing_from_generator(name: str) -> type:
    """Sionna's class ``name`` with its random numbers taken from the attribute ``source``.

    Sionna is imported here because that takes time, with the random state kept because it reseeds torch. It marks some
    functions for torch's compiler, which nobody calls here; without the marks the import takes a second less.
    """
    with torch.random.fork_rng(), patch("torch.compile", _unmarked), patch("torch.compiler.disable", _unmarked):
        from sionna.phy import channel

    return type(name, (getattr(channel, name),), {"torch_rng": property(lambda block: block.source)})


def _unmarked(function: Callable | None = None, **_options: object) -> Callable:
    """A decorator, with or without options, that leaves ``function`` as it is."""
    return _unmarked if function is None else function
