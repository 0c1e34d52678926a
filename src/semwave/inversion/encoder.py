"""Encoder: the 28 codes of a face in one pass over its photograph.

photo (B,3,256,256) and its parser logits (B, parts, 128, 128)
  -> residual convolutions at 64, 32, 16 and 8 px
  -> a global vector, and for every part the features under its mask
  -> base codes 0 and 1, and shape and texture code of each part, as coordinates (B, codes, coordinates)
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.generators.memory import keep_casts
from semwave.latent.layout import FACES, Layout
from semwave.latent.masks import GRID, LayoutCoder
from semwave.pictures.images import INPUT, resized

WIDTHS = (48, 96, 160, 288, 384)
GLOBAL = 512
HIDDEN = 640


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)
        self.norm1, self.norm2 = nn.GroupNorm(16, outputs), nn.GroupNorm(16, outputs)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = functional.silu(self.norm1(self.first(x)))
        y = self.norm2(self.second(y))
        return functional.silu(y + self.skip(functional.avg_pool2d(x, self.stride)))


class Encoder(nn.Module):
    """Coordinates (B, codes, coordinates) of aligned photographs."""

    def __init__(self, layout: Layout = FACES):
        super().__init__()
        self.shape, parts, size = layout, len(layout.parts), layout.coordinates
        self.stem = nn.Conv2d(3, WIDTHS[0], 4, stride=2, padding=1)
        sources = (WIDTHS[0] + parts, *WIDTHS[1:-1])
        self.levels = nn.ModuleList(_Residual(a, b, 2) for a, b in zip(sources, WIDTHS[1:], strict=True))
        self.squeeze = nn.Conv2d(WIDTHS[-1], 64, 1)
        self.global_ = nn.Linear(64 * 64, GLOBAL)
        pooled = WIDTHS[1] + WIDTHS[2] + WIDTHS[3] + 1
        self.local = nn.Linear(pooled, HIDDEN)
        self.context = nn.Linear(GLOBAL, HIDDEN)
        self.part = nn.Parameter(torch.zeros(parts, HIDDEN))
        self.mix = nn.Linear(HIDDEN, HIDDEN)
        self.base = nn.Linear(GLOBAL, size)
        self.layout = nn.Linear(GLOBAL, layout.mask_numbers)
        nn.init.zeros_(self.layout.weight)
        self.heads = nn.Parameter(torch.randn(parts, HIDDEN, 2 * size) * 0.3 * HIDDEN**-0.5)
        self.offset = nn.Parameter(torch.zeros(parts, 2 * size))

    def in_bf16(self) -> "Encoder":
        """This encoder, to be used under bf16 autocast alone, whose weights need no cast at every call."""
        keep_casts(self)
        self.heads.data = self.heads.data.bfloat16()
        return self

    def forward(self, image: Tensor, logits: Tensor, layout: LayoutCoder) -> Tensor:
        """Coordinates of ``image`` (B, 3, H, H) in [-1, 1], given the parser's ``logits`` and the layout coder."""
        image = resized(image, INPUT)
        masks = logits.softmax(1)
        x = functional.silu(self.stem(image.contiguous(memory_format=torch.channels_last)))
        x = torch.cat([x, masks.to(x.dtype)], 1)
        pooled = [masks.mean((2, 3))[:, :, None] * 8]
        for level in self.levels:
            x = level(x)
            if x.shape[-1] > 8:
                weight = functional.adaptive_avg_pool2d(masks, x.shape[-1]).flatten(2)
                weight = weight / (weight.sum(2, keepdim=True) + 0.02 * x.shape[-1])
                pooled.append(torch.bmm(weight.to(x.dtype), x.flatten(2).transpose(1, 2)))
        whole = functional.silu(self.global_(self.squeeze(x).flatten(1)))
        hidden = self.local(torch.cat([p.to(x.dtype) for p in pooled], 2)) + self.context(whole)[:, None] + self.part
        hidden = functional.silu(hidden)
        hidden = hidden + functional.silu(self.mix(hidden))
        parts = torch.einsum("bph,phc->bpc", hidden, self.heads) + self.offset
        numbers = layout.encode(functional.adaptive_avg_pool2d(masks, GRID))[
            :, : self.shape.mask_numbers
        ].float() + self.layout(whole)
        codes = parts.float().reshape(len(image), -1, self.shape.coordinates)
        numbers = functional.pad(numbers.float(), (0, self.shape.coordinates - self.shape.mask_numbers))
        return torch.cat([self.base(whole).float()[:, None], numbers[:, None], codes], 1)
