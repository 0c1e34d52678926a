"""What a scheme is: a picture goes in, k symbols cross a link, a picture comes out.

    picture (1, 3, S, S), link at an SNR -> Scheme.send -> Delivered: picture (1, 3, S, S), k

A link carries symbols over a :class:`semwave.air.channels.Channel` and measures the power of what it carries and of the
noise that it adds, so that the k and the SNR of every scheme are measured, not believed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from semwave.air.channels import Channel, Received, to_complex
from semwave.errors import SemwaveError

OUTAGE = 0.1
MOST_POWER = 10 ** (1 / 10)
"""Mean square of the symbols of one picture above which a scheme is refused: 1 dB, not 0, because QAM symbols have unit
power on average only, and 128 of them may have 0.5 dB more."""
Made = TypeVar("Made")
DELIVERED, LOST, NOTHING_FITS = "delivered", "lost", "nothing fits"


@dataclass(frozen=True)
class Delivered:
    """What arrives: ``image`` (1, 3, S, S) in [-1, 1], made from ``k`` real symbols.

    ``outcome`` is "delivered"; "lost" where the receiver knows that it decoded nothing; "nothing fits" where the sender
    had nothing small enough. ``note`` is for the reader of the table.
    """

    image: Tensor
    k: int
    outcome: str = DELIVERED
    note: str = ""


class Link:
    """One picture's way over ``channel`` at ``snr_db`` (Es/N0), with fading and noise from ``random``.

    Call it with symbols (1, k) float32 of mean square one to get what :class:`semwave.air.channels.Channel` gives.
    Afterwards ``k``, ``signal_power`` and ``noise_power`` say what was measured, both powers per complex symbol;
    they are 0 where nothing was sent.
    """

    def __init__(self, channel: Channel, snr_db: float, random: torch.Generator):
        self.channel, self.snr_db, self.random = channel, snr_db, random
        self.k, self._signal, self._noise = 0, 0.0, 0.0

    def __call__(self, symbols: Tensor) -> Received:
        """Send ``symbols`` (1, k), k even."""
        received = self.channel(symbols, self.snr_db, self.random)
        sent = to_complex(symbols)
        noise = to_complex(received.symbols) - received.fading[:, None] * sent
        self.k += symbols.numel()
        self._signal += sent.abs().square().sum().item()
        self._noise += noise.abs().square().sum().item()
        return received

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
        return self.snr_db + _faded_db(self.channel)


class Scheme(Protocol):
    """A way to send pictures. ``key`` names what its results depend on, such as a digest of its weights."""

    name: str
    key: str

    def send(self, image: Tensor, link: Link) -> Delivered:
        """Send ``image`` (1, 3, S, S) in [-1, 1] over ``link``, whose ``snr_db`` both sides know."""
        ...


class PerPicture(Generic[Made]):
    """Calls ``make`` once for each picture: schemes that take the same tensor in turn share what was made."""

    def __init__(self, make: Callable[[Tensor], Made]):
        self.make = make
        self.made: tuple[Tensor, Made] | None = None

    def __call__(self, image: Tensor) -> Made:
        """What ``make`` gives for ``image``."""
        if self.made is None or self.made[0] is not image:
            self.made = image, self.make(image)
        return self.made[1]


def sent(scheme: Scheme, image: Tensor, link: Link) -> Delivered:
    """What ``scheme`` delivers of ``image`` over ``link``, held to the rules.

    Raises:
        SemwaveError: what comes out is no picture of the same size, k is not what crossed the link, or the symbols
            have more than unit power.
    """
    delivered = scheme.send(image, link)
    if delivered.image.shape != image.shape or not delivered.image.isfinite().all():
        raise SemwaveError(f"{scheme.name} gave {tuple(delivered.image.shape)}, not a picture {tuple(image.shape)}")
    if link.k and link.k != delivered.k:
        raise SemwaveError(f"{scheme.name} says that it used {delivered.k} real symbols, but {link.k} crossed the link")
    if link.signal_power > MOST_POWER:
        raise SemwaveError(f"the symbols of {scheme.name} have mean square {link.signal_power:.2f}; scale them to 1")
    return delivered


@cache
def _faded_db(channel: Channel) -> float:
    power = channel.fading(100_000, torch.Generator().manual_seed(0)).abs().square()
    return 10 * math.log10(power.quantile(OUTAGE).item())
