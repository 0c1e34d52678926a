"""Transmitter and receiver as blocks of Sionna, for links that Sionna simulates.

    images (B, 3, H, H) -> TransmitterBlock -> x (B, k/2) complex64 -> channels, OFDM, ... -> y, no
        -> ReceiverBlock(y, no) or (y, no, h) -> pictures (B, 3, size, size)

The conventions are Sionna's: symbols of mean power one, ``no`` the noise power per complex symbol, a number or a tensor
that can be broadcast to ``y``.
"""

from typing import Any

import torch
from sionna.phy.block import Block
from torch import Tensor

from semwave.air.iq import to_reals
from semwave.errors import SemwaveError
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import Header, Soft


class TransmitterBlock(Block):
    """Pictures to complex symbols.

    Args:
        transmitter: the one that sends; ``header`` is then that of its latest signal, which receivers need.
        options: those of a Sionna block, such as ``device``.

    >>> import torch
    >>> from sionna.phy.channel import AWGN
    >>> from semwave import Receiver, Transmitter
    >>> transmit = TransmitterBlock(Transmitter("faces-512", k=256))
    >>> y = AWGN()(transmit(torch.zeros(1, 3, 512, 512)), 0.1)
    >>> ReceiverBlock(Receiver("faces-512", size=256), transmit)(y, 0.1).shape
    torch.Size([1, 3, 256, 256])
    """

    def __init__(self, transmitter: Transmitter, **options: Any):
        super().__init__(**options)
        self.transmitter = transmitter
        self.header: Header | None = None

    def call(self, images: Tensor) -> Tensor:
        """Symbols (B, k/2) complex, of mean power one, of ``images`` (B, 3, H, H) in [-1, 1]."""
        signal = self.transmitter(images.float())
        self.header = signal.header
        return signal.iq.to(self.cdtype)


class ReceiverBlock(Block):
    """Received symbols to pictures.

    Args:
        receiver: the one that draws.
        source: the block that has sent, or the header of its signals: it says what the symbols are.
        options: those of a Sionna block.
    """

    def __init__(self, receiver: Receiver, source: TransmitterBlock | Header, **options: Any):
        super().__init__(**options)
        self.receiver, self.source = receiver, source

    def call(self, y: Tensor, no: Tensor | float, h: Tensor | None = None) -> Tensor:
        """Pictures (B, 3, size, size) of the symbols ``y`` (B, k/2), received in noise of power ``no``.

        ``h``, the channel's coefficients, equalises them first; without it they are equalised already.

        Raises:
            SemwaveError: nothing has been sent yet, or what a receiver raises.
        """
        header = self.source if isinstance(self.source, Header) else self.source.header
        if header is None:
            raise SemwaveError("nothing says what the symbols are: send a picture first, or give the header")
        power = torch.as_tensor(no, dtype=torch.float32)
        power = power.reshape(*power.shape, *(1,) * (y.ndim - power.ndim)).expand(y.shape)
        if h is not None:
            h = h.reshape(*h.shape, *(1,) * (y.ndim - h.ndim))
            y, power = y / h, power / h.abs().square()
        noise = power.repeat_interleave(2, 1)
        return self.receiver(Soft(to_reals(y.to(torch.complex64)), noise, header))
