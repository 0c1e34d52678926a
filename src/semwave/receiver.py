"""The receiver: k received numbers become a picture.

    Y -> equalise -> channel decoder -> N^ -> inverse flow -> codes L^ (28 x 512) -> generator -> picture F^
             +-----> coarse residual --------------------------------------------------- blend ---^

The right half of the paper's Fig. 1, and what goes past it. It knows the model, what arrived, and how good the
channel was; nothing of the photograph. The channel decoder and the inverse flow are the model's :meth:`decode`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from semwave import model as models
from semwave.air.channels import Received, checked_snr, equalise
from semwave.errors import SemwaveError


@dataclass(frozen=True)
class Decoded:
    """What arrived in ``k`` symbols: ``codes`` (B, 28, 512) and, where it was sent, the coarse ``difference`` (B, 3,
    64, 64) between photo and their picture, at ``snr_db`` (B,)."""

    k: int
    codes: Tensor
    difference: Tensor | None = None
    snr_db: Tensor | None = None


class Receiver:
    """Turns received symbols into pictures.

    Args:
        model: name of a shipped model, or a loaded one; the transmitter's.
        size: width and height of the pictures in pixels; the model's own without it.
        residual: what the transmitter was told: False if it sent codes alone where it could have sent more.

    Raises:
        SemwaveError: an unknown model, or a size that it does not offer.
    """

    def __init__(self, model: str | models.Model = "faces-512", size: int | None = None, residual: bool = True):
        self.model = models.load_model(model) if isinstance(model, str) else model
        size = self.model.size if size is None else size
        if size not in self.model.sizes:
            offered = ", ".join(map(str, sorted(self.model.sizes)))
            raise SemwaveError(f"size {size} is not offered by {self.model.name}; the sizes are {offered}")
        self.size = size
        self.residual = residual

    def __call__(self, symbols: Tensor, snr_db: float | Tensor, fading: Tensor | None = None) -> Tensor:
        """Pictures (B, 3, size, size) in about [-1, 1].

        Args:
            symbols: (B, k) float32 as they came from the channel.
            snr_db: Es/N0 in dB, one for all images or one each (B,).
            fading: the channel's coefficients (B,), complex; None means 1.

        Raises:
            SemwaveError: symbols of a number or shape the model has no codec for, values that are not finite
                numbers, a fading of zero, or an SNR out of range.
        """
        return self.generate(self.decode(symbols, snr_db, fading))

    @torch.no_grad()
    def decode(self, symbols: Tensor, snr_db: float | Tensor, fading: Tensor | None = None) -> Decoded:
        """Received codes and coarse picture; arguments and errors as when called."""
        self._check(symbols)
        snr_db = checked_snr(snr_db, len(symbols)).to(symbols.device)
        if fading is None:
            fading = torch.ones(len(symbols), dtype=torch.complex64, device=symbols.device)
        if fading.shape != (len(symbols),) or not (fading.isfinite() & (fading != 0)).all():
            raise SemwaveError(f"need {len(symbols)} fading coefficients, finite and not zero: one an image")
        symbols, snr_db = equalise(Received(symbols.float(), fading, snr_db))
        k = symbols.shape[1]
        if not self.residual or k not in self.model.residuals:
            return Decoded(k, self.model.decode(symbols, snr_db))
        codes, difference = self.model.decode_with_residual(symbols, snr_db)
        return Decoded(k, codes, difference, snr_db)

    @torch.no_grad()
    def generate(self, decoded: Decoded) -> Tensor:
        """Pictures (B, 3, size, size) of what was ``decoded``."""
        picture = self.model.generate(decoded.codes, self.size).image
        if decoded.difference is None:
            return picture
        return self.model.blend(decoded.codes, decoded.k, picture, decoded.difference, decoded.snr_db)

    def _check(self, symbols: Tensor) -> None:
        offered = " or ".join(map(str, self.model.codecs))
        if symbols.ndim != 2:
            raise SemwaveError(f"symbols must be (B, k), k = {offered}, not of shape {tuple(symbols.shape)}")
        if symbols.shape[1] not in self.model.codecs:
            raise SemwaveError(f"{symbols.shape[1]} symbols fit no codec of {self.model.name}; send {offered}")
        if not symbols.is_floating_point():
            raise SemwaveError(f"symbols must be real floating-point numbers, not {symbols.dtype}")
        if not symbols.isfinite().all():
            raise SemwaveError("the symbols have values that are not finite numbers (NaN or infinite)")
