"""MobileFaceNet: numbers that tell faces apart, with gradients, for an identity loss. dlib stays the judge.

    aligned picture (B, 3, S, S) -> five points on the network's template (B, 3, 112, 112) -> unit vector (B, 192)

The pictures are in CelebA-HQ's frame, where eyes and mouth are in one place, measured on training photographs. The
weights are not shipped: how they were trained is not documented.
"""

from pathlib import Path

import numpy as np
import torch
from skimage.transform import estimate_transform
from torch import Tensor, nn
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.generators.memory import channels_last
from semwave.pictures.arrays import check_finite, read_safetensors

INPUT = 112
TEMPLATE = ((38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20))
"""Left and right eye, nose tip and corners of the mouth, as seen, in the network's 112 x 112."""
FRAME = ((0.3794, 0.4805), (0.6223, 0.4817), (0.4993, 0.6258), (0.3922, 0.7375), (0.6094, 0.7379))
"""The same in an aligned photograph, in shares of its width."""
BLOCKS = (
    (64, 128, 64, 2, False), *[(64, 128, 64, 1, True)] * 4, (64, 256, 128, 2, False), *[(128, 256, 128, 1, True)] * 6,
    (128, 512, 128, 2, False), *[(128, 256, 128, 1, True)] * 2,
)  # fmt: skip
"""Channels in, between and out, stride, and whether the input is added."""


class _Layer(nn.Module):
    """Convolution, padded as TensorFlow does, and PReLU where ``active``."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, deep: bool = False, active: bool = True,
                 padded: bool = True):  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, groups=inputs if deep else 1)
        self.act = nn.PReLU(outputs) if active else None
        around = (kernel - 1) // 2
        self.pad = (0 if stride == 2 else around, around) * 2 if padded and kernel > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(functional.pad(x, self.pad) if self.pad else x)
        return self.act(x) if self.act else x


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int, added: bool):
        super().__init__()
        self.body = nn.Sequential(
            _Layer(inputs, hidden, 1),
            _Layer(hidden, hidden, 3, stride, deep=True),
            _Layer(hidden, outputs, 1, active=False),
        )
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.added else self.body(x)


class FaceIdentity(nn.Module):
    """Unit vectors (B, 192) of pictures (B, 3, S, S) in [-1, 1], aligned as CelebA-HQ is.

    Raises:
        SemwaveError: no such file ``weights``, or another network's.
    """

    def __init__(self, weights: Path):
        super().__init__()
        self.net = nn.Sequential(
            _Layer(3, 64, 3, 2),
            _Layer(64, 64, 3, deep=True),
            _Layer(64, 64, 1, active=False),
            *(_Bottleneck(*block) for block in BLOCKS),
            _Layer(128, 512, 1),
            _Layer(512, 512, 7, deep=True, active=False, padded=False),
            _Layer(512, 512, 1, active=False),
            _Layer(512, 192, 1, active=False),
        )
        state, _ = read_safetensors(weights, "give MobileFaceNet's weights")
        check_finite(weights, state)
        try:
            self.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        except RuntimeError:
            raise SemwaveError(f"{weights}: holds other weights than MobileFaceNet's") from None
        # For affine_grid, whose coordinates go from -1 to 1.
        places = 2 * np.array(TEMPLATE) / INPUT - 1, 2 * np.array(FRAME) - 1
        turned = estimate_transform("similarity", *places).params[:2]
        self.register_buffer("theta", torch.from_numpy(turned).float())
        channels_last(self.requires_grad_(False).eval())

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 192)."""
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            # A small step from pixel to pixel keeps what is finer than the template out.
            while images.shape[-1] >= 3 * INPUT:
                images = functional.avg_pool2d(images, 2)
            shape = (len(images), 3, INPUT, INPUT)
            grid = functional.affine_grid(self.theta.expand(len(images), -1, -1), list(shape), align_corners=False)
            x = functional.grid_sample(images, grid, align_corners=False, padding_mode="border")
        # (pixel - 127.5) / 128
        x = (x * (127.5 / 128)).contiguous(memory_format=torch.channels_last)
        return functional.normalize(self.net(x).flatten(1).float())
