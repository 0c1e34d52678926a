"""From a signal to the samples of a radio and back.

    Signal -> frames, one a picture -> complex baseband samples ~~ any channel ~~> Stream -> Frame: Soft

Nobody tells the receiver delay, carrier offset, clock, channel or noise, nor which of its model's signals comes.
"""

from collections.abc import Callable

import numpy as np
import torch

from semwave.air.iq import to_reals
from semwave.air.ofdm.demodulation import Refusal
from semwave.air.ofdm.detection import LARGEST_OFFSET
from semwave.air.ofdm.frame import modulate
from semwave.air.ofdm.header import NUMBERS, FrameHeader, Maker
from semwave.air.ofdm.numerology import Numerology
from semwave.air.stream import Frame, Stream
from semwave.errors import SemwaveError
from semwave.types import Signal, Soft, Transport

AMPLITUDE = 0.25
"""Of a symbol in the samples: |IQ| <= 1 then leaves 12 dB over it for peaks, which no frame with candidates reaches."""


class Modem:
    """Makes samples of the signals of ``model`` and finds them again.

    Args:
        model: loaded; or whatever has its name and digest, with which frames are compared.
        numerology: of the waveform, the same at both ends.
        clip_db: limit samples to so many dB over the mean power of a symbol; None for no limit but |IQ| <= 1.
        largest_offset: of the carrier that is searched for, in cycles a sample, either way.

    Raises:
        SemwaveError: a limit or an offset that makes no sense.

    >>> from semwave import Receiver, Transmitter, air
    >>> transmitter, receiver = Transmitter("faces-512", k=2560), Receiver("faces-512")
    >>> modem = air.Modem(receiver.model)
    >>> samples = modem.modulate(transmitter(torch.zeros(1, 3, 512, 512)))
    >>> (frame,) = modem.demodulate(air.SampleChannel(snr_db=10.0, delay=300, offset=0.01, seed=0)(samples))
    >>> receiver(frame.soft).shape, round(frame.snr_db)
    (torch.Size([1, 3, 512, 512]), 10)
    """

    def __init__(
        self,
        model: Maker,
        numerology: Numerology | None = None,
        clip_db: float | None = None,
        largest_offset: float = LARGEST_OFFSET,
    ):
        if clip_db is not None and not 0 <= clip_db <= 20:
            raise SemwaveError(f"clipping is 0 to 20 dB over the mean power, not {clip_db:g}")
        if not 0 <= largest_offset <= 0.25:
            raise SemwaveError(f"a carrier offset is 0 to 0.25 cycles a sample, not {largest_offset:g}")
        self.model, self.numerology = model, numerology or Numerology()
        self.limit = AMPLITUDE * 10 ** (clip_db / 20) if clip_db is not None else 1.0
        self.largest_offset = largest_offset

    def modulate(self, signal: Signal, number: int = 0) -> np.ndarray:
        """The samples (n,) complex64 of the pictures of ``signal``, a frame each, back to back; the first has the
        frame's ``number``, 0 to 4095.

        Raises:
            SemwaveError: a signal without header, of another model, or of a k or size that no frame carries.
        """
        header = signal.header
        if header is None:
            raise SemwaveError("the signal has no header, so no frame can say what it is")
        if (header.model, header.digest) != (self.model.config.name, self.model.digest):
            raise SemwaveError(f"the signal is of {header.model} ({header.digest}), not of the modem's model")
        if signal.iq.shape[1] != header.k // 2:
            raise SemwaveError(f"the signal has {signal.iq.shape[1]} complex symbols, its header says {header.k // 2}")
        frames = [
            modulate(self.numerology, symbols, FrameHeader.of(header, number + place))
            for place, symbols in enumerate(signal.iq.detach().cpu().numpy().astype(complex))
        ]
        samples = AMPLITUDE * np.concatenate(frames)
        size = np.maximum(abs(samples), 1e-30)
        return (samples * np.minimum(1, self.limit / size)).astype(np.complex64)

    def stream(self) -> Stream:
        """A receiver for samples that come piece by piece."""
        return Stream(self.model, self.numerology, self.largest_offset)

    def receive(self, samples: np.ndarray) -> list[Frame | Refusal]:
        """Frames and what was refused, in the order of ``samples`` (n,) complex."""
        stream = self.stream()
        return stream.feed(samples) + stream.finish()

    def demodulate(self, samples: np.ndarray) -> list[Frame]:
        """The frames in ``samples`` (n,) complex."""
        return [result for result in self.receive(samples) if isinstance(result, Frame)]

    def over(self, channel: Callable[[np.ndarray], np.ndarray]) -> Transport:
        """A transport: frames over ``channel``, samples to samples. A picture whose frame is lost has infinite noise.

        Raises:
            SemwaveError: as :meth:`modulate`.
        """

        def carry(signal: Signal) -> Soft:
            first = 0
            received = {frame.number: frame.soft for frame in self.demodulate(channel(self.modulate(signal, first)))}
            sent = to_reals(signal.iq)
            lost = Soft(torch.zeros_like(sent[:1]), torch.full_like(sent[:1], torch.inf), signal.header)
            softs = [received.get((first + place) % NUMBERS, lost) for place in range(len(sent))]
            softs = [soft if soft.header == signal.header else lost for soft in softs]
            symbols, noise = (torch.cat([getattr(soft, name) for soft in softs]) for name in ("symbols", "noise"))
            return Soft(symbols, noise, signal.header)

        return carry
