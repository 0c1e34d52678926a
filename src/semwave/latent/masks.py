"""Layout of a face: the part masks as base code 1, and back.

    part probabilities (B, parts, 64, 64) -> 4 strided convolutions -> 64 numbers -> base code 1 (B, code_size)
    base code 1 (B, code_size) -> 64 numbers -> 5 convolutions, each at twice the size -> logits (B, parts, 64, 64)

The numbers stand several times in the code, which so keeps the size of every other code.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from semwave.latent.layout import FACES, Layout

GRID = 64
"""Width of the grid on which part masks are coded."""


class LayoutCoder(nn.Module):
    """Autoencoder of the part masks of ``layout``, whose numbers have zero mean and unit variance over its training
    set."""

    def __init__(self, layout: Layout = FACES, widths: tuple[int, ...] = (48, 64, 96, 128, 160)):
        super().__init__()
        self.layout, parts = layout, len(layout.parts)
        channels = (parts, *widths[:-1])
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2),
            ]
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * 16, layout.mask_numbers))
        self.normal = nn.BatchNorm1d(layout.mask_numbers, affine=False)
        self.expand = nn.Linear(layout.mask_numbers, widths[-1] * 16)
        self.width = widths[-1]
        layers = []
        for inputs, outputs in zip(widths[::-1], widths[-2::-1], strict=False):
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear"),
                nn.Conv2d(inputs, outputs, 3, padding=1),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2),
            ]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(widths[0], parts, 3, padding=1))

    def encode(self, probabilities: Tensor) -> Tensor:
        """Base code 1, (B, 512), of part probabilities (B, parts, 64, 64)."""
        return self.normal(self.encoder(probabilities * 2 - 1)).repeat(1, self.layout.copies)

    def decode(self, code: Tensor) -> Tensor:
        """Logits (B, parts, 64, 64) of base code 1 (B, 512)."""
        numbers = code.reshape(-1, self.layout.copies, self.layout.mask_numbers).mean(1)
        return self.decoder(self.expand(numbers).reshape(-1, self.width, 4, 4)).float()


def mask_pyramid(logits: Tensor, width: int) -> Tensor:
    """Part masks (B, parts, width, width) that add up to one, from ``logits`` (B, parts, 64, 64).

    Below 64 pixels the masks are averaged; above, the logits are interpolated so that edges stay sharp.
    """
    if width > GRID:
        return functional.interpolate(logits, size=(width, width), mode="bilinear").softmax(1)
    return functional.avg_pool2d(logits.softmax(1), GRID // width)


def part_probabilities(labels: Tensor, layout: Layout = FACES) -> Tensor:
    """Share of every part in the cells of a 64 x 64 grid, (B, parts, 64, 64), of ``labels`` (B, S, S); 64 divides S."""
    truth = functional.one_hot(labels.long(), len(layout.parts)).permute(0, 3, 1, 2).float()
    return functional.avg_pool2d(truth, labels.shape[-1] // GRID)
