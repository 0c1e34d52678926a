"""What lies between transmitter and receiver: channels, links, files of symbols, a modem for samples.

>>> from semwave import air
>>> sorted(air.CHANNELS)
['awgn', 'rayleigh']
"""

from semwave.air.channels import AWGN, CHANNELS, Channel, RayleighBlockFading
from semwave.air.iq import signal, soft, to_complex, to_reals
from semwave.air.modem import Modem
from semwave.air.ofdm.demodulation import Refusal
from semwave.air.ofdm.numerology import NUMEROLOGIES, Numerology
from semwave.air.samples import SampleChannel
from semwave.air.stream import Frame, Stream

__all__ = [
    "AWGN",
    "CHANNELS",
    "NUMEROLOGIES",
    "Channel",
    "Frame",
    "Modem",
    "Numerology",
    "RayleighBlockFading",
    "Refusal",
    "SampleChannel",
    "Stream",
    "signal",
    "soft",
    "to_complex",
    "to_reals",
]
