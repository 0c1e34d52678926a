"""What codes cannot say: a coarse residual, sent beside them.

    codes' symbols (B, codec's k) -> the loudest of them, unit power -> boost -----------------+
    photo, 256 px, less picture of codes -> 64 x 64 --+                                        |
                           -> emphasis, 64 x 64 ------+-> D -> DCT -> those that vary most, ---+-> X (B, k)
                                                                      with gains

    Y -> power of the codes' symbols: by how much X was scaled -> codes' symbols, noise of each
      -> every coefficient as far as it can be trusted -> D^ + picture of codes, 64 x 64 -> coarse picture
    coarse picture, picture of codes -> blend -> picture

Coefficients go on air as they are, scaled by fixed gains (linear coding, Lee and Petersen 1976), so that their error
grows gently with the noise. Codes have the same power in every image, so the power that arrives in their symbols says
how X was scaled, and nothing is sent beside it. Not in the paper, whose codes are all that is sent.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.coding.blend import Blend, Emphasis
from semwave.coding.codec import TRAINING_SNR_DB, symbol_power
from semwave.generators.memory import channels_last
from semwave.pictures.images import COARSE, INPUT, coarse
from semwave.zoo import Plan

FREQUENCIES = 40
"""Horizontal and vertical frequencies that may be sent."""
EMPHASISED = 1.4
"""Energy of the coefficients once their emphasis has learnt, as a multiple of what the plan gives them."""
MOST_ENERGY = 6.0
"""Energy that the coefficients of one image may have, as a multiple of the mean; more is scaled down."""


def deficit(photo: Tensor, drawn: Tensor, visible: Tensor | None = None) -> Tensor:
    """What a picture ``drawn`` (B, 3, w, w) lacks of ``photo`` (B, 3, 256, 256); zero where that is not ``visible`` (B,
    1, 256, 256) bool."""
    difference = photo - functional.interpolate(drawn, scale_factor=photo.shape[-1] // drawn.shape[-1])
    return difference if visible is None else torch.where(visible, difference, 0.0)


def cosines(size: int) -> Tensor:
    """The orthonormal DCT-II (size, size), a frequency a row."""
    places = torch.arange(size).double() + 0.5
    rows = torch.cos(math.pi / size * torch.arange(size)[:, None] * places) * (2 / size) ** 0.5
    rows[0] /= 2**0.5
    return rows.float()


class Residual(nn.Module):
    """Joins codes' symbols and a coarse difference as ``plan`` says, and takes what arrives apart.

    The codes' symbols come from a codec for ``codec_k`` of them.
    """

    def __init__(self, plan: Plan, codec_k: int = 256):
        super().__init__()
        self.plan, self.codec_k = plan, codec_k
        count = plan.k - plan.codes
        self.register_buffer("carried", torch.arange(plan.codes, dtype=torch.int32))
        self.register_buffer("level", torch.ones(()))
        self.register_buffer("colours", torch.eye(3))
        self.register_buffer("chosen", torch.zeros(count, dtype=torch.int32))
        self.register_buffer("gain", torch.ones(count))
        self.register_buffer("power", torch.ones(count))
        self.register_buffer("cosines", cosines(COARSE)[:FREQUENCIES], persistent=False)
        self.emphasis = channels_last(Emphasis())
        self.blend = channels_last(Blend())

    @torch.no_grad()
    def choose(self, symbols: Tensor) -> "Residual":
        """Send the loudest of codes' ``symbols`` (N, codec_k)."""
        energy = symbols.double().square().mean(0)
        self.carried.copy_(energy.argsort(descending=True)[: self.plan.codes].sort().values)
        self.level.copy_(energy[self.carried.long()].mean().sqrt())
        return self

    @torch.no_grad()
    def start(self, differences: Tensor) -> "Residual":
        """Choose coefficients and gains for ``differences`` (N, 3, 64, 64) of photographs: least squared error at 7.5
        dB."""
        flat = differences.double().transpose(0, 1).flatten(1)
        self.colours.copy_(torch.linalg.eigh(flat @ flat.T).eigenvectors.flip(1).float())
        coefficients = self._transform(differences).flatten(1)
        # Every image counts alike, lest the few that differ most decide.
        energy = coefficients.square().mean(1, keepdim=True)
        variance = (coefficients.square() / energy).mean(0) * energy.median()
        chosen = variance.argsort(descending=True)[: len(self.chosen)]
        noise = 10 ** (-TRAINING_SNR_DB / 10)
        power = symbol_power(variance[chosen].double(), self.plan.residual_energy, noise).float()
        self.chosen.copy_(chosen)
        self.power.copy_(power)
        self.gain.copy_((power / variance[chosen]).sqrt())
        return self

    @torch.no_grad()
    def settle(self, differences: Tensor) -> "Residual":
        """Set the energy of ``differences`` (N, 3, 64, 64), which the emphasis has learnt to exaggerate."""
        energy = self._coefficients(differences).square().sum(1).mean()
        share = EMPHASISED * self.plan.residual_energy / energy
        self.power.mul_(share)
        self.gain.mul_(share.sqrt())
        return self

    def select_code_symbols(self, symbols: Tensor) -> Tensor:
        """Codes' ``symbols`` (B, codec_k) as they arrive without noise: zero where none is sent, the others of the same
        power in every image."""
        loudest = symbols[:, self.carried.long()]
        loudest = loudest * (self.level / loudest.square().mean(1, keepdim=True).clamp_min(1e-12).sqrt())
        return self._placed(loudest, 0.0)

    def difference(self, photo: Tensor, drawn: Tensor, visible: Tensor | None = None) -> Tensor:
        """What is to be sent, (B, 3, 64, 64), of what the picture ``drawn`` (B, 3, 128, 128) lacks of ``photo`` (B, 3,
        256, 256). It is a function of the pixels that are ``visible`` (B, 1, 256, 256) bool, and zero where it would be
        of others."""
        lack = deficit(photo, drawn, visible)
        described = coarse(lack) + self.emphasis(lack, drawn)
        if visible is None:
            return described
        return torch.where(functional.avg_pool2d(visible.float(), INPUT // COARSE) == 1, described, 0.0)

    def join(self, symbols: Tensor, difference: Tensor) -> Tensor:
        """Symbols (B, k) of mean square one in every image, of what :meth:`select_code_symbols` gave, ``symbols`` (B,
        codec_k), and a ``difference`` (B, 3, 64, 64)."""
        codes = symbols[:, self.carried.long()] * (self.plan.boost**0.5 / self.level)
        coefficients = self._coefficients(difference)
        most = MOST_ENERGY * self.plan.residual_energy
        coefficients = coefficients * (
            (most / coefficients.square().sum(1, keepdim=True).clamp_min(1e-12)).sqrt().clamp_max(1)
        )
        joined = torch.cat([codes, coefficients], 1)
        return joined * joined.square().mean(1, keepdim=True).rsqrt()

    def split(self, symbols: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of equalised ``symbols`` (B, k) with ``noise`` power (B, k), infinite where a symbol was not received: the
        codes' symbols and their noise, (B, codec_k) each, and the difference (B, 3, 64, 64)."""
        codes, coefficients = symbols[:, : self.plan.codes], symbols[:, self.plan.codes :]
        codes_noise, coefficients_noise = noise[:, : self.plan.codes], noise[:, self.plan.codes :]
        scale = self._scale(codes, codes_noise)[:, None]
        loudness = self.plan.boost * scale / self.level.square()
        trust = self.power / (self.power + coefficients_noise / scale) / self.gain.clamp_min(1e-6)
        spectrum = symbols.new_zeros(len(symbols), 3 * FREQUENCIES**2)
        spectrum[:, self.chosen.long()] = coefficients * scale.rsqrt() * trust
        planes = spectrum.unflatten(1, (3, FREQUENCIES, FREQUENCIES))
        difference = torch.einsum("bdij,cd,ih,jw->bchw", planes, self.colours, self.cosines, self.cosines)
        return (
            self._placed(codes * loudness.rsqrt(), 0.0),
            self._placed(codes_noise / loudness, math.inf),
            difference,
        )

    def _scale(self, codes: Tensor, noise: Tensor) -> Tensor:
        """The power (B,) by which X was scaled, from that of the codes' symbols that were received, which all images
        have alike; 1 where none was."""
        received = noise.isfinite()
        energy = torch.where(received, codes.square() - noise, 0.0).sum(1)
        power = torch.where(received.any(1), energy / received.sum(1).clamp_min(1), self.plan.boost)
        plan = self.plan
        least = plan.k / (plan.code_energy + MOST_ENERGY * plan.residual_energy)
        return (power / plan.boost).clamp(least, plan.k / plan.code_energy)

    def _coefficients(self, difference: Tensor) -> Tensor:
        return self._transform(difference).flatten(1)[:, self.chosen.long()] * self.gain

    def _placed(self, codes: Tensor, elsewhere: float) -> Tensor:
        symbols = codes.new_full((len(codes), self.codec_k), elsewhere)
        symbols[:, self.carried.long()] = codes
        return symbols

    def _transform(self, difference: Tensor) -> Tensor:
        """Coefficients (B, 3, 40, 40) of (B, 3, 64, 64)."""
        return torch.einsum("bchw,cd,ih,jw->bdij", difference, self.colours, self.cosines, self.cosines)
