"""A channel of one's own: a line of sight beside Rayleigh fading.

semwave send PHOTO --channel channel:Rician
"""

from semwave import air

K = 10.0
"""Power of the line of sight over that of what is scattered."""


class Rician(air.Channel):
    """Block fading with a line of sight."""

    @staticmethod
    def fading(count, random):
        """Coefficients (count,) complex64 of mean power one."""
        scattered = air.RayleighBlockFading.fading(count, random)
        return (K**0.5 + scattered) / (K + 1) ** 0.5
