"""A Semantic StyleGAN that draws the codes of another generator.

    codes (B,28,512) -> coordinates (B,28,256) -> as far apart as codes are -> Semantic StyleGAN -> picture, part masks

It learns to draw what the other generator draws of the same codes, so all that makes and carries codes (encoder,
flow, codecs, knowledge base) serves both. The principal directions that :mod:`semwave.latent.space` sends are the codes of
the network inside.
"""

from torch import Tensor, autocast, nn

from semwave.errors import SemwaveError
from semwave.generators.faces import Faces
from semwave.generators.semantic_stylegan import Rendering, SemanticStyleGAN
from semwave.inversion.correction import PICTURE
from semwave.inversion.parser import INPUT
from semwave.latent.layout import CODE_SIZE, CODES
from semwave.latent.space import COORDINATES, LAYOUT_CODE, CodeSpace
from semwave.pictures.images import resized


class DistilledGenerator(nn.Module):
    """``network`` with codes of 256 numbers, reading the codes (B, 28, 512) that ``space`` belongs to.

    Raises:
        SemwaveError: a network with other codes.
    """

    def __init__(self, network: SemanticStyleGAN, space: CodeSpace):
        super().__init__()
        if network.architecture.code_size != COORDINATES or network.architecture.codes != CODES:
            raise SemwaveError(f"a generator that reads {CODES} x {COORDINATES} coordinates is needed here")
        self.network, self.space = network, space
        # Coordinates are white, but a direction in which faces hardly differ hardly moves the picture.
        spread = space.directions.norm(dim=0)
        scale = (spread / spread.square().mean().sqrt()).repeat(CODES, 1)
        scale[LAYOUT_CODE] = 1
        self.register_buffer("scale", scale, persistent=False)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of pictures that it offers."""
        return self.network.sizes

    def render(self, coordinates: Tensor, segment: bool = True) -> Rendering:
        """All that the network makes of ``coordinates`` (B, 28, 256)."""
        return self.network.render(coordinates * self.scale, segment=segment)

    def masks(self, codes: Tensor) -> Tensor:
        """Part masks (B, 13, w, w) of ``codes`` (B, 28, 512)."""
        return self.network.masks(self._coordinates(codes) * self.scale)

    def forward(self, codes: Tensor, size: int) -> Faces:
        """Faces of ``codes`` (B, 28, 512).

        Besides its own sizes there are those at which parser, encoder and corrections look at pictures, resized.

        Raises:
            SemwaveError: another number of codes, or a size that is not offered.
        """
        if size not in {*self.sizes, PICTURE, INPUT}:
            raise SemwaveError(f"size {size} is not offered; the sizes are {', '.join(map(str, self.sizes))}")
        rendering = self.render(self._coordinates(codes), segment=False)
        return Faces(resized(rendering.image, size), rendering.masks)

    def _coordinates(self, codes: Tensor) -> Tensor:
        if codes.shape[1:] != (CODES, CODE_SIZE):
            raise SemwaveError(f"codes of shape {tuple(codes.shape)}; the generator reads (B, {CODES}, {CODE_SIZE})")
        with autocast(codes.device.type, enabled=False):
            return self.space.coordinates(codes.float())
