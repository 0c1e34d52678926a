"""What codes cannot say: the residual, sent beside them.

    photo, 512 px, less the picture of the codes, 128 px, enlarged -----+-> difference D -> DCT of all of it
                                  -> emphasis, what else to say of it --+     -> coefficients, of variance 1 each
    coefficients that arrived -> D^ + the picture of the codes, enlarged -> description -> blend -> picture

Coefficients are in one order, by how much they vary, for every k; they go on air as they are, each scaled by the plan
(:mod:`semwave.coding.plan`), so that their error grows gently with the noise. Not in the paper, whose codes are all
that is sent.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.coding.blend import FULL, Blend, Emphasis
from semwave.generators.memory import channels_last
from semwave.pictures.images import SKETCH
from semwave.zoo import ResidualConfig

LUMA_FREQUENCIES, CHROMA_FREQUENCIES = 320, 160
"""Horizontal and vertical frequencies that may be sent of brightness and of colours."""
COLOURS = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Y, Cb, Cr (ITU-T T.871); their directions are made orthonormal, in this order."""


def cosines(size: int, count: int) -> Tensor:
    """The first ``count`` rows of the orthonormal DCT-II (size, size), a frequency a row."""
    places = torch.arange(size).double() + 0.5
    rows = torch.cos(math.pi / size * torch.arange(count).double()[:, None] * places) * (2 / size) ** 0.5
    rows[0] /= 2**0.5
    return rows.float()


def enlarged(sketch: Tensor) -> Tensor:
    """The picture of the codes ``sketch`` (B, 3, 128, 128) at 512 px, bicubic."""
    # Columns, then rows, as a product with what that does to one line: a third of the time of both at once.
    lines = torch.eye(SKETCH, dtype=torch.float32, device=sketch.device)[None, None]
    line = functional.interpolate(lines, size=(FULL, SKETCH), mode="bicubic")[0, 0]
    with torch.autocast(sketch.device.type, enabled=False):
        return line @ (sketch.float() @ line.mT)


def _axes() -> Tensor:
    """(3 RGB, 3): brightness and two colours, orthonormal."""
    wanted = torch.tensor(COLOURS).T
    axes, triangle = torch.linalg.qr(wanted)
    return axes * triangle.diagonal().sign()


class Residual(nn.Module):
    """Differences as coefficients and back, and the networks on both sides.

    ``deviation`` (coefficients,) is the root of the variance of the coefficients that are sent, most first, and
    ``chosen`` (coefficients,) says which they are: their places in (3, 512, 512), axis, row and column of the DCT.
    """

    def __init__(self, config: ResidualConfig):
        super().__init__()
        self.register_buffer("chosen", torch.arange(config.coefficients, dtype=torch.int32))
        self.register_buffer("deviation", torch.ones(config.coefficients))
        self.register_buffer("colours", _axes(), persistent=False)
        self.register_buffer("cosines", cosines(FULL, LUMA_FREQUENCIES), persistent=False)
        self.emphasis = channels_last(Emphasis())
        self.blend = channels_last(Blend())

    @property
    def importance(self) -> Tensor:
        """The squared error of a pixel that each coefficient takes away, (coefficients,)."""
        return self.deviation.square() / (3 * FULL**2)

    @torch.no_grad()
    def choose(self, variance: Tensor) -> "Residual":
        """Send the coefficients that vary most, given the ``variance`` (3, 512, 512) of the DCT of differences."""
        sendable = torch.zeros_like(variance)
        for axis, count in enumerate((LUMA_FREQUENCIES, CHROMA_FREQUENCIES, CHROMA_FREQUENCIES)):
            sendable[axis, :count, :count] = variance[axis, :count, :count]
        chosen = sendable.flatten().argsort(descending=True, stable=True)[: len(self.chosen)]
        self.chosen.copy_(chosen)
        self.deviation.copy_(sendable.flatten()[chosen].sqrt())
        return self

    def difference(self, photo: Tensor, sketch: Tensor, k: int, visible: Tensor | None = None) -> Tensor:
        """What is to be sent in ``k`` symbols, (B, 3, 512, 512), of what the picture of the codes ``sketch`` (B, 3,
        128, 128) lacks of ``photo`` (B, 3, 512, 512). It is a function of the pixels that are ``visible`` (B, 1, 512,
        512) bool, and zero elsewhere."""
        lack = photo - enlarged(sketch)
        half = functional.avg_pool2d(photo, 2) - functional.interpolate(sketch, scale_factor=2)
        if visible is not None:
            lack = torch.where(visible, lack, 0.0)
            half = torch.where(functional.avg_pool2d(visible.float(), 2) == 1, half, 0.0)
        described = lack + self.emphasis(half, sketch, torch.full((len(photo),), float(k)))
        return described if visible is None else torch.where(visible, described, 0.0)

    def transform(self, difference: Tensor, frequencies: int = LUMA_FREQUENCIES) -> Tensor:
        """The lowest ``frequencies`` of the DCT, (B, 3, 320, 320) for all, of a ``difference`` (B, 3, 512, 512),
        brightness first."""
        cosines = self.cosines[:frequencies]
        rows = torch.einsum("bchw,ih->bciw", difference, cosines)
        return torch.einsum("bcij,cd->bdij", torch.einsum("bciw,jw->bcij", rows, cosines), self.colours)

    def coefficients(self, difference: Tensor, count: int) -> Tensor:
        """The first ``count`` coefficients (B, count) of a ``difference`` (B, 3, 512, 512), of variance 1 each."""
        axis, row, column = self._places(count)
        found = self.transform(difference, _frequencies(row, column))[:, axis, row, column]
        return found / self.deviation[:count].clamp_min(1e-6)

    def restored(self, coefficients: Tensor) -> Tensor:
        """The difference (B, 3, 512, 512) of which the first ``coefficients`` (B, count) are known."""
        count = coefficients.shape[1]
        axis, row, column = self._places(count)
        frequencies = _frequencies(row, column)
        planes, cosines = coefficients.new_zeros(len(coefficients), 3, frequencies, frequencies), self.cosines
        planes[:, axis, row, column] = coefficients * self.deviation[:count]
        rows = torch.einsum("bdij,cd,ih->bchj", planes, self.colours, cosines[:frequencies])
        return torch.einsum("bchj,jw->bchw", rows, cosines[:frequencies])

    def _places(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        chosen = self.chosen[:count].long()
        return chosen // FULL**2, chosen // FULL % FULL, chosen % FULL


def _frequencies(row: Tensor, column: Tensor) -> int:
    """How many of the lowest frequencies coefficients in these places need; all in a graph that is exported."""
    if torch.compiler.is_exporting() or not len(row):
        return LUMA_FREQUENCIES
    return int(torch.maximum(row, column).max()) + 1
