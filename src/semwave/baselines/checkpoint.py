"""A model out of a Semantic StyleGAN checkpoint of the paper's authors alone, without training.

    photo -> descent from the mean face -> codes -> whitened coordinates -> linear codec -> symbols
    symbols -> linear codec -> coordinates -> codes -> the checkpoint's generator -> picture

Mean, principal directions and codec come from random codes of the checkpoint's mapping network. There is no encoder, no
flow and nothing that was trained through noise: it is a start, and a baseline.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.coding.codec import WIDTHS, Codec
from semwave.errors import SemwaveError
from semwave.generators.faces import Faces
from semwave.generators.semantic_stylegan import SemanticStyleGAN
from semwave.inversion.descent import invert
from semwave.inversion.parser import INPUT
from semwave.latent.layout import BASE_CODES, CODE_SIZE, CODES
from semwave.latent.space import COORDINATES, SAMPLES, CodeSpace
from semwave.pictures.images import resized

SUFFIX = ".pt"
STEPS = 80
FACES = 600
OF_ANOTHER = 0.3
"""Share of the parts whose codes are another face's, in the faces that the codec is fitted to."""


class PlainSpace(CodeSpace):
    """Whitened coordinates of codes that are all alike: no code is a layout."""

    def codes(self, coordinates: Tensor) -> Tensor:
        """Codes (B, 28, 512) of ``coordinates`` (B, 28, 256)."""
        return self.mean + coordinates @ self.directions.T

    def coordinates(self, codes: Tensor) -> Tensor:
        """Coordinates (B, 28, 256) of ``codes`` (B, 28, 512)."""
        return (codes - self.mean) @ self.inverse.T


class CheckpointModel(nn.Module):
    """The checkpoint in ``path`` with all that sending takes; follows :class:`semwave.model.Model`.

    Raises:
        SemwaveError: as :meth:`SemanticStyleGAN.from_official`, and for a checkpoint with other codes.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.residuals: dict = {}
        self.name, self.info = path.name, {"licence": "that of the checkpoint", "card": str(path)}
        self.generator = SemanticStyleGAN.from_official(path)
        sizes = self.generator.architecture
        if sizes.codes != CODES or sizes.code_size < COORDINATES:
            raise SemwaveError(
                f"{path}: {sizes.codes} codes of {sizes.code_size} numbers; sending takes {CODES} of 512"
            )
        self.size, self.sizes = max(self.generator.sizes), self.generator.sizes
        self.space = PlainSpace()
        random = torch.Generator().manual_seed(0)
        with torch.no_grad():
            self.space.measure(self.generator.map(torch.randn(SAMPLES, CODE_SIZE, generator=random)))
            faces = self.space.coordinates(self.sample(FACES, random))
        self.codecs = {k: Codec(k, width) for k, width in WIDTHS.items()}
        # Coordinates are white; an error counts by how far it moves the code.
        spread = self.space.directions.square().sum(0)
        for codec in self.codecs.values():
            codec.start_linear(faces, torch.diag(spread / spread.mean()).expand(CODES, -1, -1))
            codec.requires_grad_(False)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Codes (count, 28, 512) of random faces, some of their parts another face's."""
        own, other = self.generator.map(torch.randn(2 * count, CODE_SIZE, generator=generator))[:, None].chunk(2)
        parts = torch.rand(count, (CODES - BASE_CODES) // 2, generator=generator) < OF_ANOTHER
        swapped = functional.pad(parts.repeat_interleave(2, 1), (BASE_CODES, 0))
        return torch.where(swapped[:, :, None], other, own)

    def invert(
        self,
        images: Tensor,
        steps: int = 0,
        start: str = "mean",
        k: int | None = None,
        progress: Callable[[int, float], None] | None = None,
        **options,
    ) -> Tensor:
        """Codes (B, 28, 512) of aligned ``images`` (B, 3, H, H) after ``steps`` of descent, 80 without a number.

        There is no encoder, so every ``start`` is the mean face; ``k`` changes nothing.
        """
        mean = torch.zeros(len(images), CODES, COORDINATES)
        found = invert(self.generate, self.space, images, mean, steps or STEPS, progress=progress, **options)
        return self.space.codes(found)

    def encode(self, codes: Tensor, k: int) -> Tensor:
        """Symbols (B, k) float32 with mean square 1 in every image, of ``codes`` (B, 28, 512)."""
        return self.codecs[k].encode(self.space.coordinates(codes))

    def decode(self, symbols: Tensor, snr_db: Tensor | float) -> Tensor:
        """Codes (B, 28, 512) of equalised ``symbols`` (B, k) received at ``snr_db``, a number or (B,)."""
        snr_db = torch.as_tensor(snr_db, dtype=torch.float32).expand(len(symbols))
        return self.space.codes(self.codecs[symbols.shape[1]].decode(symbols, snr_db))

    def generate(self, codes: Tensor, size: int) -> Faces:
        """Pictures (B, 3, size, size) and part masks of ``codes`` (B, 28, 512); at 256 px, for inversion, resized."""
        if size in self.sizes or size != INPUT:
            return self.generator(codes, size)
        faces = self.generator(codes, self.size)
        return Faces(resized(faces.image, size), faces.masks)
