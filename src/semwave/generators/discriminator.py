"""The dual-branch discriminator of Semantic StyleGAN: is the picture real, together with its segmentation?

Shi et al., "SemanticStyleGAN: learning compositional generative priors for controllable image synthesis and editing"
(CVPR 2022); each branch is the residual discriminator of StyleGAN2 (Karras et al., CVPR 2020, Fig. 7).

    image (B,3,S,S)         -> 1x1 -> [residual block, half the size] x log2(S/4) --+
                                                                                   + -> (B,512,4,4)
    segmentation (B,13,S,S) -> 1x1 -> [residual block, half the size] x log2(S/4) --+
    (B,512,4,4) + spread over the batch (B,1,4,4) -> 3x3 -> linear -> linear -> score (B,1)
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.generators.stylegan2 import SQRT2, BiasedActivation, Blur, EqualLinear, channels
from semwave.latent.layout import FACES

SMALLEST = 4
GROUP = 4
"""Pictures over which the spread is measured (Karras et al., ICLR 2018, section 3)."""


class EqualConvolution(nn.Module):
    """Convolution without bias, with an equalised learning rate: (B, I, H, W) -> (B, O, H', W').

    With ``activated`` its kernel carries the factor that :class:`BiasedActivation` expects.
    """

    def __init__(self, inputs: int, outputs: int, width: int, stride: int = 1, activated: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, width, width))
        self.gain = (inputs * width**2) ** -0.5 * (SQRT2 if activated else 1.0)
        self.stride = stride
        self.padding = width // 2 if stride == 1 else 0

    def forward(self, x: Tensor) -> Tensor:
        """Convolved ``x``; a strided one takes its border from the blur before it."""
        return functional.conv2d(x, self.weight * self.gain, stride=self.stride, padding=self.padding)


def convolution(inputs: int, outputs: int, width: int, halve: bool = False, activated: bool = True) -> nn.Sequential:
    """Blur where the size is halved, convolution, and the activation."""
    layers: list[nn.Module] = [Blur(padding=width // 2 + 1)] if halve else []
    layers.append(EqualConvolution(inputs, outputs, width, 2 if halve else 1, activated))
    return nn.Sequential(*layers, *([BiasedActivation(outputs)] if activated else []))


class ResidualBlock(nn.Module):
    """(B, I, H, W) -> (B, O, H / 2, W / 2)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = convolution(inputs, inputs, 3)
        self.conv2 = convolution(inputs, outputs, 3, halve=True)
        self.skip = convolution(inputs, outputs, 1, halve=True, activated=False)

    def forward(self, x: Tensor) -> Tensor:
        """Both ways, their sum at the power of one."""
        return (self.conv2(self.conv1(x)) + self.skip(x)) / SQRT2


def batch_spread(x: Tensor) -> Tensor:
    """``x`` (B, C, H, W) and one more channel: how much it varies within groups of :data:`GROUP` pictures.

    A batch that holds no whole number of groups is one group.
    """
    count, size = len(x), x.shape[1:]
    group = GROUP if count % GROUP == 0 else count
    spread = (x.reshape(group, -1, *size).var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([x, spread.repeat(group)[:, None, None, None].expand(-1, 1, *size[1:])], 1)


class DualBranchDiscriminator(nn.Module):
    """Scores pictures of ``size`` pixels and their segmentations into ``parts``; higher is more real.

    Raises:
        SemwaveError: ``size`` is no power of two from 8 on.
    """

    def __init__(
        self, size: int, parts: int = len(FACES.parts), channel_multiplier: float = 2, max_channels: int = 512
    ):
        super().__init__()
        if size < 2 * SMALLEST or size & (size - 1):
            raise SemwaveError(f"a discriminator of {size} px cannot be; its size is a power of two from 8 on")
        self.size = size
        widths = [size >> i for i in range((size // SMALLEST).bit_length())]
        counts = [channels(width, channel_multiplier, max_channels) for width in widths]

        def branch(inputs: int) -> nn.Sequential:
            return nn.Sequential(
                convolution(inputs, counts[0], 1), *(ResidualBlock(wide, narrow) for wide, narrow in pairwise(counts))
            )

        self.convs_img = branch(3)
        self.convs_seg = branch(parts)
        last = counts[-1]
        self.final_conv = convolution(last + 1, last, 3)
        self.final_linear = nn.Sequential(EqualLinear(last * SMALLEST**2, last, activated=True), EqualLinear(last, 1))

    def forward(self, image: Tensor, segmentation: Tensor | None = None) -> Tensor:
        """Scores (B, 1) of ``image`` (B, 3, S, S) and ``segmentation`` (B, parts, S, S), both in [-1, 1].

        Without a segmentation its branch adds nothing.

        Raises:
            SemwaveError: pictures or segmentations of another size.
        """
        for what, x in (("image", image), ("segmentation", segmentation)):
            if x is not None and x.shape[-2:] != (self.size, self.size):
                height, width = x.shape[-2:]
                raise SemwaveError(f"{what} of {width} x {height} px for a discriminator of {self.size} px")
        x = self.convs_img(image)
        if segmentation is not None:
            x = x + self.convs_seg(segmentation)
        x = self.final_conv(batch_spread(x))
        return self.final_linear(x.flatten(1))
