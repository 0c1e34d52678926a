"""The default generator: MobileStyleGAN with its own code for every part of the face.

    base code 1 -> part masks
    base code 0 -> 4x4, 8x8 -> shape codes -> 16x16, 32x32 -> texture codes -> 64x64   -> head 128
                                                                            -> 128x128 -> head 256
                                                                            -> 256x256 -> head 512
                                                                            -> 512x512 -> original head, 1024

From 16x16 on the style of a convolution is a map: the styles of all parts' codes, mixed by the part masks.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.generators.memory import channels_last, keep_casts
from semwave.generators.mobile_stylegan import (
    Block,
    MobileStyleGAN,
    Modulation,
    Style,
    haar,
    inverse_haar,
    is_fixed,
)
from semwave.latent.layout import BASE_CODES, FACES, MASK_CODE, Layout
from semwave.latent.masks import GRID, LayoutCoder, mask_pyramid
from semwave.pictures.images import SKETCH
from semwave.pictures.mesh import without_mesh
from semwave.types import Drawing

SIZES = (256, 512, 1024)
HEADS = (128, 256, 512)
"""Widths with a head of their own; 128 px is for training, where it halves the time of a step."""
FIRST_SHAPE_BLOCK = 1
FIRST_TEXTURE_BLOCK = 3
HEAD_CHANNELS = 32


class Head(nn.Module):
    """Image at twice the width of the features: modulation, a linear and a nonlinear path, inverse Haar."""

    def __init__(self, channels: int, code_size: int):
        super().__init__()
        self.modulation = Modulation(channels, code_size)
        self.direct = nn.Conv2d(channels, 12, 1)
        self.wide = nn.Conv2d(channels, HEAD_CHANNELS, 3, padding=1)
        self.narrow = nn.Conv2d(HEAD_CHANNELS, 12, 1)

    def forward(self, x: Tensor, style: Style) -> Tensor:
        """(B, C, H, W) -> (B, 3, 2 H, 2 W)."""
        x = style(x, self.modulation)
        return inverse_haar(self.direct(x) + self.narrow(functional.leaky_relu(self.wide(x), 0.2)))

    @torch.no_grad()
    def start_linear(self, features: Tensor, truth: Tensor) -> None:
        """Start from the best linear path alone, by least squares: ``features`` (B, C, H, W) to images ``truth``
        (B, 3, 2 H, 2 W)."""
        x = features.double().movedim(1, -1).flatten(0, 2)
        y = haar(truth).double().movedim(1, -1).flatten(0, 2)
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        gram = x.T @ x
        ridge = 1e-5 * gram.trace() / len(gram) * torch.eye(len(gram), dtype=gram.dtype)
        solution = torch.linalg.solve(gram + ridge, x.T @ y)
        self.direct.weight.copy_(solution[:-1].T[:, :, None, None])
        for bias, value in ((self.direct.bias, solution[-1]), (self.narrow.bias, torch.zeros(()))):
            assert bias is not None
            bias.copy_(value)
        nn.init.zeros_(self.narrow.weight)


class CompositionalGenerator(nn.Module):
    """Images of 256, 512 or 1024 pixels and part masks from codes (B, codes, code_size) of ``layout``."""

    def __init__(self, layout: Layout = FACES):
        super().__init__()
        self.body = MobileStyleGAN()
        self.layout, self.codes = LayoutCoder(layout), layout.codes
        channels = [len(block.conv2.kernel) for block in self.body.blocks if isinstance(block, Block)]
        self.heads = nn.ModuleDict({str(size): Head(channels[i], layout.code_size) for i, size in enumerate(HEADS, 3)})
        channels_last(self)

    def in_bf16(self) -> "CompositionalGenerator":
        """A copy to be used under bf16 autocast, whose weights need no cast at every call."""
        cast = copy.deepcopy(self)
        for parameter in (*cast.body.parameters(), *cast.heads.parameters()):
            parameter.data = parameter.data.bfloat16()
        keep_casts(cast.layout)
        return cast

    def trained_state(self) -> dict[str, Tensor]:
        """The state that training makes: all but what stays of the network as it was published."""
        return {name: t for name, t in self.state_dict().items() if not is_fixed(name.removeprefix("body."))}

    def load_trained(self, state: dict[str, Tensor]) -> None:
        """Load what :meth:`trained_state` gave. Raises ``RuntimeError`` for names or shapes that differ."""
        self.load_state_dict(self.state_dict() | state)
        if missing := self.trained_state().keys() - state.keys():
            raise RuntimeError(f"missing in the generator's state: {', '.join(sorted(missing))}")

    def forward(self, codes: Tensor, size: int) -> Drawing:
        """Faces of ``codes`` (B, codes, code_size). Raises :class:`SemwaveError` for a size that is not offered."""
        return self.drawings(codes, (size,))[size]

    def with_sketch(self, codes: Tensor, size: int) -> tuple[Drawing, Tensor]:
        """What a call draws, and the images of 128 px (B, 3, 128, 128) that the same features give."""
        drawings = self.drawings(codes, (SKETCH, size))
        return drawings[size], drawings[SKETCH].image

    def masks(self, codes: Tensor) -> Tensor:
        """Part masks (B, parts, 64, 64) of ``codes`` (B, codes, code_size)."""
        return mask_pyramid(self.layout.decode(codes[:, MASK_CODE]), GRID)

    def drawings(self, codes: Tensor, sizes: tuple[int, ...]) -> dict[int, Drawing]:
        """Faces of several ``sizes`` in one pass."""
        logits = self.layout.decode(codes[:, MASK_CODE])
        masks = mask_pyramid(logits, GRID)
        return {size: Drawing(image, masks) for size, image in self._images(codes, logits, sizes).items()}

    def images(self, codes: Tensor, sizes: tuple[int, ...]) -> dict[int, Tensor]:
        """Images of several ``sizes`` in one pass."""
        return self._images(codes, self.layout.decode(codes[:, MASK_CODE]), sizes)

    def _images(self, codes: Tensor, logits: Tensor, sizes: tuple[int, ...]) -> dict[int, Tensor]:
        if not set(sizes) <= {*HEADS, *SIZES}:
            raise SemwaveError(f"size {max(sizes)} is not offered; the sizes are {', '.join(map(str, SIZES))}")
        if codes.shape[1] != self.codes:
            raise SemwaveError(f"{codes.shape[1]} codes an image, but the generator reads {self.codes}")
        masks: dict[int, Tensor] = {}

        def mixed(parts: Tensor) -> Style:
            def style(x: Tensor, modulation: Modulation) -> Tensor:
                width = x.shape[-1]
                if width not in masks:
                    masks[width] = mask_pyramid(logits, width).flatten(2).transpose(1, 2)
                factors = torch.bmm(masks[width], modulation(parts)).transpose(1, 2).unflatten(2, (width, width))
                # Where nothing is learned the product takes the place of the factors.
                return x * factors if torch.is_grad_enabled() else factors.mul_(x)

            return style

        def base(x: Tensor, modulation: Modulation) -> Tensor:
            return x * modulation(codes[:, 0])[:, :, None, None]

        shape, texture = mixed(codes[:, BASE_CODES::2]), mixed(codes[:, BASE_CODES + 1 :: 2])
        x = self.body.stem(base, len(codes))
        images = {}
        for i, block in enumerate(self.body.blocks):
            x = block(x, texture if i >= FIRST_TEXTURE_BLOCK else shape if i >= FIRST_SHAPE_BLOCK else base)
            size = 2 * x.shape[-1]
            if size in sizes:
                image = (self.heads[str(size)] if size in HEADS else self.body.image)(x, texture)
                images[size] = without_mesh(image) if size in SIZES else image
            if size == max(sizes):
                break
        return images
