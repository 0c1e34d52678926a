"""Channel codec: two fully connected layers each side, k real symbols of unit average power.

    N (B, codes, coordinates) -> one layer a code (coordinates -> width) -> PReLU -> one layer over all codes
                              -> unit power -> X (B, k)
    Y (B, k) -> Wiener gain of every symbol at its noise -> one layer over all codes -> PReLU -> one a code -> N^

The first layer does not mix codes, and a codec may leave all but its first ``used`` symbols empty: at the SNRs it is
made for, power is worth more in those (reverse water-filling). That keeps the shipped one for k = 2560 at 6 million
weights. The start is the best linear codec for the codes' covariance, in closed form (Lee and Petersen 1976); training
goes on from there.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.air.iq import unit_power
from semwave.errors import SemwaveError
from semwave.latent.layout import FACES, Layout
from semwave.zoo import CodecConfig

TRAINING_SNR_DB = 7.5
"""Es/N0 in dB, the middle of the training range, for which closed forms are computed: linear start, powers, gains."""


class Codec(nn.Module):
    """Channel encoder and decoder for ``k`` real symbols an image; ``width`` numbers a code between the layers.

    The symbols after the first ``used`` ones are zero; without a number all are used.
    """

    def __init__(self, k: int, width: int, used: int | None = None, layout: Layout = FACES):
        super().__init__()
        codes, coordinates = layout.codes, layout.coordinates
        self.k, self.width, self.used, self.codes = k, width, used or k, codes
        self.encode_code = nn.Parameter(torch.randn(codes, coordinates, width) * coordinates**-0.5)
        self.encode_bias = nn.Parameter(torch.zeros(codes, width))
        self.encode_slope = nn.PReLU(init=1.0)
        self.encode_all = nn.Linear(codes * width, self.used)
        self.log_power = nn.Parameter(torch.zeros(self.used))
        self.decode_all = nn.Linear(self.used, codes * width)
        self.decode_slope = nn.PReLU(init=1.0)
        self.decode_code = nn.Parameter(torch.randn(codes, width, coordinates) * width**-0.5)
        self.decode_bias = nn.Parameter(torch.zeros(codes, coordinates))

    def encode(self, n: Tensor) -> Tensor:
        """Symbols (B, k) with mean square 1 in every image, of Gaussian numbers ``n`` (B, codes, coordinates)."""
        hidden = torch.einsum("bci,ciw->bcw", n, self.encode_code) + self.encode_bias
        return unit_power(
            functional.pad(self.encode_all(self.encode_slope(hidden).flatten(1)), (0, self.k - self.used))
        )

    def decode(self, symbols: Tensor, noise: Tensor) -> Tensor:
        """Gaussian numbers (B, codes, coordinates) of equalised ``symbols`` (B, k) with ``noise`` power (B, k) or (B,
        1), infinite where a symbol was not received."""
        power = self.log_power.exp()
        symbols = symbols[:, : self.used] * (power / (power + noise[:, : self.used]))
        hidden = self.decode_slope(self.decode_all(symbols)).unflatten(1, (self.codes, self.width))
        return torch.einsum("bcw,cwi->bci", hidden, self.decode_code) + self.decode_bias

    @torch.no_grad()
    def start_linear(self, n: Tensor, sensitivity: Tensor) -> None:
        """Set the weights to the best linear codec at 7.5 dB for samples ``n`` (samples, codes, coordinates).

        ``sensitivity`` (codes, coordinates, coordinates) is the metric of an error in each code: E[J^T J], J the
        picture's Jacobian.
        """
        values, vectors = torch.linalg.eigh(sensitivity.double())
        values = values.clamp_min(values.amax(1, keepdim=True) * 1e-4).clamp_min(values.max() * 1e-9)
        root = vectors * values.sqrt()[:, None] @ vectors.mT
        unroot = vectors * values.rsqrt()[:, None] @ vectors.mT
        mean = n.double().mean(0)
        weighted = torch.einsum("nci,cij->ncj", n.double() - mean, root)
        covariance = torch.einsum("nci,ncj->cij", weighted, weighted) / len(n)
        top = torch.linalg.eigh(covariance).eigenvectors[:, :, -self.width :]
        reduced = torch.einsum("nci,ciw->ncw", weighted, top).flatten(1)
        joint = reduced.T @ reduced / len(n)
        # Few samples and many directions: pull what joins different codes towards independence.
        within = torch.block_diag(
            *joint.unflatten(0, (self.codes, -1)).unflatten(2, (self.codes, -1)).diagonal(0, 0, 2).permute(2, 0, 1)
        )
        joint = 0.8 * joint + 0.2 * within
        values, vectors = torch.linalg.eigh(joint.float())
        values, vectors = values[-self.used :].double().clamp_min(1e-12), vectors[:, -self.used :].double()
        power = symbol_power(values, self.k, 10 ** (-TRAINING_SNR_DB / 10))
        gain = (power / values).sqrt()
        self.encode_code.copy_(root @ top)
        self.encode_bias.copy_(-torch.einsum("ci,cij->cj", mean, root @ top))
        self.encode_all.weight.copy_((vectors * gain).T)
        self.encode_all.bias.zero_()
        self.log_power.copy_(power.clamp_min(1e-4).log())
        self.decode_all.weight.copy_(vectors / gain.clamp_min(1e-6) * (power > 1e-4))
        self.decode_all.bias.zero_()
        self.decode_code.copy_((unroot @ top).mT)
        self.decode_bias.copy_(mean)


CODECS: dict[str, type[Codec]] = {"two-layer": Codec}
"""By the kind that a model.json gives them. Another codec is a class with these methods, entered here."""


def new_codec(config: CodecConfig, layout: Layout) -> Codec:
    """The untrained codec of ``config``. Raises :class:`SemwaveError` for a kind that there is not."""
    if config.kind not in CODECS:
        raise SemwaveError(f"unknown kind of codec '{config.kind}'; the kinds are {', '.join(CODECS)}")
    return CODECS[config.kind](config.k, config.width, config.used, layout)


def symbol_power(variance: Tensor, total: float, noise: float) -> Tensor:
    """Powers that add up to ``total`` with which symbols of ``variance`` (K,), sent as they are over ``noise``, lose
    least in mean square: max(0, noise (sqrt(variance / (level noise)) - 1))."""
    low, high = torch.zeros(()).double(), variance.max() / noise
    for _ in range(200):
        level = (low + high) / 2
        power = (noise * ((variance / (level.clamp_min(1e-30) * noise)).sqrt() - 1)).clamp_min(0)
        low, high = (level, high) if power.sum() > total else (low, level)
    return power * total / power.sum()
