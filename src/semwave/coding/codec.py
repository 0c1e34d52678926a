"""Channel codec: two fully connected layers each side, for any number of symbols up to its own.

    N (B, codes, coordinates) -> one layer a code (coordinates -> width) -> PReLU -> one layer over all codes
                              -> symbols (B, symbols) of variance 1, most important first
    symbols, noise of each -> Wiener gain -> one layer over all codes -> PReLU -> one layer a code -> N^

Which of them are sent, and with what power, is the plan's to say (:mod:`semwave.coding.plan`). One that is not sent, or
lost, has infinite noise and so no say. The start is the best linear codec for the codes' covariance, in closed form:
symbols are its principal components, weighted by what an error does to the picture. Training goes on from there.
"""

import torch
from torch import Tensor, nn

from semwave.coding.plan import Plan
from semwave.errors import SemwaveError
from semwave.latent.layout import FACES, Layout
from semwave.zoo import CodecConfig

LEAST_DEVIATION = 0.01
JOINT = 0.8
"""Share of what joins different codes that is believed of a covariance of few samples and many directions."""


class Codec(nn.Module):
    """Channel encoder and decoder for at most ``symbols`` real symbols an image; ``width`` numbers a code between the
    layers. ``deviation`` (symbols,) is the root of the squared error of a pixel that each symbol takes away."""

    def __init__(self, symbols: int, width: int, layout: Layout = FACES):
        super().__init__()
        codes, coordinates = layout.codes, layout.coordinates
        self.symbols, self.width, self.codes = symbols, width, codes
        self.register_buffer("deviation", torch.ones(symbols))
        self.encode_code = nn.Parameter(torch.randn(codes, coordinates, width) * coordinates**-0.5)
        self.encode_bias = nn.Parameter(torch.zeros(codes, width))
        self.encode_slope = nn.PReLU(init=1.0)
        self.encode_all = nn.Linear(codes * width, symbols)
        self.decode_all = nn.Linear(symbols, codes * width)
        self.decode_slope = nn.PReLU(init=1.0)
        self.decode_code = nn.Parameter(torch.randn(codes, width, coordinates) * width**-0.5)
        self.decode_bias = nn.Parameter(torch.zeros(codes, coordinates))

    @property
    def importance(self) -> Tensor:
        """The squared error of a pixel that each symbol takes away, (symbols,)."""
        return self.deviation.square()

    def plan(self, k: int) -> Plan:
        """How ``k`` real symbols are shared where codes are all that is sent."""
        return Plan(self.importance, self.symbols, k)

    def encode(self, n: Tensor) -> Tensor:
        """Symbols (B, symbols) of variance 1 over images, of Gaussian numbers ``n`` (B, codes, coordinates)."""
        hidden = torch.einsum("bci,ciw->bcw", n, self.encode_code) + self.encode_bias
        return self.encode_all(self.encode_slope(hidden).flatten(1))

    def decode(self, symbols: Tensor, noise: Tensor) -> Tensor:
        """Gaussian numbers (B, codes, coordinates) of ``symbols`` (B, symbols) with ``noise`` power of the same shape
        or (B, 1), infinite where a symbol was not received."""
        hidden = self.decode_slope(self.decode_all(symbols / (1 + noise))).unflatten(1, (self.codes, self.width))
        return torch.einsum("bcw,cwi->bci", hidden, self.decode_code) + self.decode_bias

    @torch.no_grad()
    def start_linear(self, n: Tensor, sensitivity: Tensor) -> None:
        """Set the weights to the best linear codec for samples ``n`` (samples, codes, coordinates).

        ``sensitivity`` (codes, coordinates, coordinates) is the metric of an error in each code: E[J^T J], J the
        picture's Jacobian.
        """
        # Numbers between the layers are to be of the order of one, whatever the metric's unit, for training.
        scale = sensitivity.double().diagonal(0, 1, 2).mean()
        values, vectors = torch.linalg.eigh(sensitivity.double() / scale)
        values = values.clamp_min(values.amax(1, keepdim=True) * 1e-4).clamp_min(values.max() * 1e-9)
        root = vectors * values.sqrt()[:, None] @ vectors.mT
        unroot = vectors * values.rsqrt()[:, None] @ vectors.mT
        mean = n.double().mean(0)
        weighted = torch.einsum("nci,cij->ncj", n.double() - mean, root)
        covariance = torch.einsum("nci,ncj->cij", weighted, weighted) / len(n)
        top = torch.linalg.eigh(covariance).eigenvectors[:, :, -self.width :]
        reduced = torch.einsum("nci,ciw->ncw", weighted, top).flatten(1)
        values, vectors = torch.linalg.eigh(shrunk(reduced.T @ reduced / len(n), self.codes).float())
        values, vectors = values.flip(0)[: self.symbols].double(), vectors.flip(1)[:, : self.symbols].double()
        deviation = values.clamp_min(values.max() * 1e-8).sqrt()
        self.deviation.copy_(deviation * scale.sqrt())
        self.encode_code.copy_(root @ top)
        self.encode_bias.copy_(-torch.einsum("ci,cij->cj", mean, root @ top))
        self.encode_all.weight.copy_((vectors / deviation).T)
        self.encode_all.bias.zero_()
        self.decode_all.weight.copy_(vectors * deviation)
        self.decode_all.bias.zero_()
        self.decode_code.copy_((unroot @ top).mT)
        self.decode_bias.copy_(mean)

    @torch.no_grad()
    def settle(self, n: Tensor) -> "Codec":
        """Give the symbols of ``n`` (samples, codes, coordinates) variance 1 and mean 0 again, which they may have lost
        in training; what is decoded stays as it is."""
        symbols = self.encode(n)
        deviation, mean = symbols.std(0), symbols.mean(0)
        # What a few samples do not tell of stays as it is.
        deviation = deviation.where(deviation > LEAST_DEVIATION, 1.0)
        self.encode_all.weight.div_(deviation[:, None])
        self.encode_all.bias.sub_(mean).div_(deviation)
        self.decode_all.bias.add_(self.decode_all.weight @ mean)
        self.decode_all.weight.mul_(deviation)
        return self


def shrunk(covariance: Tensor, groups: int) -> Tensor:
    """``covariance`` (G d, G d) of a few samples of ``groups`` G of d numbers, pulled towards independent groups."""
    parts = covariance.unflatten(0, (groups, -1)).unflatten(2, (groups, -1))
    within = torch.block_diag(*parts.diagonal(0, 0, 2).permute(2, 0, 1))
    return JOINT * covariance + (1 - JOINT) * within


CODECS: dict[str, type[Codec]] = {"two-layer": Codec}
"""By the kind that a model.json gives them. Another codec is a class with these methods, entered here."""


def new_codec(config: CodecConfig, layout: Layout) -> Codec:
    """The untrained codec of ``config``. Raises :class:`SemwaveError` for a kind that there is not."""
    if config.kind not in CODECS:
        raise SemwaveError(f"unknown kind of codec '{config.kind}'; the kinds are {', '.join(CODECS)}")
    return CODECS[config.kind](config.symbols, config.width, layout)
