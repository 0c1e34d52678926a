"""A small model in place of the shipped ones: a picture is its 8x8 average, sent through a linear map."""

import torch
from torch import Tensor
from torch.nn import functional

from semwave.air.iq import signal, unit_power
from semwave.types import Drawing, Inversion, Message, Scene, Signal, Soft, new_header
from semwave.zoo import CodecConfig, ModelConfig

NUMBERS = 3 * 8 * 8
CONFIG = ModelConfig(
    name="faces-512",
    sizes=(256, 512, 1024),
    size=512,
    codec=CodecConfig(32768, 1),
    k=2560,
    flow=None,
    licence="Apache-2.0",
    card="docs/models.md",
)


class LinearModel:
    """A :class:`semwave.types.Generative` model that, without noise, is exact for pictures of 8x8 squares."""

    config, digest = CONFIG, "0123456789ab"

    def __init__(self):
        self.maps = {}
        self.inversions = 0

    def map(self, k: int) -> Tensor:
        """(k, NUMBERS + 1), of orthonormal columns where k is large enough."""
        if k not in self.maps:
            drawn = torch.randn(max(k, NUMBERS + 1), NUMBERS + 1, generator=torch.Generator().manual_seed(k))
            self.maps[k] = torch.linalg.qr(drawn)[0][:k]
        return self.maps[k]

    def invert(self, scene: Scene, inversion: Inversion = Inversion()) -> Tensor:
        self.inversions += 1
        self.asked = (inversion.start, inversion.steps)
        for step in range(inversion.steps if inversion.progress else 0):
            inversion.progress(step + 1, 0.0)
        codes = torch.zeros(len(scene.picture), 28, 512)
        codes[:, 0, :NUMBERS] = functional.adaptive_avg_pool2d(scene.picture, 8).flatten(1)
        return codes

    def encode(self, scene: Scene, k: int, layers: tuple[str, ...] | None = None) -> Signal:
        header = new_header(self, scene, k, layers)
        numbers = torch.cat([scene.codes[:, 0, :NUMBERS], torch.ones(len(scene.codes), 1)], 1) @ self.map(k).T
        return signal(unit_power(numbers), header)

    def decode(self, soft: Soft) -> Message:
        numbers = soft.symbols @ self.map(soft.header.k)
        codes = torch.zeros(len(soft.symbols), 28, 512)
        codes[:, 0, :NUMBERS] = (numbers[:, :NUMBERS] / numbers[:, NUMBERS:]).nan_to_num()
        return Message(codes, soft.header, soft.snr_db, soft.received)

    def draw(self, message: Message, size: int | None = None) -> Drawing:
        return self.generate(message.codes, CONFIG.checked_size(size))

    def generate(self, codes: Tensor, size: int) -> Drawing:
        squares = codes[:, 0, :NUMBERS].reshape(-1, 3, 8, 8)
        masks = torch.eye(13).repeat(1, 5)[:, :64].repeat(len(codes), 1, 1)[..., None].expand(-1, -1, -1, 64)
        return Drawing(functional.interpolate(squares, size=(size, size)), masks)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        codes = torch.zeros(count, 28, 512)
        codes[:, 0, :NUMBERS] = torch.rand(count, NUMBERS, generator=generator) * 2 - 1
        return codes


def linear_sender(out, **options):
    """A sender of this model into the folder ``out``, as another process makes one for itself."""
    from semwave.apps.send import Sender

    return Sender(LinearModel(), (256,), (0.0, 10.0), size=256, align_faces=False, out=out, **options)
