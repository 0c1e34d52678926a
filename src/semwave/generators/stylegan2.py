"""Layers that the Semantic StyleGAN generator and its discriminator share, all from StyleGAN2.

Karras et al., "Analyzing and improving the image quality of StyleGAN" (CVPR 2020), called [K] below. Equalised
learning rates and pixel norm are from Karras et al., "Progressive growing of GANs" (ICLR 2018), sections 4.1 and 4.2,
the mapping network is from Karras et al., "A style-based generator architecture" (CVPR 2019), called [S].

An activation is a leaky ReLU times sqrt(2). Leaky ReLU commutes with positive factors, so the layers put the factor
into their kernel and bias, which saves a pass over the features.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
SQRT2 = 2**0.5
EPSILON = 1e-8
MAPPING_LEARNING_RATE = 0.01
"""Learning rate of the mapping network as a factor of the others' ([S], appendix C)."""


def channels(width: int, multiplier: float, most: int = 512) -> int:
    """Channels of features that are ``width`` pixels wide, at most ``most``; multiplier 2 is configuration F of [K]."""
    return min(most, 512 if width <= 32 else int(16384 * multiplier / width))


def binomial_kernel(gain: float) -> Tensor:
    """The fixed blur of [K], (4, 4): the outer product of [1, 3, 3, 1] with itself, which adds up to ``gain``."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return taps.outer(taps) * (gain / 64)


class Blur(nn.Module):
    """The fixed blur, each channel for itself: (B, C, H, W) -> (B, C, H + 2 padding - 3, W + 2 padding - 3)."""

    def __init__(self, padding: int, gain: float = 1.0):
        super().__init__()
        self.padding = padding
        self.register_buffer("kernel", binomial_kernel(gain))

    def forward(self, x: Tensor) -> Tensor:
        """Blurred ``x``."""
        count = x.shape[1]
        # A bias does not belong in here: for its gradient oneDNN computes that of the kernel, sixty times as slow.
        return functional.conv2d(x, self.kernel.expand(count, 1, 4, 4), padding=self.padding, groups=count)


class Upsample(nn.Module):
    """Twice the size through the fixed blur: (B, C, H, W) -> (B, C, 2 H, 2 W), float32 under autocast too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(4.0))

    def forward(self, x: Tensor) -> Tensor:
        """Zeros between the pixels and around them, then the blur."""
        count = x.shape[1]
        # What passes here adds up over all sizes: in bf16 a picture of 8 bits would lose its last.
        with torch.autocast(x.device.type, enabled=False):
            kernel = self.kernel.expand(count, 1, 4, 4)
            return functional.conv_transpose2d(x.float(), kernel, stride=2, padding=1, groups=count)


class BiasedActivation(nn.Module):
    """Bias and leaky ReLU for what comes out of a kernel that carries the factor sqrt(2)."""

    def __init__(self, size: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size))

    def scaled_bias(self) -> Tensor:
        """The bias (C,) times sqrt(2)."""
        return self.bias * SQRT2

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return functional.leaky_relu_(x + self.scaled_bias()[:, None, None], SLOPE)


class EqualLinear(nn.Module):
    """Linear layer (..., inputs) -> (..., outputs) with an equalised learning rate.

    ``learning_rate`` is a factor of its own; with ``activated`` the activation follows.
    """

    def __init__(
        self, inputs: int, outputs: int, bias: float = 0.0, learning_rate: float = 1.0, activated: bool = False
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / learning_rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.learning_rate = learning_rate
        self.activated = activated

    @property
    def gain(self) -> float:
        """Factor of the stored weight."""
        return self.learning_rate * self.weight.shape[1] ** -0.5

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        factor = SQRT2 if self.activated else 1.0
        y = functional.linear(x, self.weight * (self.gain * factor), self.bias * (self.learning_rate * factor))
        return functional.leaky_relu(y, SLOPE) if self.activated else y


class PixelNorm(nn.Module):
    """Unit mean square over the last dimension."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return x * (x.square().mean(-1, keepdim=True) + EPSILON).rsqrt()


def mapping(size: int, layers: int) -> nn.Sequential:
    """Mapping network ([S], Fig. 1): normal numbers (..., size) -> codes (..., size)."""
    return nn.Sequential(
        PixelNorm(),
        *(EqualLinear(size, size, learning_rate=MAPPING_LEARNING_RATE, activated=True) for _ in range(layers)),
    )


def demodulated(kernel: Tensor) -> Tensor:
    """``kernel`` (..., outputs, inputs) with unit power in every row ([K], eq. 3)."""
    return kernel * (kernel.square().sum(-1, keepdim=True) + EPSILON).rsqrt()


class FixedConvolution(nn.Module):
    """Weights of a modulated convolution ([K], section 2.2) whose style is a parameter, not a code."""

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, width, width))
        self.modulation = nn.Parameter(torch.ones(1, inputs, 1, 1))

    def kernel(self) -> Tensor:
        """The modulated kernel (outputs, inputs, width, width), not demodulated."""
        return self.weight * (self.modulation * self.weight[0].numel() ** -0.5)


class Projection(nn.Module):
    """Linear 1x1 read-out of features, with the doubling that brings the read-out before it to its size.

    Not every read-out has one before it; the authors' files name the kernel of the doubling in all of them.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = FixedConvolution(inputs, outputs, 1)
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))
        self.upsample = Upsample()

    def matrix(self) -> Tensor:
        """The kernel as a matrix (outputs, inputs)."""
        return self.conv.kernel().flatten(1)
