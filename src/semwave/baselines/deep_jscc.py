"""Deep JSCC (Bourtsoulatze, Kurka, Gündüz, IEEE TCCN 2019): convolutions from pixels to symbols and back.

    picture (B,3,H,W) -> 5 convolutions 5x5, PReLU -> (B,c,H/d,W/d) -> unit power -> X (B,k)
    Y (B,k) -> (B,c,H/d,W/d) -> 5 transposed convolutions 5x5, PReLU, sigmoid at the end -> picture (B,3,H,W)

| k at 512 px | k/n     | strides   | d  | c  |
| ----------- | ------- | --------- | -- | -- |
| 32768       | 1/24    | 2 2 1 1 1 | 4  | 2  | the paper's layers
| 2560        | 10/3072 | 2 2 2 2 2 | 32 | 10 | the same layers, strided further to reach our budget

16, 32, 32, 32 and c channels. It is fully convolutional: k grows with the picture, k/n = c / (3 d^2).
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from semwave.air.iq import signal, unit_power
from semwave.air.link import Link
from semwave.baselines.facts import DEEP_JSCC, Facts
from semwave.errors import SemwaveError
from semwave.generators.memory import channels_last
from semwave.generators.weights import read_weights
from semwave.pictures.files import file_digest
from semwave.types import Delivered
from semwave.zoo import WEIGHTS

FOLDER = WEIGHTS / "deep-jscc"
WIDTHS = (16, 32, 32, 32)
KERNEL = 5


@dataclass(frozen=True)
class Layout:
    """Strides of the five convolutions and channels ``c`` of the last one."""

    strides: tuple[int, ...]
    c: int

    @property
    def down(self) -> int:
        """d, by how much the symbols' grid is smaller than the picture."""
        return math.prod(self.strides)


LAYOUTS = {32768: Layout((2, 2, 1, 1, 1), 2), 2560: Layout((2, 2, 2, 2, 2), 10)}
"""By the number of real symbols of a picture of 512 x 512."""


class DeepJSCC(nn.Module):
    """Encoder and decoder of ``layout``; untrained."""

    def __init__(self, layout: Layout):
        super().__init__()
        self.layout = layout
        widths = (3, *WIDTHS, layout.c)
        self.encoder, self.decoder = nn.Sequential(), nn.Sequential()
        for i, stride in enumerate(layout.strides):
            self.encoder.append(nn.Conv2d(widths[i], widths[i + 1], KERNEL, stride, KERNEL // 2))
            self.encoder.append(nn.PReLU())
        for i, stride in reversed(list(enumerate(layout.strides))):
            self.decoder.append(
                nn.ConvTranspose2d(widths[i + 1], widths[i], KERNEL, stride, KERNEL // 2, output_padding=stride - 1)
            )
            if i:
                self.decoder.append(nn.PReLU())
        channels_last(self)

    def encode(self, images: Tensor) -> Tensor:
        """Symbols (B, k) with mean square 1 in every picture, of ``images`` (B, 3, H, W) in [-1, 1].

        Raises:
            SemwaveError: a height or width that is no multiple of d.
        """
        down = self.layout.down
        if images.shape[-2] % down or images.shape[-1] % down:
            raise SemwaveError(f"Deep JSCC needs pictures of a multiple of {down} pixels, not {tuple(images.shape)}")
        return unit_power(self.encoder(images.contiguous(memory_format=torch.channels_last)).float().flatten(1))

    def decode(self, symbols: Tensor, height: int, width: int) -> Tensor:
        """Pictures (B, 3, ``height``, ``width``) in [-1, 1] of equalised ``symbols`` (B, k)."""
        down = self.layout.down
        grid = symbols.unflatten(1, (self.layout.c, height // down, width // down))
        # In bf16, a sigmoid near one has steps of a grey level.
        return 2 * self.decoder(grid.contiguous(memory_format=torch.channels_last)).float().sigmoid() - 1


class DeepJSCCScheme:
    """A trained ``network`` as a scheme with ``k`` real symbols at 512 px; ``key`` names its weights."""

    def __init__(self, k: int, key: str, network: DeepJSCC):
        self.name, self.key, self.network = f"deep-jscc-k{k}", key, network
        self.facts = Facts(DEEP_JSCC, k=k, channel_noise=True)

    @torch.no_grad()
    def send(self, image: Tensor, link: Link) -> Delivered:
        """Send ``image`` (1, 3, H, W)."""
        symbols = self.network.encode(image)
        soft = link(signal(symbols))
        return Delivered(self.network.decode(soft.symbols, *image.shape[-2:]), symbols.shape[1])


@cache
def trained(k: int, folder: Path = FOLDER) -> DeepJSCCScheme:
    """Deep JSCC with ``k`` real symbols at 512 px, as ``semwave train deep-jscc`` wrote it to ``folder``.

    Raises:
        SemwaveError: it is not there.
    """
    file = folder / f"k{k}.safetensors"
    if not file.is_file():
        raise SemwaveError(f"{file} is missing; make it with 'semwave train deep-jscc --k {k}'")
    network = DeepJSCC(LAYOUTS[k])
    read_weights(file, network)
    key = file_digest(file)
    return DeepJSCCScheme(k, key, network.eval().requires_grad_(False))
