"""Face parser: which part of a face every pixel of a photograph belongs to.

    photo (B,3,H,H) -> 256 px -> U-Net -> logits (B, parts, 128, 128) over semwave.latent.layout.PARTS

A plain U-Net (Ronneberger et al., MICCAI 2015), trained on the human-made masks of CelebAMask-HQ.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.latent.layout import FACES, Layout
from semwave.pictures.images import INPUT, resized


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class FaceParser(nn.Module):
    """U-Net from photographs to logits over the parts of ``layout``.

    ``widths`` are the channels at 128, 64, 32, 16 and 8 pixels.
    """

    def __init__(self, layout: Layout = FACES, widths: tuple[int, ...] = (32, 64, 96, 160, 192)):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 5, stride=2, padding=2)
        self.down = nn.ModuleList(_double(a, b) for a, b in zip((widths[0], *widths), widths, strict=False))
        pairs = list(zip(widths[1:], widths, strict=False))
        self.up = nn.ModuleList(_double(deep + skip, skip) for deep, skip in pairs)
        self.head = nn.Conv2d(widths[0], len(layout.parts), 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, parts, 128, 128) for ``image`` (B, 3, H, H) in [-1, 1]; any H, read at 256 pixels."""
        image = resized(image, INPUT)
        x = functional.relu(self.stem(image.contiguous(memory_format=torch.channels_last)))
        skips = []
        for level, block in enumerate(self.down):
            x = block(functional.avg_pool2d(x, 2) if level else x)
            skips.append(x)
        for level in range(len(self.up) - 1, -1, -1):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = self.up[level](torch.cat([x, skips[level]], 1))
        return self.head(x).float()

    def labels(self, image: Tensor, size: int) -> Tensor:
        """Part index of every pixel, (B, size, size) uint8, for ``image`` (B, 3, H, H) in [-1, 1]."""
        logits = functional.interpolate(self(image), size=(size, size), mode="bilinear")
        return logits.argmax(1).to(torch.uint8)
