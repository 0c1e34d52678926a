"""The networks beside the residual: what else to say of it, and how to join it with the picture of the codes.

    deficit, 256 px; picture of the codes, 128 px; k -> Emphasis -> what else is worth saying, 512 px
    picture of the codes, description that arrived; symbols received, SNR -> Blend -> picture

They learn together, for all k and through the noise (as Deep JSCC learns a whole picture). Last layers start at zero:
an untrained emphasis adds nothing, an untrained blend is little more than addition.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.coding.plan import TRAINING_SNR_DB
from semwave.pictures.images import COARSE, INPUT
from semwave.pictures.mesh import without_mesh
from semwave.zoo import LOWEST_K

LEAST_K, MOST_K = LOWEST_K, 32768
FULL = 2 * INPUT
"""Width and height in pixels of the description, and at which the difference is taken."""


def knowledge(k: Tensor, snr_db: Tensor) -> Tensor:
    """What networks are told, (B, 2), of numbers of symbols ``k`` (B,) and SNRs (B,): the logarithm of k from -1 at 64
    to 1 at 32768, and tens of dB above 7.5 dB, between -1.5 and 1.5."""
    octaves = math.log2(MOST_K / LEAST_K)
    size = 2 * (k.clamp(LEAST_K, MOST_K) / LEAST_K).log2() / octaves - 1
    return torch.stack([size, ((snr_db - TRAINING_SNR_DB) / 10).clamp(-1.5, 1.5)], -1).float()


class Emphasis(nn.Module):
    """What to say of a deficit beside what it is: a U-Net at 64 and 32 px that adds at 64 and at 256 px."""

    def __init__(self, widths: tuple[int, int] = (64, 96)):
        super().__init__()
        a, b = widths
        self.enter = _convolutions(3 * 16 + 3 * 4, a)
        self.bottom = nn.Sequential(_convolutions(a, b), _convolutions(b, b))
        self.leave = _convolutions(a + b, a)
        self.last = _zero(nn.Conv2d(a, 3, 3, padding=1))
        self.know = _zero(nn.Linear(2, a))
        self.fine = _zero(nn.Conv2d(a, 48, 3, padding=1))

    def forward(self, deficit: Tensor, sketch: Tensor, k: Tensor) -> Tensor:
        """(B, 3, 512, 512) of the ``deficit`` (B, 3, 256, 256) of the picture ``sketch`` (B, 3, 128, 128), to be sent
        in ``k`` (B,) symbols."""
        pixels = torch.cat([functional.pixel_unshuffle(deficit, 4), functional.pixel_unshuffle(sketch, 2)], 1)
        known = knowledge(k, torch.full_like(k, TRAINING_SNR_DB))
        x = self.enter(pixels.contiguous(memory_format=torch.channels_last)) + self.know(known)[:, :, None, None]
        y = self.bottom(functional.avg_pool2d(x, 2))
        z = self.leave(torch.cat([x, functional.interpolate(y, scale_factor=2)], 1))
        coarse = functional.interpolate(self.last(z).float(), scale_factor=FULL // COARSE)
        # The more symbols, the more of the deficit is sent as it is; with the most, all that is worth sending.
        share = (1 - known[:, 0]).clamp(0, 1)[:, None, None, None]
        return share * (coarse + _up(functional.pixel_shuffle(self.fine(z), 4).float()))


class Blend(nn.Module):
    """Joins a drawn picture of any size with the description that arrived, which is 512 px wide.

    A U-Net at 128, 64 and 32 px reads both and says, at 256 px, what to add to the drawn picture and the description's
    average, how far to believe the description's finer detail at 256 and at 512 px, how much of the drawn picture's
    detail to keep, and what detail both lack.
    """

    def __init__(self, widths: tuple[int, int, int] = (64, 96, 128)):
        super().__init__()
        a, b, c = widths
        self.enter = _convolutions(4 * 6 + 1, a)
        self.more = _zero(nn.Conv2d(12 + 48, a, 3, padding=1))
        self.know = _zero(nn.Linear(2, a))
        self.down = _convolutions(a + 3, b)
        self.bottom = nn.Sequential(*_convolutions(b, c), *(_Added(c) for _ in range(5)))
        self.middle = nn.Sequential(*_convolutions(b + c, b), *(_Added(b) for _ in range(5)))
        self.leave = nn.Sequential(*_convolutions(a + b, a), *(_Added(a) for _ in range(3)))
        self.last = _zero(nn.Conv2d(a, 4 * 4, 3, padding=1))
        self.fine = _zero(nn.Conv2d(a, 3 * 16, 3, padding=1))
        self.gates = _zero(nn.Conv2d(a, 4 + 16, 3, padding=1))

    def forward(self, picture: Tensor, description: Tensor, received: Tensor, snr_db: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) of drawn ones ``picture`` (B, 3, S, S) and a ``description`` (B, 3, 512, 512), of which
        so many symbols were ``received`` (B,) at ``snr_db`` (B,)."""
        size, known = picture.shape[-1], knowledge(received, snr_db)
        small, half = _at(picture, INPUT), _at(description, INPUT)
        missing = _at(half, COARSE) - _at(small, COARSE)
        added = functional.interpolate(missing, size=(INPUT, INPUT), mode="bicubic")
        beyond = half - (small + added)
        sharp = description - _up(half)
        x = self._features(small, small + added, missing, beyond, sharp, known)
        change = without_mesh(functional.pixel_shuffle(self.last(x), 2).float())
        gates = self.gates(x).float()
        belief = ((known[:, 0] + 1) / 2).clamp(0, 1).square()[:, None, None, None]
        base = small + added + change[:, :3] + (belief + functional.pixel_shuffle(gates[:, :4], 2)) * beyond
        if size <= INPUT:
            return picture + _at(base - small, size)
        fine, full = without_mesh(functional.pixel_shuffle(self.fine(x), 4).float()), _at(picture, FULL)
        trusted = belief + functional.pixel_shuffle(gates[:, 4:], 4)
        drawn = _up(1 + change[:, 3:]) * (full - _up(small)) * (1 - trusted.clamp(0, 1))
        joined = _up(base - _at(fine, INPUT)) + drawn + fine + trusted * sharp
        return joined if size == FULL else picture + _at(joined - full, size)

    def _features(
        self, small: Tensor, sum_of_both: Tensor, missing: Tensor, beyond: Tensor, sharp: Tensor, known: Tensor
    ) -> Tensor:
        """Features (B, a, 128, 128) of all that is known."""
        pixels = functional.pixel_unshuffle(torch.cat([small, sum_of_both], 1), 2)
        level = known[:, 1, None, None, None].expand(-1, 1, *pixels.shape[2:])
        detail = torch.cat([functional.pixel_unshuffle(beyond, 2), functional.pixel_unshuffle(sharp, 4)], 1)
        x = self.enter[0](torch.cat([pixels, level.to(pixels)], 1))
        x = self.enter[1:](x + self.more(detail) + self.know(known)[:, :, None, None])
        y = self.down(torch.cat([functional.avg_pool2d(x, 2), missing.to(x)], 1))
        z = self.bottom(functional.avg_pool2d(y, 2))
        y = self.middle(torch.cat([y, functional.interpolate(z, scale_factor=2)], 1))
        return self.leave(torch.cat([x, functional.interpolate(y, scale_factor=2)], 1))


class _Added(nn.Module):
    """Two convolutions whose result is added to what they read; nothing until they have learnt."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            _zero(nn.Conv2d(width, width, 3, padding=1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _convolutions(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(outside, outside, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
    )


def _zero(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """``layer``, its weights and bias at zero."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _up(images: Tensor) -> Tensor:
    return functional.interpolate(images, scale_factor=2, mode="bilinear")


def _at(images: Tensor, size: int) -> Tensor:
    width = images.shape[-1]
    if width > size:
        return functional.avg_pool2d(images, width // size)
    return images if width == size else functional.interpolate(images, size=(size, size), mode="bilinear")
