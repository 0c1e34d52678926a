"""What lies between transmitter and receiver: channels, links, files of symbols.

>>> from semwave import air
>>> sorted(air.CHANNELS)
['awgn', 'rayleigh']
"""

from semwave.air.channels import AWGN, CHANNELS, Channel, RayleighBlockFading
from semwave.air.iq import signal, soft, to_complex, to_reals

__all__ = ["AWGN", "CHANNELS", "Channel", "RayleighBlockFading", "signal", "soft", "to_complex", "to_reals"]
