"""A model out of a Semantic StyleGAN checkpoint of the paper's authors alone, without training.

    photo -> descent from the mean face -> codes -> whitened coordinates -> linear codec -> symbols
    symbols -> linear codec -> coordinates -> codes -> the checkpoint's generator -> picture

Mean, principal directions and codec come from random codes of the checkpoint's mapping network. There is no encoder, no
flow and nothing that was trained through noise: it is a start, and a baseline.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.air.iq import signal
from semwave.coding.codec import Codec
from semwave.errors import SemwaveError
from semwave.generators.semantic_stylegan import SemanticStyleGAN
from semwave.inversion.descent import descend
from semwave.latent.layout import BASE_CODES, FACES
from semwave.latent.space import SAMPLES, CodeSpace
from semwave.pictures.files import file_digest
from semwave.pictures.images import INPUT, resized
from semwave.types import Drawing, Inversion, Message, Scene, Signal, Soft, new_header
from semwave.zoo import CodecConfig, ModelConfig

SUFFIX = ".pt"
STEPS = 80
"""Steps of descent where none are asked for: there is no encoder to start from."""
FACES_MEASURED = 600
OF_ANOTHER = 0.3
"""Share of the parts whose codes are another face's, in the faces that the codec is fitted to."""
LAYOUT = replace(FACES, mask_numbers=0)
"""That of faces, but no code says where the parts lie."""
CODEC = CodecConfig(512, 64)


class CheckpointModel(nn.Module):
    """The checkpoint in ``path`` with all that sending takes: a :class:`semwave.types.Generative` model.

    Raises:
        SemwaveError: as :meth:`SemanticStyleGAN.from_official`, and for a checkpoint with other codes.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.generator = SemanticStyleGAN.from_official(path)
        sizes = self.generator.architecture
        if sizes.codes != LAYOUT.codes or not LAYOUT.coordinates <= sizes.code_size:
            raise SemwaveError(
                f"{path}: {sizes.codes} codes of {sizes.code_size} numbers; sending takes {LAYOUT.codes} of "
                f"{LAYOUT.coordinates} or more"
            )
        self.config = ModelConfig(
            name=path.name,
            sizes=self.generator.sizes,
            size=max(self.generator.sizes),
            codec=CODEC,
            layout=replace(LAYOUT, code_size=sizes.code_size),
            generator="semantic-stylegan",
            flow=None,
            corrections=0,
            licence="that of the checkpoint",
            card=str(path),
        )
        self.digest = file_digest(path)
        layout = self.config.layout
        self.space = CodeSpace(layout)
        random = torch.Generator().manual_seed(0)
        with torch.no_grad():
            self.space.measure(self.generator.map(torch.randn(SAMPLES, layout.code_size, generator=random)))
            faces = self.space.coordinates(self.sample(FACES_MEASURED, random))
        self.codec = Codec(CODEC.symbols, CODEC.width, layout)
        # Coordinates are white; an error counts by how far it moves the code.
        spread = self.space.directions.square().sum(0)
        self.codec.start_linear(faces, torch.diag(spread / spread.mean()).expand(layout.codes, -1, -1))
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Codes (count, codes, code_size) of random faces, some of their parts another face's."""
        layout = self.config.layout
        own, other = self.generator.map(torch.randn(2 * count, layout.code_size, generator=generator))[:, None].chunk(2)
        parts = torch.rand(count, len(layout.parts), generator=generator) < OF_ANOTHER
        swapped = functional.pad(parts.repeat_interleave(2, 1), (BASE_CODES, 0))
        return torch.where(swapped[:, :, None], other, own)

    def invert(self, scene: Scene, inversion: Inversion = Inversion()) -> Tensor:
        """Codes (B, codes, code_size) of the picture of ``scene`` after ``inversion.steps`` of descent, 80 without a
        number. There is no encoder, so every start is the mean face; ``inversion.k`` changes nothing."""
        mean = torch.zeros(len(scene.picture), self.config.layout.codes, self.config.layout.coordinates)
        inversion = replace(inversion, steps=inversion.steps or STEPS)
        return self.space.codes(descend(self.generate, self.space, scene.picture, mean, inversion))

    @torch.no_grad()
    def encode(self, scene: Scene, k: int, layers: tuple[str, ...] | None = None) -> Signal:
        """The signal of the codes of ``scene`` in ``k`` real symbols.

        Raises:
            SemwaveError: a k or layers that are not offered, or a scene without codes.
        """
        header = new_header(self, scene, k, layers)
        assert scene.codes is not None
        plan = self.codec.plan(k)
        return signal(plan.join(plan.sent(self.codec.encode(self.space.coordinates(scene.codes)))), header)

    @torch.no_grad()
    def decode(self, soft: Soft) -> Message:
        """What arrived in ``soft``, whose header is this model's."""
        assert soft.header is not None
        symbols, noise, _ = self.codec.plan(soft.header.k).split(soft.symbols, soft.noise)
        codes = self.space.codes(self.codec.decode(symbols, noise))
        return Message(codes, soft.header, soft.snr_db, soft.received)

    @torch.no_grad()
    def draw(self, message: Message, size: int | None = None) -> Drawing:
        """The picture of ``message``. Raises :class:`SemwaveError` for a size that is not offered."""
        return self.generate(message.codes, self.config.checked_size(size))

    def generate(self, codes: Tensor, size: int) -> Drawing:
        """Pictures (B, 3, size, size) and part masks of ``codes`` (B, codes, code_size); at 256 px, for inversion,
        resized."""
        if size in self.config.sizes or size != INPUT:
            return self.generator(codes, size)
        drawing = self.generator(codes, self.config.size)
        return Drawing(resized(drawing.image, size), drawing.masks)
