"""What codes cannot say: a coarse residual, sent beside them.

    codes' symbols (B,256) -> the loudest of them, unit power -> boost ------------------------+
    photo, 256 px, less picture of codes -> 64 x 64 --+                                        |
                           -> emphasis, 64 x 64 ------+-> D -> DCT -> those that vary most, ---+-> X (B,k)
                                                                      with gains

    Y -> power of the codes' symbols: by how much X was scaled -> codes' symbols, those not sent zero
      -> every coefficient as far as it can be trusted -> D^ + picture of codes, 64 x 64 -> coarse picture
    coarse picture, picture of codes -> blend -> picture

| k    | symbols that carry codes | their power | coefficients |
| ---- | ------------------------ | ----------- | ------------ |
| 256  | 128                      | 1.6         | 128          |
| 2560 | 256                      | 4           | 2304         |

Coefficients go on air as they are, scaled by fixed gains (linear coding, Lee and Petersen 1976), so that their error
grows gently with the noise. Emphasis and blend are networks that learn together, through the noise: what to say of the
difference, and what to make of what arrives (as Deep JSCC does of a whole picture). Codes have unit power in every
image, so the power that arrives in their symbols says how X was scaled, and nothing is sent beside it. Not in the
paper, whose codes are all that is sent.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.coding.codec import DESIGN_SNR_DB, symbol_power
from semwave.inversion.parser import INPUT

CODES_K = 256
"""Real symbols that the codec makes of the codes."""
COARSE = 64
FREQUENCIES = 40
"""Horizontal and vertical frequencies that may be sent."""
EMPHASISED = 1.4
"""Energy of the coefficients once their emphasis has learnt, as a multiple of what the plan gives them."""
LOUDEST = 6.0
"""Energy that the coefficients of one image may have, as a multiple of the mean; more is scaled down."""


@dataclass(frozen=True)
class Plan:
    """How ``k`` real symbols are shared: ``codes`` of them carry codes, with ``boost`` times the mean power."""

    k: int
    codes: int
    boost: float

    @property
    def loud(self) -> float:
        """Energy of the codes' symbols; the mean is 1 a symbol."""
        return self.codes * self.boost

    @property
    def quiet(self) -> float:
        """Energy that coefficients have on average."""
        return self.k - self.loud

    @property
    def scales(self) -> tuple[float, float]:
        """Limits of the power by which X can have been scaled."""
        return self.k / (self.loud + LOUDEST * self.quiet), self.k / self.loud


PLANS = {plan.k: plan for plan in (Plan(256, 128, 1.6), Plan(2560, CODES_K, 4.0))}


def coarse(images: Tensor) -> Tensor:
    """``images`` (B, 3, S, S), S a multiple of 64, averaged to (B, 3, 64, 64)."""
    return functional.avg_pool2d(images, images.shape[-1] // COARSE)


def lacking(photo: Tensor, drawn: Tensor, seen: Tensor | None = None) -> Tensor:
    """What a picture ``drawn`` (B, 3, w, w) lacks of ``photo`` (B, 3, 256, 256); zero where that is not ``seen`` (B, 1,
    256, 256) bool."""
    difference = photo - functional.interpolate(drawn, scale_factor=photo.shape[-1] // drawn.shape[-1])
    return difference if seen is None else torch.where(seen, difference, 0.0)


def cosines(size: int) -> Tensor:
    """The orthonormal DCT-II (size, size), a frequency a row."""
    places = torch.arange(size).double() + 0.5
    rows = torch.cos(math.pi / size * torch.arange(size)[:, None] * places) * (2 / size) ** 0.5
    rows[0] /= 2**0.5
    return rows.float()


class Emphasis(nn.Module):
    """What to say of what a picture lacks, beside its average: a U-Net at 64 and 32 px, which starts with nothing."""

    def __init__(self, widths: tuple[int, int] = (64, 96)):
        super().__init__()
        a, b = widths
        self.enter = _convolutions(3 * 16 + 3 * 4, a)
        self.bottom = nn.Sequential(_convolutions(a, b), _convolutions(b, b))
        self.leave = _convolutions(a + b, a)
        self.last = _silent(a, 3)

    def forward(self, lacking: Tensor, drawn: Tensor) -> Tensor:
        """(B, 3, 64, 64) of what is ``lacking`` (B, 3, 256, 256) in the picture ``drawn`` (B, 3, 128, 128)."""
        seen = torch.cat([functional.pixel_unshuffle(lacking, 4), functional.pixel_unshuffle(drawn, 2)], 1)
        x = self.enter(seen.contiguous(memory_format=torch.channels_last))
        y = self.bottom(functional.avg_pool2d(x, 2))
        return self.last(self.leave(torch.cat([x, functional.interpolate(y, scale_factor=2)], 1))).float()


class Blend(nn.Module):
    """Joins a drawn picture of any size with the coarse picture that arrived.

    A U-Net at 128, 64 and 32 px reads the drawn picture and what the coarse one makes of it, 256 px each, and says what
    to add at 256 px, how much of the drawn picture's finer detail to keep, and what detail it lacks. It starts as plain
    addition.
    """

    def __init__(self, widths: tuple[int, int, int] = (64, 96, 128)):
        super().__init__()
        a, b, c = widths
        self.enter = _convolutions(4 * 6 + 1, a)
        self.down = _convolutions(a + 3, b)
        self.bottom = _convolutions(b, c)
        self.middle = _convolutions(b + c, b)
        self.leave = _convolutions(a + b, a)
        self.last = _silent(a, 4 * 4)
        self.fine = _silent(a, 3 * 16)

    def forward(self, picture: Tensor, coarse_picture: Tensor, snr_db: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) of drawn ones ``picture`` (B, 3, S, S) and ``coarse_picture`` (B, 3, 64, 64), which
        arrived at ``snr_db`` (B,)."""
        small = _at(picture, INPUT)
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
            return picture + _at(added + told[:, :3], picture.shape[-1])
        size, keep, fine = picture.shape[-1], 1 + told[:, 3:], functional.pixel_shuffle(self.fine(x), 4).float()
        detail = _at(keep, size) * (picture - _at(small, size))
        return _at(small + added + told[:, :3] - _at(fine, INPUT), size) + detail + _at(fine, size)


class Residual(nn.Module):
    """Joins codes' symbols and a coarse difference as ``plan`` says, and takes what arrives apart."""

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan
        count = plan.k - plan.codes
        self.register_buffer("carried", torch.arange(plan.codes, dtype=torch.int32))
        self.register_buffer("level", torch.ones(()))
        self.register_buffer("colours", torch.eye(3))
        self.register_buffer("chosen", torch.zeros(count, dtype=torch.int32))
        self.register_buffer("gain", torch.ones(count))
        self.register_buffer("power", torch.ones(count))
        self.register_buffer("cosines", cosines(COARSE)[:FREQUENCIES], persistent=False)
        self.emphasis = Emphasis().to(memory_format=torch.channels_last)
        self.blend = Blend().to(memory_format=torch.channels_last)

    @torch.no_grad()
    def choose(self, symbols: Tensor) -> "Residual":
        """Carry the loudest of codes' ``symbols`` (N, 256)."""
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
        power = symbol_power(variance[chosen].double(), self.plan.quiet, 10 ** (-DESIGN_SNR_DB / 10)).float()
        self.chosen.copy_(chosen)
        self.power.copy_(power)
        self.gain.copy_((power / variance[chosen]).sqrt())
        return self

    @torch.no_grad()
    def settle(self, differences: Tensor) -> "Residual":
        """Set the energy of ``differences`` (N, 3, 64, 64), which the emphasis has learnt to exaggerate."""
        share = EMPHASISED * self.plan.quiet / self._quiet(differences).square().sum(1).mean()
        self.power.mul_(share)
        self.gain.mul_(share.sqrt())
        return self

    def carry(self, symbols: Tensor) -> Tensor:
        """Codes' ``symbols`` (B, 256) as they arrive without noise: zero where none is sent, the others of the same
        power in every image."""
        carried = symbols[:, self.carried.long()]
        carried = carried * (self.level / carried.square().mean(1, keepdim=True).clamp_min(1e-12).sqrt())
        return self._placed(carried)

    def difference(self, photo: Tensor, drawn: Tensor, seen: Tensor | None = None) -> Tensor:
        """What is to be sent, (B, 3, 64, 64), of what the picture ``drawn`` (B, 3, 128, 128) lacks of ``photo`` (B, 3,
        256, 256). It is a function of the pixels that are ``seen`` (B, 1, 256, 256) bool, and zero where it would be of
        others."""
        missing = lacking(photo, drawn, seen)
        told = coarse(missing) + self.emphasis(missing, drawn)
        if seen is None:
            return told
        return torch.where(functional.avg_pool2d(seen.float(), INPUT // COARSE) == 1, told, 0.0)

    def join(self, symbols: Tensor, difference: Tensor) -> Tensor:
        """Symbols (B, k) of mean square one in every image, of what :meth:`carry` gave, ``symbols`` (B, 256), and a
        ``difference`` (B, 3, 64, 64)."""
        carried = symbols[:, self.carried.long()] * (self.plan.boost**0.5 / self.level)
        quiet = self._quiet(difference)
        most = LOUDEST * self.plan.quiet
        quiet = quiet * (most / quiet.square().sum(1, keepdim=True).clamp_min(1e-12)).sqrt().clamp_max(1)
        joined = torch.cat([carried, quiet], 1)
        return joined * joined.square().mean(1, keepdim=True).rsqrt()

    def split(self, symbols: Tensor, snr_db: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of equalised ``symbols`` (B, k) received at ``snr_db`` (B,): the codes' (B, 256), zero where none was sent,
        the SNR (B,) in dB that they have, and the difference (B, 3, 64, 64)."""
        noise = 10 ** (-snr_db / 10)
        carried, quiet = symbols[:, : self.plan.codes], symbols[:, self.plan.codes :]
        scaled = ((carried.square().mean(1) - noise) / self.plan.boost).clamp(*self.plan.scales)
        loudness = self.plan.boost * scaled / self.level.square()
        codes = self._placed(carried * loudness.rsqrt()[:, None])
        noise = (noise / scaled)[:, None]
        trusted = self.power / (self.power + noise) / self.gain.clamp_min(1e-6)
        coefficients = symbols.new_zeros(len(symbols), 3 * FREQUENCIES**2)
        coefficients[:, self.chosen.long()] = quiet * scaled.rsqrt()[:, None] * trusted
        planes = coefficients.unflatten(1, (3, FREQUENCIES, FREQUENCIES))
        difference = torch.einsum("bdij,cd,ih,jw->bchw", planes, self.colours, self.cosines, self.cosines)
        return codes, snr_db + 10 * loudness.log10(), difference

    def _quiet(self, difference: Tensor) -> Tensor:
        return self._transform(difference).flatten(1)[:, self.chosen.long()] * self.gain

    def _placed(self, carried: Tensor) -> Tensor:
        symbols = carried.new_zeros(len(carried), CODES_K)
        symbols[:, self.carried.long()] = carried
        return symbols

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


def _silent(inside: int, outside: int) -> nn.Conv2d:
    """A layer that says nothing before it has learnt."""
    layer = nn.Conv2d(inside, outside, 3, padding=1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _at(images: Tensor, size: int) -> Tensor:
    width = images.shape[-1]
    if width > size:
        return functional.avg_pool2d(images, width // size)
    return images if width == size else functional.interpolate(images, size=(size, size), mode="bilinear")
