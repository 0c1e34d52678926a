"""The render network of Semantic StyleGAN: composed features to picture and segmentation, without any code."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.generators.semantic_stylegan.architecture import Architecture
from semwave.generators.stylegan2 import SLOPE, SQRT2, BiasedActivation, Blur, FixedConvolution, Projection, demodulated


class NoiseStrength(nn.Module):
    """How strong the noise of a layer is."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class RenderLayer(FixedConvolution):
    """Style-free 3x3 convolution with noise, at twice the size where ``double``."""

    def __init__(self, inputs: int, outputs: int, double: bool):
        super().__init__(inputs, outputs, 3)
        self.noise = NoiseStrength()
        self.activate = BiasedActivation(outputs)
        self.blur = Blur(padding=1, gain=4.0) if double else None

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """(B, I, H, W) -> (B, O, H', W'), with ``noise`` (1 or B, 1, H', W')."""
        # The style is the same for every picture, so demodulation belongs to the weights.
        kernel = demodulated(self.kernel().flatten(1)).view_as(self.weight) * SQRT2
        bias = self.activate.scaled_bias()
        # In place: no gradient needs what is overwritten, and these are the largest features of all.
        if self.blur is None:
            x = functional.conv2d(x, kernel, bias, padding=1)
        else:
            x = self.blur(functional.conv_transpose2d(x, kernel.transpose(0, 1), stride=2))
            x = x.add_(bias[:, None, None].to(x.dtype))
        x = x.add_((noise * (self.noise.weight * SQRT2)).to(x.dtype))
        return functional.leaky_relu_(x, SLOPE)


class StoredNoise(nn.Module):
    """One fixed noise image for every layer of the render network."""

    def __init__(self, sizes: Sequence[int]):
        super().__init__()
        for i, size in enumerate(sizes):
            self.register_buffer(f"noise_{i}", torch.randn(1, 1, size, size))


class RenderNet(nn.Module):
    """Composed features to picture and segmentation, without any code."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.convs, self.to_rgbs, self.to_segs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs = architecture.coarse_channels
        for size in architecture.render_sizes:
            outputs = architecture.channels(size)
            self.convs.extend([RenderLayer(inputs, outputs, True), RenderLayer(outputs, outputs, False)])
            self.to_rgbs.append(Projection(outputs, 3))
            self.to_segs.append(Projection(outputs, architecture.parts))
            inputs = outputs + (architecture.coarse_channels if size == architecture.coarse_size else 0)
        self.noises = StoredNoise([size for size in architecture.render_sizes for _ in range(2)])

    def forward(
        self, features: Tensor, masks: Tensor, noise: Sequence[Tensor], segment: bool, size: int | None = None
    ) -> tuple[list[Tensor], Tensor | None]:
        """Pictures (B, 3, S, S) of all drawn sizes up to ``size``, or to the network's end, and the segmentation
        (B, parts, S, S) of the last, of composed ``features`` (B, C, w, w)."""
        x = functional.avg_pool2d(features, self.architecture.coarse_size // self.architecture.smallest_size)
        skip, pictures = None, []
        for i, width in enumerate(self.architecture.render_sizes):
            x = self.convs[2 * i](x, noise[2 * i])
            x = self.convs[2 * i + 1](x, noise[2 * i + 1])
            heads = cast("list[Projection]", [self.to_rgbs[i], self.to_segs[i]] if segment else [self.to_rgbs[i]])
            kernel = torch.cat([head.conv.kernel() for head in heads])
            bias = torch.cat([head.bias.flatten() for head in heads])
            seen = functional.conv2d(x, kernel, bias).float()
            skip = seen if skip is None else heads[0].upsample(skip) + seen
            if width == self.architecture.coarse_size:
                if segment and self.architecture.refine:
                    skip = torch.cat([skip[:, :3], skip[:, 3:] + (2 * masks - 1)], 1)
                x = torch.cat([x, features.to(x.dtype)], 1)
            if width in self.architecture.sizes:
                pictures.append(skip[:, :3])
            if width == size:
                break
        assert skip is not None
        return pictures, skip[:, 3:] if segment else None
