"""What a scheme is: a picture goes in, k symbols cross a link, a picture comes out.

    picture (1, 3, S, S), link at an SNR -> Scheme.send -> Delivered: picture (1, 3, S, S), k

The link (:class:`semwave.air.link.Link`) measures k and the power of what it carries and of the noise that it adds, so
that the k and the SNR of every scheme are measured, not believed.
"""

from typing import Protocol

from torch import Tensor

from semwave.air.link import Link
from semwave.baselines.facts import Facts
from semwave.errors import SemwaveError
from semwave.types import Delivered

MOST_POWER = 10 ** (1 / 10)
"""Mean power of the complex symbols of one picture above which a scheme is refused: 1 dB, not 0, because QAM symbols
have unit power on average only, and 128 of them may have 0.5 dB more."""


class Scheme(Protocol):
    """A way to send pictures. ``key`` names what its results depend on, such as a digest of its weights.

    It may have ``facts`` (:class:`semwave.baselines.facts.Facts`) too, by which tables, curves and claims sort it.
    """

    @property
    def name(self) -> str:
        """Its name in tables and curves."""
        ...

    @property
    def key(self) -> str:
        """Changes when its results would."""
        ...

    def send(self, image: Tensor, link: Link) -> Delivered:
        """Send ``image`` (1, 3, S, S) in [-1, 1] over ``link``, whose ``snr_db`` both sides know."""
        ...


def facts_of(scheme: Scheme) -> Facts:
    """What ``scheme`` says of itself; nothing where it says nothing."""
    return getattr(scheme, "facts", Facts())


def deliver(scheme: Scheme, image: Tensor, link: Link) -> Delivered:
    """What ``scheme`` delivers of ``image`` (1, 3, S, S) over ``link``, held to the rules.

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
