"""Layout of a face: the part masks as base code 1, and back.

    part probabilities (B,13,64,64) -> 4 strided convolutions -> 64 numbers -> base code 1 (B,512)
    base code 1 (B,512) -> 64 numbers -> 5 convolutions, each at twice the size -> logits (B,13,64,64)

The 64 numbers stand eight times in the code, which so keeps the size of every other code.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from semwave.latent.layout import CODE_SIZE, PARTS

GRID = 64
NUMBERS = 64
COPIES = CODE_SIZE // NUMBERS


class LayoutCoder(nn.Module):
    """Autoencoder of part masks whose 64 numbers have zero mean and unit variance over its training set."""

    def __init__(self, widths: tuple[int, ...] = (48, 64, 96, 128, 160)):
        super().__init__()
        channels = (len(PARTS), *widths[:-1])
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2),
            ]
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * 16, NUMBERS))
        self.normal = nn.BatchNorm1d(NUMBERS, affine=False)
        self.expand = nn.Linear(NUMBERS, widths[-1] * 16)
        self.width = widths[-1]
        layers = []
        for inputs, outputs in zip(widths[::-1], widths[-2::-1], strict=False):
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear"),
                nn.Conv2d(inputs, outputs, 3, padding=1),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2),
            ]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(widths[0], len(PARTS), 3, padding=1))

    def encode(self, probabilities: Tensor) -> Tensor:
        """Base code 1, (B, 512), of part probabilities (B, 13, 64, 64)."""
        return self.normal(self.encoder(probabilities * 2 - 1)).repeat(1, COPIES)

    def decode(self, code: Tensor) -> Tensor:
        """Logits (B, 13, 64, 64) of base code 1 (B, 512)."""
        numbers = code.reshape(-1, COPIES, NUMBERS).mean(1)
        return self.decoder(self.expand(numbers).reshape(-1, self.width, 4, 4)).float()


def mask_pyramid(logits: Tensor, width: int) -> Tensor:
    """Part masks (B, 13, width, width) that add up to one, from ``logits`` (B, 13, 64, 64).

    Below 64 pixels the masks are averaged; above, the logits are interpolated so that edges stay sharp.
    """
    if width > GRID:
        return functional.interpolate(logits, size=(width, width), mode="bilinear").softmax(1)
    return functional.avg_pool2d(logits.softmax(1), GRID // width)


def part_probabilities(labels: Tensor) -> Tensor:
    """Share of every part in the cells of a 64 x 64 grid, (B, 13, 64, 64), of ``labels`` (B, S, S); 64 divides S."""
    truth = functional.one_hot(labels.long(), len(PARTS)).permute(0, 3, 1, 2).float()
    return functional.avg_pool2d(truth, labels.shape[-1] // GRID)
