"""What codes cannot say: a coarse residual, sent beside them where there is room.

    photo -> 64 x 64 -+                                      codes' symbols, 256, four times the power -+
    picture of codes -> 64 x 64 -> difference D -> DCT -> the 2304 coefficients that vary most --------+-> X (B,2560)

    Y -> power of the codes' symbols: by how much X was scaled -> codes' symbols
      -> every coefficient as far as it can be trusted -> D^ + picture of codes, 64 x 64 -> coarse picture
    coarse picture, picture of codes -> blend -> picture

Coefficients go on air as they are, scaled by fixed gains (linear coding, Lee and Petersen 1976), so that their error
grows gently with the noise. Codes have unit power in every image, so the power that arrives in their symbols says how
X was scaled, and nothing is sent beside it. Not in the paper, whose codes are all that is sent.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.codec import DESIGN_SNR_DB, symbol_power
from semwave.parser import INPUT

RESIDUAL_K, CODES_K = 2560, 256
"""Real symbols in all, and those of them that carry codes."""
BOOST = 4.0
"""Power of a symbol that carries codes, as a multiple of the mean."""
COARSE = 64
FREQUENCIES = 40
"""Horizontal and vertical frequencies that may be sent."""
LOUDEST = 6.0
"""Energy that the coefficients of one image may have, as a multiple of the mean; more is scaled down."""
LEAST, MOST = (
    RESIDUAL_K / (CODES_K * BOOST + LOUDEST * (RESIDUAL_K - CODES_K * BOOST)),
    1 / BOOST * RESIDUAL_K / CODES_K,
)
"""Limits of the power by which X can have been scaled."""


def coarse(images: Tensor) -> Tensor:
    """``images`` (B, 3, S, S), S a multiple of 64, averaged to (B, 3, 64, 64)."""
    return functional.avg_pool2d(images, images.shape[-1] // COARSE)


def shown(images: Tensor) -> Tensor:
    """The coarse picture (B, 3, 64, 64) of photographs ``images`` (B, 3, H, H)."""
    return coarse(functional.interpolate(images, size=(INPUT, INPUT), mode="bilinear", antialias=True))


def wholly(visible: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """The coarse picture (B, 3, 64, 64) of ``visible`` (B, 3, 256, 256), and where it averages pixels that are all
    ``seen`` (B, 1, 256, 256), as (B, 1, 64, 64) bool."""
    return coarse(visible), functional.avg_pool2d(seen.float(), INPUT // COARSE) == 1


def cosines(size: int) -> Tensor:
    """The orthonormal DCT-II (size, size), a frequency a row."""
    places = torch.arange(size).double() + 0.5
    rows = torch.cos(math.pi / size * torch.arange(size)[:, None] * places) * (2 / size) ** 0.5
    rows[0] /= 2**0.5
    return rows.float()


class Blend(nn.Module):
    """Joins a drawn picture of any size with the coarse picture that arrived.

    A U-Net at 128, 64 and 32 px reads the drawn picture and what the coarse one makes of it, 256 px each, and says what
    to add at 256 px and how much of the drawn picture's finer detail to keep. It starts as plain addition.
    """

    def __init__(self, widths: tuple[int, int, int] = (64, 96, 128)):
        super().__init__()
        a, b, c = widths
        self.enter = _convolutions(4 * 6 + 1, a)
        self.down = _convolutions(a + 3, b)
        self.bottom = _convolutions(b, c)
        self.middle = _convolutions(b + c, b)
        self.leave = _convolutions(a + b, a)
        self.last = nn.Conv2d(a, 4 * 4, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, picture: Tensor, coarse_picture: Tensor, snr_db: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) of drawn ones ``picture`` (B, 3, S, S) and ``coarse_picture`` (B, 3, 64, 64), which
        arrived at ``snr_db`` (B,)."""
        small = _resized(picture, INPUT)
        missing = coarse_picture - coarse(small)
        added = functional.interpolate(missing, size=(INPUT, INPUT), mode="bicubic")
        seen = functional.pixel_unshuffle(torch.cat([small, small + added], 1), 2)
        level = ((snr_db - DESIGN_SNR_DB) / 10).clamp(-1.5, 1.5)[:, None, None, None].expand(-1, 1, *seen.shape[2:])
        x = self.enter(torch.cat([seen, level.to(seen)], 1))
        y = torch.cat([functional.avg_pool2d(x, 2), missing.to(x)], 1)
        y = self.down(y)
        z = self.bottom(functional.avg_pool2d(y, 2))
        y = self.middle(torch.cat([y, functional.interpolate(z, scale_factor=2)], 1))
        x = self.leave(torch.cat([x, functional.interpolate(y, scale_factor=2)], 1))
        told = functional.pixel_shuffle(self.last(x), 2).float()
        if picture.shape[-1] <= INPUT:
            return picture + _resized(added + told[:, :3], picture.shape[-1])
        keep, detail = 1 + told[:, 3:], picture - _resized(small, picture.shape[-1])
        return _resized(small + added + told[:, :3], picture.shape[-1]) + _resized(keep, picture.shape[-1]) * detail


class Residual(nn.Module):
    """Joins codes' symbols and a coarse difference, and takes what arrives apart."""

    def __init__(self):
        super().__init__()
        count = RESIDUAL_K - CODES_K
        self.register_buffer("colours", torch.eye(3))
        self.register_buffer("chosen", torch.zeros(count, dtype=torch.int32))
        self.register_buffer("gain", torch.ones(count))
        self.register_buffer("power", torch.ones(count))
        self.register_buffer("cosines", cosines(COARSE)[:FREQUENCIES], persistent=False)
        self.blend = Blend().to(memory_format=torch.channels_last)

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
        budget = RESIDUAL_K - BOOST * CODES_K
        power = symbol_power(variance[chosen].double(), budget, 10 ** (-DESIGN_SNR_DB / 10)).float()
        self.chosen.copy_(chosen)
        self.power.copy_(power)
        self.gain.copy_((power / variance[chosen]).sqrt())
        return self

    def join(self, symbols: Tensor, difference: Tensor) -> Tensor:
        """Symbols (B, 2560) of mean square one in every image, of codes' ``symbols`` (B, 256), of mean square one too,
        and a ``difference`` (B, 3, 64, 64)."""
        loud = self._transform(difference).flatten(1)[:, self.chosen.long()] * self.gain
        most = LOUDEST * (RESIDUAL_K - BOOST * CODES_K)
        loud = loud * (most / loud.square().sum(1, keepdim=True).clamp_min(1e-12)).sqrt().clamp_max(1)
        joined = torch.cat([BOOST**0.5 * symbols, loud], 1)
        return joined * joined.square().mean(1, keepdim=True).rsqrt()

    def split(self, symbols: Tensor, snr_db: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of equalised ``symbols`` (B, 2560) received at ``snr_db`` (B,): the codes' (B, 256), the SNR (B,) in dB that
        they have, and the difference (B, 3, 64, 64)."""
        noise = 10 ** (-snr_db / 10)
        codes, loud = symbols[:, :CODES_K], symbols[:, CODES_K:]
        scaled = ((codes.square().mean(1) - noise) / BOOST).clamp(LEAST, MOST)
        codes = codes * (BOOST * scaled).rsqrt()[:, None]
        noise = (noise / scaled)[:, None]
        trusted = self.power / (self.power + noise) / self.gain.clamp_min(1e-6)
        coefficients = symbols.new_zeros(len(symbols), 3 * FREQUENCIES**2)
        coefficients[:, self.chosen.long()] = loud * scaled.rsqrt()[:, None] * trusted
        planes = coefficients.unflatten(1, (3, FREQUENCIES, FREQUENCIES))
        difference = torch.einsum("bdij,cd,ih,jw->bchw", planes, self.colours, self.cosines, self.cosines)
        return codes, snr_db + 10 * (BOOST * scaled).log10(), difference

    def _transform(self, difference: Tensor) -> Tensor:
        """Coefficients (B, 3, 40, 40) of (B, 3, 64, 64)."""
        return torch.einsum("bchw,cd,ih,jw->bdij", difference, self.colours, self.cosines, self.cosines)


def _convolutions(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(outside, outside, 3, padding=1),
        nn.LeakyReLU(0.2),
    )


def _resized(images: Tensor, size: int) -> Tensor:
    width = images.shape[-1]
    if width > size:
        return functional.avg_pool2d(images, width // size)
    return images if width == size else functional.interpolate(images, size=(size, size), mode="bilinear")
