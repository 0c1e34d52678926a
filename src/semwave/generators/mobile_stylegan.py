"""MobileStyleGAN (Belousov 2021), distilled from StyleGAN2-FFHQ, as the PyPI wheel ``random-face`` carries it.

The constants are read from the wheel's OpenVINO files; OpenVINO itself is not needed. Demodulation is folded into
the weights, so a style is a plain factor for every input channel of a convolution, and may differ from place to place.

    z (512) -> mapping -> w (512)
    constant 4x4 -> first -> [inverse Haar, conv1, conv2] x 7 (8x8 ... 512x512) -> to_image -> inverse Haar -> 1024x1024
"""

import importlib.util
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.errors import SemwaveError

WHEEL = "random-face==2021.7.21.1"
BLOCKS = 7
SQRT2 = 2**0.5

StyleMap = Callable[["Modulation", int], Tensor]
"""Gives the factors of a modulation for features of a given width, broadcastable to (B, C, width, width)."""


def wheel_data() -> Path:
    """Folder of the wheel's network files. Raises :class:`SemwaveError`, with the install command, if it is missing."""
    spec = importlib.util.find_spec("random_face")
    if spec is None or not spec.submodule_search_locations:
        raise SemwaveError(f"the generator's weights are missing: run pip install --no-deps {WHEEL}")
    return Path(spec.submodule_search_locations[0]) / "data"


def read_constants(stem: Path) -> list[tuple[str, Tensor]]:
    """All float32 constants of an OpenVINO IR pair (stem.xml, stem.bin), in file order, with their names."""
    blob, constants = stem.with_suffix(".bin").read_bytes(), []
    layers = ElementTree.parse(stem.with_suffix(".xml")).getroot().find("layers")
    for layer in layers if layers is not None else []:
        data = layer.find("data")
        if layer.get("type") != "Const" or data is None or data.get("element_type") != "f32":
            continue
        shape = [int(size) for size in data.get("shape", "").split(",") if size.strip()]
        array = np.frombuffer(blob, np.float32, count=int(data.attrib["size"]) // 4, offset=int(data.attrib["offset"]))
        constants.append((layer.get("name"), torch.from_numpy(array.reshape(shape).copy())))
    return constants


def inverse_haar(x: Tensor) -> Tensor:
    """One level of the inverse Haar wavelet transform, (B, 4 C, H, W) -> (B, C, 2 H, 2 W).

    The first C channels are the averages, then come three details a channel.
    """
    b, c4, h, w = x.shape
    mean = x[:, : c4 // 4] / 2
    across, down, both = (x[:, c4 // 4 :].unflatten(1, (c4 // 4, 3)) / 2).unbind(2)
    top, bottom = mean + across, mean - across
    inner, outer = down + both, down - both
    quad = torch.stack([top + inner, top - inner, bottom + outer, bottom - outer], 2)
    return functional.pixel_shuffle(quad.reshape(b, c4, h, w), 2)


def haar(x: Tensor) -> Tensor:
    """The transform that :func:`inverse_haar` undoes, (B, C, 2 H, 2 W) -> (B, 4 C, H, W)."""
    a, b, c, d = (functional.pixel_unshuffle(x, 2).unflatten(1, (x.shape[1], 4)) / 2).unbind(2)
    details = torch.stack([a + b - c - d, a - b + c - d, a - b - c + d], 2)
    return torch.cat([a + b + c + d, details.flatten(1, 2)], 1)


class Modulation(nn.Module):
    """Style factors of one convolution: ``scale * (weight w + bias)``, (..., 512) -> (..., channels)."""

    def __init__(self, weight: Tensor, bias: Tensor, scale: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(weight * scale)
        self.bias = nn.Parameter(bias.reshape(-1) * scale)

    def forward(self, code: Tensor) -> Tensor:
        """Factors (..., channels) of ``code`` (..., 512)."""
        return functional.linear(code, self.weight, self.bias)


class Convolution(nn.Module):
    """Modulated convolution with stored noise: depthwise 3x3 then 1x1, or a full 3x3 where ``depthwise`` is None."""

    def __init__(self, modulation: Modulation, depthwise: Tensor | None, kernel: Tensor, noise: Tensor, bias: Tensor):
        super().__init__()
        self.modulation = modulation
        self.depthwise = None if depthwise is None else nn.Parameter(depthwise.reshape(-1, 1, 3, 3))
        self.kernel = nn.Parameter(kernel)
        self.bias = nn.Parameter(bias.reshape(-1))
        self.register_buffer("noise", noise)

    def forward(self, x: Tensor, style: StyleMap) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        x = x * style(self.modulation, x.shape[-1])
        if self.depthwise is not None:
            x = functional.conv2d(x, self.depthwise, padding=1, groups=x.shape[1])
        x = functional.conv2d(x, self.kernel, self.bias, padding=self.kernel.shape[-1] // 2)
        return functional.leaky_relu_(x.add_(self.noise.to(x.dtype)), 0.2)


class Block(nn.Module):
    """Doubles the size by a modulated inverse Haar transform, then two convolutions."""

    def __init__(self, up: Modulation, conv1: Convolution, conv2: Convolution):
        super().__init__()
        self.up, self.conv1, self.conv2 = up, conv1, conv2

    def forward(self, x: Tensor, style: StyleMap) -> Tensor:
        """(B, C, H, W) -> (B, C', 2 H, 2 W)."""
        x = inverse_haar(x * style(self.up, x.shape[-1])).contiguous(memory_format=torch.channels_last)
        return self.conv2(self.conv1(x, style), style)


class MobileStyleGAN(nn.Module):
    """The pretrained network of the wheel. Raises :class:`SemwaveError` where the wheel is not installed."""

    def __init__(self):
        super().__init__()
        folder = wheel_data()
        constants = read_constants(folder / "SynthesisNetwork")
        named = dict(constants)
        kernels = [t for name, t in constants if name.startswith("Mul_") and name.endswith("_copy")]
        scales = [float(t) for name, t in constants if name.startswith("Constant_") and t.shape == (1, 1, 1, 1)]
        noises = [t for _, t in constants if t.dim() == 4 and t.shape[:2] == (1, 1) and t.shape[2] == t.shape[3] >= 4]

        def modulation(name: str, scale: float = 1.0) -> Modulation:
            return Modulation(named[f"{name}.modulation.weight"], named[f"{name}.modulation.bias"], scale)

        def convolution(name: str, index: int) -> Convolution:
            # The file lists the scales from the last layer back to the first.
            scaled = modulation(f"{name}.conv", scales[len(kernels) - index])
            depthwise = named.get(f"{name}.conv.weight_dw")
            return Convolution(scaled, depthwise, kernels[index], noises[index], named[f"{name}.bias"])

        self.constant = nn.Parameter(named["m.input.input"])
        self.first = convolution("m.conv1", 0)
        self.blocks = nn.ModuleList(
            Block(
                modulation(f"m.layers.{i}.up"),
                convolution(f"m.layers.{i}.conv1", 2 * i + 1),
                convolution(f"m.layers.{i}.conv2", 2 * i + 2),
            )
            for i in range(BLOCKS)
        )
        self.to_image = modulation("m.layers.6.to_img.conv", scales[0])
        self.to_image_kernel = nn.Parameter(named["m.layers.6.to_img.conv.weight"])
        self.to_image_bias = nn.Parameter(named["m.layers.6.to_img.bias"].reshape(-1))
        mapping = [tensor for _, tensor in read_constants(folder / "MappingNetwork")]
        layers = [t for t in mapping if t.shape == (512, 512)]
        biases = [t for t in mapping if t.shape == (512,)]
        self.mapping = nn.ParameterList(layers)
        self.mapping_bias = nn.ParameterList(biases)
        self.requires_grad_(False)

    def map(self, z: Tensor) -> Tensor:
        """Style w (B, 512) of a standard normal ``z`` (B, 512)."""
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for weight, bias in zip(self.mapping, self.mapping_bias, strict=True):
            x = functional.leaky_relu(functional.linear(x, weight, bias), 0.2) * SQRT2
        return x

    def stem(self, style: StyleMap, batch: int) -> Tensor:
        """Features at 4x4, (B, 512, 4, 4)."""
        x = self.constant.expand(batch, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        return self.first(x, style)

    def image(self, x: Tensor, style: StyleMap) -> Tensor:
        """Image (B, 3, 1024, 1024) in about [-1, 1] from the features of the last block."""
        x = x * style(self.to_image, x.shape[-1])
        return inverse_haar(functional.conv2d(x, self.to_image_kernel, self.to_image_bias))

    def forward(self, w: Tensor) -> Tensor:
        """Image (B, 3, 1024, 1024) of one style ``w`` (B, 512) for all layers."""

        def style(modulation: Modulation, width: int) -> Tensor:
            return modulation(w)[:, :, None, None]

        x = self.stem(style, len(w))
        for block in self.blocks:
            x = block(x, style)
        return self.image(x, style)
