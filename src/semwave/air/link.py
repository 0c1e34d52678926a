"""A link: one picture's way over a channel, which measures what it carries.

The k and the SNR of every scheme are so measured, not believed.
"""

import math
from functools import cache

import torch

from semwave.air.channels import Channel, equalised
from semwave.types import Signal, Soft

OUTAGE = 0.1


class Link:
    """A :class:`semwave.types.Transport` over a channel of class ``kind`` at ``snr_db`` (Es/N0), with fading and noise
    from ``random``.

    Afterwards ``k``, ``signal_power`` and ``noise_power`` say what was measured, both powers per complex symbol; they
    are 0 where nothing was sent.

    Raises:
        SemwaveError: an SNR out of range.
    """

    def __init__(self, kind: type[Channel], snr_db: float, random: torch.Generator | int):
        self.kind, self.snr_db, self._channel = kind, snr_db, kind(snr_db, random)
        self.k, self._signal, self._noise = 0, 0.0, 0.0

    def __call__(self, signal: Signal) -> Soft:
        """Send ``signal``, (1, k/2) complex symbols of power 1."""
        received, fading, noise = self._channel.receive(signal.iq)
        self.count(signal, (received - fading[:, None] * signal.iq).abs().square().sum().item())
        return equalised(signal, received, fading, noise)

    def count(self, signal: Signal, noise: float) -> None:
        """Count ``signal``, to which noise of the energy ``noise`` was added."""
        self.k += 2 * signal.iq.numel()
        self._signal += signal.iq.abs().square().sum().item()
        self._noise += noise

    @property
    def signal_power(self) -> float:
        """Mean power of the complex symbols sent."""
        return self._signal / max(1, self.k // 2)

    @property
    def noise_power(self) -> float:
        """Mean power of the noise in a complex symbol received."""
        return self._noise / max(1, self.k // 2)

    @property
    def reliable_snr_db(self) -> float:
        """Es/N0 in dB that nine of ten pictures meet: what a sender designs for that does not know the fading.

        It is ``snr_db`` where there is no fading, and 9.8 dB below it under Rayleigh fading.
        """
        return self.snr_db + _outage_db(self.kind)


@cache
def _outage_db(kind: type[Channel]) -> float:
    power = kind.fading(100_000, torch.Generator().manual_seed(0)).abs().square()
    return 10 * math.log10(power.quantile(OUTAGE).item())
