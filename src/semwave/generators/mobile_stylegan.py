"""MobileStyleGAN (Belousov 2021), distilled from StyleGAN2-FFHQ: the network that draws.

What training leaves as its author published it is shipped beside the models: mapping network, noise, and the last
layers, which draw 1024 px. The rest is each model's own. Demodulation is folded into the weights, so a style is a plain
factor for every input channel of a convolution, and may differ from place to place.

    z (512) -> mapping -> w (512)
    constant 4x4 -> first -> [inverse Haar, conv1, conv2] x 7 (8x8 ... 512x512) -> to_image -> inverse Haar -> 1024x1024
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.pictures.arrays import check_finite, read_safetensors
from semwave.zoo import WEIGHTS

STYLE = 512
CHANNELS = (512, 512, 512, 512, 256, 128, 64)
"""Of the features that each block gives, from 8x8 to 512x512."""
BLOCKS = len(CHANNELS)
MAPPING_LAYERS = 8
FIXED = WEIGHTS / "mobile-stylegan" / "fixed.safetensors"
SQRT2 = 2**0.5

Style = Callable[[Tensor, "Modulation"], Tensor]
"""Gives features (B, C, H, W) with each channel times its factor of a modulation."""


def is_fixed(name: str) -> bool:
    """Whether training leaves the tensor ``name`` of a :class:`MobileStyleGAN` as it was published."""
    return name.startswith(("mapping", "to_image", f"blocks.{BLOCKS - 1}.")) or name.endswith(".noise")


def inverse_haar(x: Tensor) -> Tensor:
    """One level of the inverse Haar wavelet transform, (B, 4 C, H, W) -> (B, C, 2 H, 2 W).

    The first C channels are the averages, then come three details a channel.
    """
    b, c4, h, w = x.shape
    c = c4 // 4
    # Channels last, as features have them: of every pixel all channels are moved at once.
    x = x.permute(0, 2, 3, 1) / 2
    mean, (across, down, both) = x[..., :c], x[..., c:].unflatten(3, (c, 3)).unbind(4)
    top, bottom, inner, outer = mean + across, mean - across, down + both, down - both
    rows = torch.cat([top + inner, top - inner], 3), torch.cat([bottom + outer, bottom - outer], 3)
    return torch.stack(rows, 2).reshape(b, 2 * h, 2 * w, c).permute(0, 3, 1, 2)


def haar(x: Tensor) -> Tensor:
    """The transform that :func:`inverse_haar` undoes, (B, C, 2 H, 2 W) -> (B, 4 C, H, W)."""
    a, b, c, d = (functional.pixel_unshuffle(x, 2).unflatten(1, (x.shape[1], 4)) / 2).unbind(2)
    details = torch.stack([a + b - c - d, a - b + c - d, a - b - c + d], 2)
    return torch.cat([a + b + c + d, details.flatten(1, 2)], 1)


class Modulation(nn.Module):
    """Style factors of one convolution: ``weight w + bias``, (..., style) -> (..., channels)."""

    def __init__(self, channels: int, style: int = STYLE):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, style))
        self.bias = nn.Parameter(torch.ones(channels))

    def forward(self, code: Tensor) -> Tensor:
        """Factors (..., channels) of ``code`` (..., 512)."""
        return functional.linear(code, self.weight, self.bias)


class Convolution(nn.Module):
    """Modulated convolution with stored noise: depthwise 3x3 then 1x1, or a full 3x3 where it is not ``separable``.

    Args:
        inputs: channels of the features that come in.
        outputs: channels of those that go out.
        width: of the features in pixels.
        separable: depthwise, then 1x1.
    """

    def __init__(self, inputs: int, outputs: int, width: int, separable: bool = True):
        super().__init__()
        self.modulation = Modulation(inputs)
        self.depthwise = nn.Parameter(torch.zeros(inputs, 1, 3, 3)) if separable else None
        side = 1 if separable else 3
        self.kernel = nn.Parameter(torch.zeros(outputs, inputs, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise", torch.zeros(1, 1, width, width))

    def forward(self, x: Tensor, style: Style) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        x = style(x, self.modulation)
        if self.depthwise is not None:
            x = functional.conv2d(x, self.depthwise, padding=1, groups=x.shape[1])
        x = functional.conv2d(x, self.kernel, self.bias, padding=self.kernel.shape[-1] // 2)
        return functional.leaky_relu_(x.add_(self.noise.to(x.dtype)), 0.2)


class Block(nn.Module):
    """Doubles the size by a modulated inverse Haar transform, then two convolutions at ``width`` px."""

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()
        self.up = Modulation(inputs)
        self.conv1, self.conv2 = Convolution(inputs // 4, outputs, width), Convolution(outputs, outputs, width)

    def forward(self, x: Tensor, style: Style) -> Tensor:
        """(B, C, H, W) -> (B, C', 2 H, 2 W)."""
        return self.conv2(self.conv1(inverse_haar(style(x, self.up)), style), style)


class MobileStyleGAN(nn.Module):
    """The network with its fixed weights, which are shipped; the others are zero until a model's are loaded.

    Raises:
        SemwaveError: the shipped weights are missing or damaged.
    """

    def __init__(self):
        super().__init__()
        self.constant = nn.Parameter(torch.zeros(1, CHANNELS[0], 4, 4))
        self.first = Convolution(CHANNELS[0], CHANNELS[0], 4, separable=False)
        pairs = zip((CHANNELS[0], *CHANNELS), CHANNELS, strict=False)
        self.blocks = nn.ModuleList(Block(a, b, 2**i) for i, (a, b) in enumerate(pairs, 3))
        self.to_image = Modulation(CHANNELS[-1])
        self.to_image_kernel = nn.Parameter(torch.zeros(12, CHANNELS[-1], 1, 1))
        self.to_image_bias = nn.Parameter(torch.zeros(12))
        self.mapping = nn.ParameterList(torch.zeros(STYLE, STYLE) for _ in range(MAPPING_LAYERS))
        self.mapping_bias = nn.ParameterList(torch.zeros(STYLE) for _ in range(MAPPING_LAYERS))
        fixed, _ = read_safetensors(FIXED, "install semwave again")
        check_finite(FIXED, fixed)
        self.load_state_dict(self.state_dict() | fixed)
        self.requires_grad_(False)

    def map(self, z: Tensor) -> Tensor:
        """Style w (B, 512) of a standard normal ``z`` (B, 512)."""
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for weight, bias in zip(self.mapping, self.mapping_bias, strict=True):
            x = functional.leaky_relu(functional.linear(x, weight, bias), 0.2) * SQRT2
        return x

    def stem(self, style: Style, batch: int) -> Tensor:
        """Features at 4x4, (B, 512, 4, 4)."""
        x = self.constant.expand(batch, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        return self.first(x, style)

    def image(self, x: Tensor, style: Style) -> Tensor:
        """Image (B, 3, 1024, 1024) in about [-1, 1] from the features of the last block."""
        return inverse_haar(functional.conv2d(style(x, self.to_image), self.to_image_kernel, self.to_image_bias))

    def forward(self, w: Tensor) -> Tensor:
        """Image (B, 3, 1024, 1024) of one style ``w`` (B, 512) for all layers."""

        def style(x: Tensor, modulation: Modulation) -> Tensor:
            return x * modulation(w)[:, :, None, None]

        x = self.stem(style, len(w))
        for block in self.blocks:
            x = block(x, style)
        return self.image(x, style)
