"""Real and complex symbols, and their noise.

Two reals x[2i], x[2i+1] of mean square one make the complex symbol (x[2i] + j x[2i+1]) / sqrt(2) of power one. The
receiver takes the factor back, so a received real of power one has noise of the same power as a complex symbol of power
one has: 10^(-SNR/10).
"""

import math

import torch
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.types import Header, Signal, Soft

LOWEST_SNR_DB, HIGHEST_SNR_DB = -20.0, 60.0


def to_complex(reals: Tensor) -> Tensor:
    """Complex symbols (B, k/2) of power 1 from pairs of reals (B, k) of mean square 1.

    Raises:
        SemwaveError: an odd k, or another number of dimensions.
    """
    if reals.ndim != 2 or reals.shape[1] % 2:
        raise SemwaveError(f"symbols must be (B, k) with even k, not {tuple(reals.shape)}")
    return torch.view_as_complex(reals.float().reshape(len(reals), -1, 2).contiguous()) / math.sqrt(2)


def to_reals(iq: Tensor) -> Tensor:
    """Reals (B, k) of mean square 1 from complex symbols (B, k/2) of power 1: undoes :func:`to_complex`."""
    return torch.view_as_real(iq * math.sqrt(2)).flatten(1)


def unit_power(symbols: Tensor) -> Tensor:
    """Real ``symbols`` (B, k), scaled to mean square 1 in every picture."""
    return symbols * symbols.square().mean(1, keepdim=True).clamp_min(1e-12).rsqrt()


def signal(symbols: Tensor, header: Header | None = None) -> Signal:
    """The signal of real ``symbols`` (B, k) of mean square 1. Raises as :func:`to_complex`.

    >>> signal(torch.ones(1, 4)).iq
    tensor([[0.7071+0.7071j, 0.7071+0.7071j]])
    """
    return Signal(to_complex(symbols), header)


def soft(symbols: Tensor, snr_db: float | Tensor, header: Header | None = None) -> Soft:
    """Equalised real ``symbols`` (B, k) that were all received at one Es/N0, or at one for each picture (B,), in dB.

    Raises:
        SemwaveError: an SNR out of range, or not one for each picture.

    >>> soft(torch.ones(1, 4), 10.0).noise
    tensor([[0.1000, 0.1000, 0.1000, 0.1000]])
    """
    noise = noise_power(checked_snr(snr_db, len(symbols))).to(symbols.device)
    return Soft(symbols.float(), noise[:, None].expand_as(symbols), header)


def noise_power(snr_db: Tensor) -> Tensor:
    """Noise power of a symbol of power 1 at Es/N0 ``snr_db``: 10^(-SNR/10)."""
    return 10 ** (-snr_db / 10)


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
