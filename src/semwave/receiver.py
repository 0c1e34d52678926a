"""The receiver: k received numbers become a picture. The right half of the paper's Fig. 1, and what goes past it.

    Y, equalised -> channel decoder -> N^ -> inverse flow -> codes L^ -> generator -> picture F^
              +---> what codes lack --------------------------------------- blend ---^

It knows the model and what arrived; nothing of the photograph. Channel decoder and inverse flow are the model's
:meth:`decode`, generator and blend its :meth:`draw`. Networks are loaded with the first model, not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from semwave.errors import SemwaveError
from semwave.pretrained import Pretrained, loaded
from semwave.types import Drawing, Header, Message, Model, Soft
from semwave.zoo import DEFAULT

if TYPE_CHECKING:
    from torch import Tensor


class Receiver(Pretrained):
    """Turns received symbols into pictures.

    Args:
        model: name of a shipped model, or a loaded one; the transmitter's.
        size: width and height of the pictures in pixels; the model's own without it.

    Raises:
        SemwaveError: an unknown model, or a size that it does not offer.

    >>> import torch
    >>> from semwave import Transmitter, air
    >>> signal = Transmitter("faces-512", k=256)(torch.zeros(1, 3, 512, 512))
    >>> soft = air.AWGN(snr_db=10.0, random=0)(signal)
    >>> Receiver("faces-512", size=256)(soft).shape
    torch.Size([1, 3, 256, 256])
    """

    def __init__(self, model: str | Model = DEFAULT, size: int | None = None):
        self.model: Model = loaded(model)
        self.size = self.model.config.checked_size(size)

    def __call__(self, soft: Soft | Sequence[Soft]) -> Tensor:
        """Pictures (B, 3, size, size) in about [-1, 1] of what arrived, drawn together where that is several signals,
        each in as many symbols as its header says; errors are those of :meth:`decode`."""
        messages = [self.decode(each) for each in ([soft] if isinstance(soft, Soft) else soft)]
        if not messages:
            raise SemwaveError("nothing was received: give at least one signal")
        return self.draw(_together(messages)).image

    def decode(self, soft: Soft) -> Message:
        """What arrived, read.

        Raises:
            SemwaveError: no header, or that of a signal which this model did not make or cannot read; symbols or noise
                of another shape than it says, that are not real numbers, or not finite where they were received.
        """
        self.check_header(soft.header)
        return self.model.decode(_checked(soft))

    def draw(self, message: Message) -> Drawing:
        """The pictures (B, 3, size, size) of ``message``."""
        return self.model.draw(message, self.size)

    def check_header(self, header: Header | None) -> None:
        """Refuse a signal that this receiver cannot read. Raises :class:`SemwaveError`, saying why."""
        config = self.model.config
        if header is None:
            raise SemwaveError("the symbols have no header, so nothing says what they are")
        if header.model != config.name:
            raise SemwaveError(
                f"the symbols are of model {header.model}, not of {config.name}; receive them with {header.model}"
            )
        if header.digest != self.model.digest:
            raise SemwaveError(
                f"the symbols were made with other weights of {config.name} ({header.digest}) than are here "
                f"({self.model.digest}); install the same version at both ends"
            )
        config.checked_layers(header.k, header.layers)


def _together(messages: Sequence[Message]) -> Message:
    """One message of all the pictures of ``messages``, with the header of the first; they carry the same layers.

    Raises:
        SemwaveError: messages that carry different layers.
    """
    import torch

    first = messages[0]
    if len(messages) == 1:
        return first
    residuals = [message.residual for message in messages if message.residual is not None]
    if residuals and len(residuals) < len(messages):
        raise SemwaveError("signals with and without a residual cannot be drawn together")
    codes, snr_db, received = (
        torch.cat([getattr(message, name) for message in messages]) for name in ("codes", "snr_db", "received")
    )
    return Message(codes, first.header, snr_db, received, torch.cat(residuals) if residuals else None)


def _checked(soft: Soft) -> Soft:
    symbols, noise, header = soft.symbols, soft.noise, soft.header
    assert header is not None
    if symbols.ndim != 2 or symbols.shape[1] != header.k:
        raise SemwaveError(f"symbols must be (B, {header.k}) as their header says, not {tuple(symbols.shape)}")
    if not symbols.is_floating_point() or not noise.is_floating_point():
        raise SemwaveError(f"symbols and noise must be real floating-point numbers, not {symbols.dtype}, {noise.dtype}")
    if noise.shape != symbols.shape:
        raise SemwaveError(f"need the noise power of every symbol, {tuple(symbols.shape)}, not {tuple(noise.shape)}")
    if not (noise > 0).all():
        raise SemwaveError("noise powers must be above zero, or infinite for a symbol that was not received")
    symbols = symbols.float().where(noise.isfinite(), 0.0)
    if not symbols.isfinite().all():
        raise SemwaveError("the symbols have values that are not finite numbers (NaN or infinite)")
    return replace(soft, symbols=symbols, noise=noise.float())
