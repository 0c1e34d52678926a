"""The local generators of Semantic StyleGAN: one small network a part, and the composition of what they draw."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.generators.semantic_stylegan.architecture import Architecture
from semwave.generators.stylegan2 import SLOPE, SQRT2, BiasedActivation, EqualLinear, Projection, demodulated
from semwave.latent.layout import BASE_CODES


class PositionEmbedding(nn.Module):
    """Features of all places of a grid from -1 to 1, (width^2, outputs): a fixed random matrix of Fourier features.

    The features are x, y, and sine and cosine of both times 1, 2, 4 ....
    """

    def __init__(self, width: int, frequencies: int, outputs: int):
        super().__init__()
        self.register_buffer("weights", torch.randn(outputs, 2 + 4 * frequencies, 1, 1))
        axis = torch.linspace(-1, 1, width)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        place = torch.stack([x, y])
        waves = [wave(place * 2.0**i) for i in range(frequencies) for wave in (torch.sin, torch.cos)]
        features = torch.cat([place, *waves]).flatten(1).T
        self.register_buffer("features", features * features.shape[1] ** -0.5, persistent=False)

    def forward(self) -> Tensor:
        """(width^2, outputs)."""
        return self.features @ self.weights.flatten(1).T


class ModulatedWeight(nn.Module):
    """Weight of a modulated 1x1 convolution, and how a code modulates its inputs."""

    def __init__(self, channels: int, code_size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, channels, channels, 1, 1))
        self.modulation = EqualLinear(code_size, channels, bias=1.0)


class LocalLayer(nn.Module):
    """One modulated 1x1 layer of one part."""

    def __init__(self, channels: int, code_size: int):
        super().__init__()
        self.conv = ModulatedWeight(channels, code_size)
        self.activate = BiasedActivation(channels)


class LocalGenerator(nn.Module):
    """Weights of one part's network."""

    def __init__(self, architecture: Architecture, depth: bool):
        super().__init__()
        width = architecture.local_channels
        self.linears = nn.ModuleList(
            LocalLayer(width, architecture.code_size) for _ in range(architecture.local_layers)
        )
        self.to_feat = Projection(width, architecture.coarse_channels)
        if depth:
            self.to_depth = Projection(width, 1)


class LocalGenerators(nn.ModuleList):
    """The networks of all parts. They are alike, so that each layer of all of them is one batched product.

    A code modulates a layer's weights, not its features: a matrix of 64 x 64 is a sixty-fourth of the features that it
    is applied to. Features stand place by place, (..., P, C), as the render network's convolutions want them.
    """

    def __init__(self, architecture: Architecture):
        super().__init__(LocalGenerator(architecture, depth=part > 0) for part in range(architecture.parts))
        self.architecture = architecture
        transparent = torch.tensor([part in architecture.transparent for part in range(architecture.parts)])
        self.register_buffer("transparent", transparent[:, None], persistent=False)

    @property
    def networks(self) -> list[LocalGenerator]:
        """That of every part."""
        return cast("list[LocalGenerator]", list(self))

    def forward(self, x: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (B, parts, P) and composed features (B, P, coarse_channels) at the places with features ``x`` (P, C).

        ``codes`` is (B, codes, code_size).
        """
        base, shape, texture = codes[:, :BASE_CODES], codes[:, BASE_CODES::2], codes[:, BASE_CODES + 1 :: 2]
        x = x.expand(len(codes), len(self), -1, -1)
        depths = x.new_zeros(())
        for layer in range(self.architecture.local_layers):
            if layer < self.architecture.base_layers:
                code = base[:, [min(layer, BASE_CODES - 1)]].expand(-1, len(self), -1)
            else:
                code = shape if layer < self.architecture.depth_layers else texture
            x = self._layer(layer, x, code)
            if layer == self.architecture.depth_layers - 1:
                depths = self._depths(x)
        return depths.softmax(1), self._compose(x, self._shares(depths))

    def _layer(self, index: int, x: Tensor, codes: Tensor) -> Tensor:
        """Layer ``index`` of every part: (B, parts, P, C) and codes (B, parts, code_size) -> (B, parts, P, C)."""
        layers = cast("list[LocalLayer]", [part.linears[index] for part in self.networks])
        weight = torch.stack([layer.conv.weight[0, :, :, 0, 0] for layer in layers])
        reading = torch.stack([layer.conv.modulation.weight for layer in layers])
        offset = torch.stack([layer.conv.modulation.bias for layer in layers])
        style = torch.einsum("bpc,pic->bpi", codes, reading) * layers[0].conv.modulation.gain + offset
        kernel = demodulated(weight * weight.shape[-1] ** -0.5 * style[:, :, None]) * SQRT2
        bias = torch.stack([layer.activate.scaled_bias() for layer in layers]).expand(len(x), -1, -1)
        y = torch.baddbmm(bias.flatten(0, 1)[:, None], x.flatten(0, 1), kernel.flatten(0, 1).transpose(1, 2))
        return functional.leaky_relu_(y, SLOPE).unflatten(0, x.shape[:2])

    def _depths(self, x: Tensor) -> Tensor:
        """Pseudo-depths (B, parts, P) of features (B, parts, P, C), float32; the background's is 0."""
        heads = [cast(Projection, part.to_depth) for part in self.networks[1:]]
        reading = torch.stack([head.matrix()[0] for head in heads])[..., None]
        bias = torch.stack([head.bias.flatten() for head in heads])
        depths = (x[:, 1:] @ reading)[..., 0].float() + bias
        return functional.pad(depths, (0, 0, 1, 0))

    def _shares(self, depths: Tensor) -> Tensor:
        """How much of every part is in the composed features, (B, parts, P).

        Opaque parts share every place as if there were no transparent ones, which are laid over by their masks.
        """
        opaque = depths.masked_fill(self.transparent, -math.inf).softmax(1)
        return torch.where(self.transparent, depths.softmax(1), opaque)

    def _compose(self, x: Tensor, shares: Tensor) -> Tensor:
        """Composed features (B, P, coarse_channels).

        Sharing before the read-out, not after it, makes the read-outs of all parts one product, and the features of
        every single part are never read out.
        """
        matrix = torch.cat([part.to_feat.matrix() for part in self.networks], 1)
        bias = torch.cat([part.to_feat.bias.flatten(1) for part in self.networks])
        shared = (x * shares[..., None].to(x.dtype)).transpose(1, 2).flatten(2)
        return functional.linear(shared, matrix) + shares.transpose(1, 2) @ bias
