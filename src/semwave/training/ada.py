"""Adaptive discriminator augmentation: what the discriminator sees is changed more, the better it tells real from made.

Karras et al., "Training generative adversarial networks with limited data" (NeurIPS 2020), appendix B; of its changes
those of place and colour, which that paper found to matter. Each is made with probability p. A change of place moves
picture and segmentation alike, a change of colour the picture alone.

    scores of real pictures -> share of positive ones above TARGET -> p rises, otherwise p falls
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

TARGET = 0.6
"""Wanted mean sign of the scores of real pictures (section 3.1)."""
IMAGES = 500_000
"""Real pictures over which p can go from 0 to 1."""
EVERY = 4
"""Steps between changes of p."""


class AdaptiveAugmentation(nn.Module):
    """Augments pictures and segmentations with the probability ``p``, which starts at 0 and follows the scores."""

    def __init__(self, images: int = IMAGES):
        super().__init__()
        self.images = images
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, sign: Tensor, count: int) -> None:
        """Take in a step: the mean ``sign`` of the scores of ``count`` real pictures, over all processes."""
        self.signs += sign
        self.steps += 1
        if self.steps % EVERY == 0:
            self.p += torch.sign(self.signs / EVERY - TARGET) * (EVERY * count / self.images)
            self.p.clamp_(0, 1)
            self.signs.zero_()

    def forward(self, image: Tensor, segmentation: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Changed ``image`` (B, 3, S, S) and ``segmentation`` (B, parts, S, S), float32; differentiable, once.

        ``random`` is on the CPU. At p = 0 nothing is changed.
        """
        p = float(self.p)
        if p == 0:
            return image, segmentation
        count, device = len(image), image.device
        # In bf16 a place is good to a pixel only.
        with torch.autocast(device.type, enabled=False):
            both = torch.cat([image.float(), segmentation.float()], 1)
            grid = functional.affine_grid(
                placement(count, p, random)[:, :2].to(device), list(both.shape), align_corners=False
            )
            both = functional.grid_sample(both, grid, padding_mode="reflection", align_corners=False)
            colours = colouring(count, p, random).to(device)
            image = torch.einsum("bij,bjhw->bihw", colours[:, :, :3], both[:, :3]) + colours[:, :, 3, None, None]
            return image, both[:, 3:]


def placement(count: int, p: float, random: torch.Generator) -> Tensor:
    """Where a place of the changed picture comes from, (count, 3, 3) on homogeneous coordinates from -1 to 1.

    Mirrored, turned by quarters, shifted by up to an eighth, scaled, turned, stretched, turned again, shifted.
    """
    draw = _Draw(count, p, random)
    zero, one = torch.zeros(count), torch.ones(count)

    def scaled(x: Tensor, y: Tensor) -> Tensor:
        return _rows([x, zero, zero], [zero, y, zero], [zero, zero, one])

    def shifted(x: Tensor, y: Tensor) -> Tensor:
        return _rows([one, zero, x], [zero, one, y], [zero, zero, one])

    def turned(angle: Tensor) -> Tensor:
        sine, cosine = angle.sin(), angle.cos()
        return _rows([cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one])

    # Of two turns one is made with probability p.
    turning = _Draw(count, 1 - math.sqrt(1 - p), random)
    scale, stretch = (0.2 * draw.normal()).exp2(), (0.2 * draw.normal()).exp2()
    changes = (
        scaled(torch.where(draw.uniform() < 0, -1.0, 1.0), one),
        turned((draw.uniform() * 2).round() * (math.pi / 2)),
        shifted(draw.uniform() / 4, draw.uniform() / 4),
        scaled(scale, scale),
        turned(turning.uniform() * math.pi),
        scaled(stretch, 1 / stretch),
        turned(turning.uniform() * math.pi),
        shifted(draw.normal() / 4, draw.normal() / 4),
    )
    return _product(changes)


def colouring(count: int, p: float, random: torch.Generator) -> Tensor:
    """Changes of colour, (count, 3, 4): a matrix for red, green and blue from -1 to 1, and what is added.

    Brightness, contrast, luma turned over, hue turned, saturation.
    """
    draw = _Draw(count, p, random)
    grey = torch.ones(3) / math.sqrt(3)
    luma, identity = torch.outer(grey, grey), torch.eye(3)
    cross = torch.linalg.cross(identity, grey.expand(3, 3))
    hue = (draw.uniform() * math.pi)[:, None, None]
    changes = (
        (0.5 * draw.normal()).exp2()[:, None, None] * identity,
        identity - 2 * luma * (draw.uniform() < 0)[:, None, None],
        luma + hue.cos() * (identity - luma) + hue.sin() * cross,
        luma + draw.normal().exp2()[:, None, None] * (identity - luma),
    )
    offset = (0.2 * draw.normal())[:, None, None].expand(-1, 3, 1)
    return torch.cat([_product(changes), offset], 2)


class _Draw:
    """Random numbers (count,), each zero but with probability ``p``."""

    def __init__(self, count: int, p: float, random: torch.Generator):
        self.count, self.p, self.random = count, p, random

    def _sometimes(self, values: Tensor) -> Tensor:
        return torch.where(torch.rand(self.count, generator=self.random) < self.p, values, 0.0)

    def normal(self) -> Tensor:
        """Standard normal."""
        return self._sometimes(torch.randn(self.count, generator=self.random))

    def uniform(self) -> Tensor:
        """Uniform from -1 to 1."""
        return self._sometimes(torch.rand(self.count, generator=self.random) * 2 - 1)


def _rows(*rows: list[Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def _product(matrices: tuple[Tensor, ...]) -> Tensor:
    product = matrices[0]
    for matrix in matrices[1:]:
        product = product @ matrix
    return product
