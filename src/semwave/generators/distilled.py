"""A Semantic StyleGAN that draws the codes of another generator.

    codes -> whitened coordinates -> as far apart as codes are -> Semantic StyleGAN -> picture, part masks

It learns to draw what the other generator draws of the same codes, so all that makes and carries codes (encoder,
flow, codecs, knowledge base) serves both. The coordinates that are sent (:mod:`semwave.latent.space`) are the codes of
the network inside.
"""

from torch import Tensor, autocast, nn

from semwave.errors import SemwaveError
from semwave.generators.semantic_stylegan import Rendering, SemanticStyleGAN
from semwave.latent.layout import MASK_CODE
from semwave.latent.space import CodeSpace
from semwave.pictures.images import INPUT, SKETCH, resized
from semwave.types import Drawing


class DistilledGenerator(nn.Module):
    """``network``, whose codes are coordinates, reading the codes (B, codes, code_size) that ``space`` belongs to.

    Raises:
        SemwaveError: a network with other codes.
    """

    def __init__(self, network: SemanticStyleGAN, space: CodeSpace):
        super().__init__()
        layout = space.layout
        if (network.architecture.codes, network.architecture.code_size) != (layout.codes, layout.coordinates):
            raise SemwaveError(
                f"a generator that reads {layout.codes} x {layout.coordinates} coordinates is needed here"
            )
        self.network, self.space = network, space
        # Coordinates are white, but a direction in which faces hardly differ hardly moves the picture.
        spread = space.directions.norm(dim=0)
        scale = (spread / spread.square().mean().sqrt()).repeat(layout.codes, 1)
        if layout.mask_numbers:
            scale[MASK_CODE] = 1
        self.register_buffer("scale", scale, persistent=False)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of pictures that it offers."""
        return self.network.sizes

    def render(self, coordinates: Tensor, segment: bool = True, size: int | None = None) -> Rendering:
        """All that the network makes of ``coordinates`` (B, codes, coordinates), ``size`` pixels wide, or as wide as it
        can."""
        return self.network.render(coordinates * self.scale, segment=segment, size=size)

    def masks(self, codes: Tensor) -> Tensor:
        """Part masks (B, parts, w, w) of ``codes`` (B, codes, code_size)."""
        return self.network.masks(self._coordinates(codes) * self.scale)

    def forward(self, codes: Tensor, size: int) -> Drawing:
        """Faces of ``codes`` (B, codes, code_size).

        Besides its own sizes there are those at which parser, encoder and corrections look at pictures, resized.

        Raises:
            SemwaveError: another number of codes, or a size that is not offered.
        """
        return self._drawings(codes, (size,))[size]

    def with_sketch(self, codes: Tensor, size: int) -> tuple[Drawing, Tensor]:
        """What a call draws, and the images of 128 px (B, 3, 128, 128), in one pass."""
        drawings = self._drawings(codes, (SKETCH, size))
        return drawings[size], drawings[SKETCH].image

    def _drawings(self, codes: Tensor, sizes: tuple[int, ...]) -> dict[int, Drawing]:
        if unknown := {*sizes} - {*self.sizes, SKETCH, INPUT}:
            offered = ", ".join(map(str, self.sizes))
            raise SemwaveError(f"size {max(unknown)} is not offered; the sizes are {offered}")
        # Each is read off the next larger picture that there is.
        source = {size: min((w for w in self.sizes if w >= size), default=max(self.sizes)) for size in sizes}
        rendering = self.render(self._coordinates(codes), segment=False, size=max(source.values()))
        pictures = {picture.shape[-1]: picture for picture in (*rendering.smaller, rendering.image)}
        return {size: Drawing(resized(pictures[source[size]], size), rendering.masks) for size in sizes}

    def _coordinates(self, codes: Tensor) -> Tensor:
        expected = self.space.layout.codes, self.space.layout.code_size
        if codes.shape[1:] != expected:
            raise SemwaveError(
                f"codes of shape {tuple(codes.shape)}; the generator reads (B, {expected[0]}, {expected[1]})"
            )
        with autocast(codes.device.type, enabled=False):
            return self.space.coordinates(codes.float())
