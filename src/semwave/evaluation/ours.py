"""semwave itself as a scheme: :class:`semwave.Transmitter` and :class:`semwave.Receiver`, as a user has them."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from semwave import model as models
from semwave.coding.codec import Codec
from semwave.evaluation.scheme import Delivered, Link, PerPicture
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter


class WithCodec:
    """``model`` with one ``codec`` in place of its own ones, and with its flow or without it."""

    def __init__(self, model: models.Model, codec: Codec, flow: bool):
        self.name, self.size, self.sizes = model.name, model.size, model.sizes
        self.generate = model.generate
        self.space, self.flow = model.space, model.flow if flow else None
        self.codecs, self.residuals = {codec.k: codec}, {}

    def encode(self, codes: Tensor, k: int) -> Tensor:
        """Symbols (B, k) of ``codes`` (B, 28, 512)."""
        coordinates = self.space.coordinates(codes)
        return self.codecs[k].encode(self.flow(coordinates) if self.flow else coordinates)

    def decode(self, symbols: Tensor, snr_db: Tensor | float) -> Tensor:
        """Codes (B, 28, 512) of equalised ``symbols`` (B, k) received at ``snr_db``, a number or (B,)."""
        snr_db = torch.as_tensor(snr_db, dtype=torch.float32).expand(len(symbols))
        n = self.codecs[symbols.shape[1]].decode(symbols, snr_db)
        return self.space.codes(self.flow.inverse(n) if self.flow else n)


class Ours:
    """``model`` with ``k`` real symbols a picture, which is enlarged where the model draws smaller ones.

    ``codes`` inverts pictures; schemes that share it invert every picture once, for all k and SNRs.
    """

    def __init__(
        self,
        name: str,
        key: str,
        model: "models.Model | WithCodec",
        k: int,
        codes: PerPicture[Tensor],
        residual: bool = True,
    ):
        self.name, self.key, self.codes = name, key, codes
        self.transmitter = Transmitter(model, k, residual=residual)
        self.receiver = Receiver(model, model.size, residual)

    def send(self, image: Tensor, link: Link) -> Delivered:
        """Send ``image`` (1, 3, S, S), S at least the model's size."""
        symbols = self.transmitter.encode(self.codes(image), image)
        received = link(symbols)
        picture = self.receiver(received.symbols, received.snr_db, received.fading)
        if picture.shape != image.shape:
            picture = functional.interpolate(picture, size=image.shape[-2:], mode="bicubic")
        return Delivered(picture.clamp(-1, 1), symbols.shape[1])


def shipped(model: str, k: int, residual: bool = True) -> Ours:
    """The shipped ``model`` with its own codec for ``k``; without ``residual`` codes are all that is sent."""
    loaded, name = models.load_model(model), f"{model}{'' if residual else '-codes'}-k{k}"
    return Ours(name, models.weights_digest(model, (k,) if residual else ()), loaded, k, inversion(loaded), residual)


@cache
def inversion(model: models.Model) -> PerPicture[Tensor]:
    """Codes (1, 28, 512) of a picture by ``model``; one for all schemes that use it."""
    return PerPicture(Transmitter(model, max(model.codecs)).invert)
