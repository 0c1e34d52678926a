"""The networks beside the residual: what to say of it, and how to join it with the picture of the codes.

    deficit, 256 px; picture of codes, 128 px -> Emphasis -> what else is worth saying, 64 x 64
    picture of codes, coarse picture that arrived -> Blend -> picture

They learn together, through the noise (as Deep JSCC learns a whole picture). Both last layers start at zero: an
untrained emphasis adds nothing, an untrained blend is plain addition.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.coding.codec import TRAINING_SNR_DB
from semwave.pictures.images import INPUT, coarse


class Emphasis(nn.Module):
    """What to say of a deficit beside its average: a U-Net at 64 and 32 px."""

    def __init__(self, widths: tuple[int, int] = (64, 96)):
        super().__init__()
        a, b = widths
        self.enter = _convolutions(3 * 16 + 3 * 4, a)
        self.bottom = nn.Sequential(_convolutions(a, b), _convolutions(b, b))
        self.leave = _convolutions(a + b, a)
        self.last = _zero_convolution(a, 3)

    def forward(self, deficit: Tensor, drawn: Tensor) -> Tensor:
        """(B, 3, 64, 64) of the ``deficit`` (B, 3, 256, 256) of the picture ``drawn`` (B, 3, 128, 128)."""
        pixels = torch.cat([functional.pixel_unshuffle(deficit, 4), functional.pixel_unshuffle(drawn, 2)], 1)
        x = self.enter(pixels.contiguous(memory_format=torch.channels_last))
        y = self.bottom(functional.avg_pool2d(x, 2))
        return self.last(self.leave(torch.cat([x, functional.interpolate(y, scale_factor=2)], 1))).float()


class Blend(nn.Module):
    """Joins a drawn picture of any size with the coarse picture that arrived.

    A U-Net at 128, 64 and 32 px reads the drawn picture and what the coarse one makes of it, 256 px each, and says what
    to add at 256 px, how much of the drawn picture's finer detail to keep, and what detail it lacks.
    """

    def __init__(self, widths: tuple[int, int, int] = (64, 96, 128)):
        super().__init__()
        a, b, c = widths
        self.enter = _convolutions(4 * 6 + 1, a)
        self.down = _convolutions(a + 3, b)
        self.bottom = _convolutions(b, c)
        self.middle = _convolutions(b + c, b)
        self.leave = _convolutions(a + b, a)
        self.last = _zero_convolution(a, 4 * 4)
        self.fine = _zero_convolution(a, 3 * 16)

    def forward(self, picture: Tensor, coarse_picture: Tensor, snr_db: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) of drawn ones ``picture`` (B, 3, S, S) and ``coarse_picture`` (B, 3, 64, 64), which
        arrived at ``snr_db`` (B,)."""
        small = _at(picture, INPUT)
        missing = coarse_picture - coarse(small)
        added = functional.interpolate(missing, size=(INPUT, INPUT), mode="bicubic")
        pixels = functional.pixel_unshuffle(torch.cat([small, small + added], 1), 2)
        level = ((snr_db - TRAINING_SNR_DB) / 10).clamp(-1.5, 1.5)
        level = level[:, None, None, None].expand(-1, 1, *pixels.shape[2:])
        x = self.enter(torch.cat([pixels, level.to(pixels)], 1))
        y = torch.cat([functional.avg_pool2d(x, 2), missing.to(x)], 1)
        y = self.down(y)
        z = self.bottom(functional.avg_pool2d(y, 2))
        y = self.middle(torch.cat([y, functional.interpolate(z, scale_factor=2)], 1))
        x = self.leave(torch.cat([x, functional.interpolate(y, scale_factor=2)], 1))
        change = functional.pixel_shuffle(self.last(x), 2).float()
        size = picture.shape[-1]
        if size <= INPUT:
            return picture + _at(added + change[:, :3], size)
        kept, fine = 1 + change[:, 3:], functional.pixel_shuffle(self.fine(x), 4).float()
        detail = _at(kept, size) * (picture - _at(small, size))
        return _at(small + added + change[:, :3] - _at(fine, INPUT), size) + detail + _at(fine, size)


def _convolutions(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(outside, outside, 3, padding=1),
        nn.LeakyReLU(0.2),
    )


def _zero_convolution(inside: int, outside: int) -> nn.Conv2d:
    """A convolution whose weights and bias start at zero."""
    layer = nn.Conv2d(inside, outside, 3, padding=1)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _at(images: Tensor, size: int) -> Tensor:
    width = images.shape[-1]
    if width > size:
        return functional.avg_pool2d(images, width // size)
    return images if width == size else functional.interpolate(images, size=(size, size), mode="bilinear")
