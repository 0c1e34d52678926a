"""Semantic StyleGAN: a generator that draws every part of a face by a small network of its own.

Shi et al., "SemanticStyleGAN: learning compositional generative priors for controllable image synthesis and editing"
(CVPR 2022). A published size is called by that paper's CelebAMask-HQ model of 512 px.

    z (B,512) -> mapping -> w (B,512), the same for all codes of a random face

    positions (P,2), P = 64 x 64 -> Fourier features -> 1x1 -> (P,64)
      -> for each of 13 parts: 2 layers (base codes) -> 4 layers (shape code) -> 4 layers (texture code) -> (P,64)
                                                               |
                                                        pseudo-depth (P), background 0
    pseudo-depths (B,13,P) -> softmax -> masks (B,13,64,64)
    part features, weighted by the masks -> 1x1 -> (B,512,64,64) = composed features

    composed features, averaged down to 16x16 -> [double, 3x3, 3x3] -> 32x32 -> [ ] -> 64x64, + composed features
      -> [ ] -> 128x128 -> [ ] -> 256x256 -> [ ] -> 512x512
                                    every size: 1x1 -> image and segmentation, added to those of the size before,
                                    the segmentation's to the masks
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.generators.faces import Faces
from semwave.generators.official import check_names_and_shapes, read_official
from semwave.generators.stylegan2 import (
    SLOPE,
    SQRT2,
    BiasedActivation,
    Blur,
    EqualLinear,
    FixedConvolution,
    Projection,
    channels,
    demodulated,
    mapping,
)
from semwave.latent.layout import BASE_CODES, CODE_SIZE, PARTS, part_index
from semwave.pictures.files import write_bytes

METADATA = "semantic_stylegan"
TRANSPARENT = (part_index("glasses"), part_index("earrings"))


def _misfit(rule: str) -> SemwaveError:
    return SemwaveError(f"no Semantic StyleGAN has these sizes: {rule}")


@dataclass(frozen=True)
class Architecture:
    """All sizes of a Semantic StyleGAN; the defaults are those of the published model.

    Raises:
        SemwaveError: sizes of which no generator can be made, with the rule that they break.
    """

    size: int = 512
    """Pixels of the picture; like the two other widths a power of two."""
    coarse_size: int = 64
    """Width of the grid that the parts are drawn and composed on."""
    smallest_size: int = 16
    """Width that the composed features are averaged down to before the render network."""
    code_size: int = CODE_SIZE
    mapping_layers: int = 8
    """None where the codes come from another mapping network."""
    parts: int = len(PARTS)
    """Part 0 is the background, which has no depth."""
    transparent: tuple[int, ...] = TRANSPARENT
    """Parts through which others are seen."""
    local_layers: int = 10
    """Layers of a part's network, of which the first ``base_layers`` read the base codes (the first code 0, the
    others code 1), the next up to ``depth_layers`` the shape code, and the rest the texture code."""
    base_layers: int = 2
    depth_layers: int = 6
    local_channels: int = 64
    coarse_channels: int = 512
    channel_multiplier: float = 2
    """Width of the render network, as StyleGAN2 counts it."""
    max_channels: int = 512
    refine: bool = True
    """Whether the render network adds to the masks to make the segmentation, or makes it alone."""

    def __post_init__(self):
        widths = (self.smallest_size, self.coarse_size, self.size)
        layers = (self.base_layers, self.depth_layers, self.local_layers)
        counts = (self.code_size, self.local_channels, self.coarse_channels, self.max_channels)
        if not isinstance(self.transparent, tuple) or not all(
            type(number) is int
            for number in (*widths, *layers, *counts, self.mapping_layers, self.parts, *self.transparent)
        ):
            raise _misfit("sizes are whole numbers, the transparent parts a tuple of them")
        if type(self.refine) is not bool or type(self.channel_multiplier) not in (int, float):
            raise _misfit("refine is true or false, the channel multiplier a number")
        if not 4 <= widths[0] < widths[1] <= widths[2] <= 2048 or any(width & (width - 1) for width in widths):
            raise _misfit("widths are powers of two, 4 <= smallest_size < coarse_size <= size <= 2048")
        if not BASE_CODES <= layers[0] < layers[1] < layers[2] <= 64:
            raise _misfit("layers are 2 <= base_layers < depth_layers < local_layers <= 64")
        if not 0 <= self.mapping_layers <= 64:
            raise _misfit("there are 0 to 64 mapping layers")
        if not all(1 <= count <= 4096 for count in counts) or not 0 < self.channel_multiplier <= 64:
            raise _misfit("channels and codes are 1 to 4096 wide, the channel multiplier is above 0 and at most 64")
        if not 2 <= self.parts <= 256 or not all(0 < part < self.parts for part in self.transparent):
            raise _misfit("there are 2 to 256 parts, the transparent ones among those after the background")

    @property
    def codes(self) -> int:
        """Codes of a face: 28 with 13 parts."""
        return BASE_CODES + 2 * self.parts

    @property
    def render_sizes(self) -> list[int]:
        """Widths of the render network's read-outs, ascending."""
        sizes, width = [], self.smallest_size
        while width < self.size:
            sizes.append(width := 2 * width)
        return sizes

    def channels(self, width: int) -> int:
        """Channels of the render network at ``width``."""
        return channels(width, self.channel_multiplier, self.max_channels)


@dataclass(frozen=True)
class Rendering:
    """All that one pass gives.

    ``image`` (B, 3, S, S) in about [-1, 1]; ``segmentation`` (B, parts, S, S), about 1 within a part and -1 outside,
    or None where it was not asked for; ``masks`` (B, parts, w, w) on the coarse grid, which add up to one.
    """

    image: Tensor
    segmentation: Tensor | None
    masks: Tensor

    @property
    def coarse_segmentation(self) -> Tensor:
        """The masks in the range of the segmentation, (B, parts, w, w) in [-1, 1]."""
        return 2 * self.masks - 1


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

    def forward(self, x: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (B, parts, P) and composed features (B, P, coarse_channels) at the places with features ``x`` (P, C).

        ``codes`` is (B, codes, code_size).
        """
        base, shape, texture = codes[:, :BASE_CODES], codes[:, BASE_CODES::2], codes[:, BASE_CODES + 1 :: 2]
        x = x.expand(len(codes), len(self), -1, -1)
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
        layers = [part.linears[index] for part in self]
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
        heads = [part.to_depth for part in list(self)[1:]]
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

        Sharing before the read-out, not after it, makes the read-outs of all parts one product and leaves out the 512
        features of 13 parts.
        """
        matrix = torch.cat([part.to_feat.matrix() for part in self], 1)
        bias = torch.cat([part.to_feat.bias.flatten(1) for part in self])
        shared = (x * shares[..., None].to(x.dtype)).transpose(1, 2).flatten(2)
        return functional.linear(shared, matrix) + shares.transpose(1, 2) @ bias


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
        self, features: Tensor, masks: Tensor, noise: Sequence[Tensor], segment: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Image (B, 3, S, S) and segmentation (B, parts, S, S) of composed ``features`` (B, C, w, w)."""
        x = functional.avg_pool2d(features, self.architecture.coarse_size // self.architecture.smallest_size)
        skip = None
        for i, size in enumerate(self.architecture.render_sizes):
            x = self.convs[2 * i](x, noise[2 * i])
            x = self.convs[2 * i + 1](x, noise[2 * i + 1])
            heads = [self.to_rgbs[i], self.to_segs[i]] if segment else [self.to_rgbs[i]]
            kernel = torch.cat([head.conv.kernel() for head in heads])
            bias = torch.cat([head.bias.flatten() for head in heads])
            seen = functional.conv2d(x, kernel, bias).float()
            skip = seen if skip is None else heads[0].upsample(skip) + seen
            if size == self.architecture.coarse_size:
                if segment and self.architecture.refine:
                    skip = torch.cat([skip[:, :3], skip[:, 3:] + (2 * masks - 1)], 1)
                x = torch.cat([x, features.to(x.dtype)], 1)
        return skip[:, :3], skip[:, 3:] if segment else None


class SemanticStyleGAN(nn.Module):
    """Pictures and part masks from a base and two codes a part; untrained, or as :meth:`from_official` reads it.

    Under ``torch.autocast`` it runs in bf16; depths, masks and what the picture is added up of stay float32.
    """

    def __init__(self, architecture: Architecture | None = None):
        super().__init__()
        self.architecture = architecture = architecture or Architecture()
        self.style = mapping(architecture.code_size, architecture.mapping_layers)
        frequencies = architecture.size.bit_length() - 1
        self.pos_embed = PositionEmbedding(architecture.coarse_size, frequencies, architecture.local_channels)
        self.local_nets = LocalGenerators(architecture)
        self.render_net = RenderNet(architecture)

    @classmethod
    def from_official(cls, path: Path | str) -> "SemanticStyleGAN":
        """The generator of a checkpoint (.pt) of the paper's authors: ``g_ema``, with its sizes in ``args``.

        The file may hold tensors, plain values and one argparse.Namespace; no code in it is run.

        Raises:
            SemwaveError: no such file, not such a checkpoint, anything else in it, or weights whose names and shapes
                are not exactly those of the sizes that it states.
        """
        state, sizes = read_official(Path(path))
        architecture = Architecture(**sizes)
        with torch.device("meta"):
            check_names_and_shapes(state, cls(architecture).state_dict(), Path(path))
        generator = cls(architecture)
        generator.load_state_dict(state)
        return generator.eval()

    def save(self, path: Path) -> None:
        """Write sizes and weights, fp16, to ``path``, .safetensors: whole or not at all."""
        state = {name: t.half() if t.is_floating_point() else t for name, t in self.state_dict().items()}
        about = {METADATA: json.dumps(asdict(self.architecture))}
        write_bytes(path, save({name: t.contiguous() for name, t in state.items()}, about))

    @classmethod
    def from_file(cls, path: Path) -> "SemanticStyleGAN":
        """The generator that :meth:`save` wrote.

        Raises:
            SemwaveError: no such file, or one that holds no such generator.
        """
        try:
            with safe_open(path, "pt") as file:
                sizes = json.loads((file.metadata() or {})[METADATA])
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            architecture = Architecture(**sizes | {"transparent": tuple(sizes["transparent"])})
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            raise SemwaveError(f"{path}: holds no Semantic StyleGAN; make one with 'semwave train'") from None
        with torch.device("meta"):
            check_names_and_shapes(state, cls(architecture).state_dict(), path)
        generator = cls(architecture)
        generator.load_state_dict(state)
        return generator.eval()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of pictures that it offers."""
        return (self.architecture.size,)

    def map(self, z: Tensor) -> Tensor:
        """Code w (B, 512) of standard normal ``z`` (B, 512)."""
        return self.style(z)

    def random_noise(self, count: int, generator: torch.Generator) -> list[Tensor]:
        """Fresh noise images for ``count`` pictures, one (count, 1, H, W) a layer, in place of the stored ones.

        They are drawn where ``generator`` is and put where the model is.
        """
        return [
            torch.randn(count, *stored.shape[1:], generator=generator, device=generator.device).to(stored.device)
            for stored in self.render_net.noises.buffers()
        ]

    def render(self, codes: Tensor, noise: Sequence[Tensor] | None = None, segment: bool = True) -> Rendering:
        """All that the generator makes of ``codes`` (B, 28, 512).

        Args:
            codes: codes in the space of :meth:`map`, in the order of :mod:`semwave.latent.layout`.
            noise: what :meth:`random_noise` gave; the stored noise without it.
            segment: whether the segmentation is wanted; without it a pass is shorter.

        Raises:
            SemwaveError: another number of codes.
        """
        expected = (self.architecture.codes, self.architecture.code_size)
        if codes.dim() != 3 or codes.shape[1:] != expected:
            raise SemwaveError(
                f"codes of shape {tuple(codes.shape)}; the generator reads (B, {expected[0]}, {expected[1]})"
            )
        width = self.architecture.coarse_size
        masks, features = self.local_nets(self.pos_embed(), codes)
        masks = masks.unflatten(2, (width, width))
        # In this order one picture has the strides of channels_last, too; transposed first, it lacks that of the batch,
        # convolutions take the slow way, and a step in bf16 takes 2.4 times as long.
        features = features.unflatten(1, (width, width)).permute(0, 3, 1, 2)
        image, segmentation = self.render_net(features, masks, noise or list(self.render_net.noises.buffers()), segment)
        return Rendering(image, segmentation, masks)

    def masks(self, codes: Tensor) -> Tensor:
        """Part masks (B, 13, w, w) of ``codes`` (B, 28, 512) on the coarse grid, without a picture."""
        width = self.architecture.coarse_size
        return self.local_nets(self.pos_embed(), codes)[0].unflatten(2, (width, width))

    def forward(self, codes: Tensor, size: int | None = None) -> Faces:
        """Faces of ``codes`` (B, 28, 512) with the stored noise; the masks are those that the parts are composed by.

        Raises:
            SemwaveError: another number of codes, or a size that is not the generator's own.
        """
        if size is not None and size not in self.sizes:
            raise SemwaveError(f"size {size} is not offered; the sizes are {', '.join(map(str, self.sizes))}")
        rendering = self.render(codes, segment=False)
        return Faces(rendering.image, rendering.masks)
