"""The sizes of a Semantic StyleGAN, and what one pass of it gives."""

from dataclasses import dataclass

from torch import Tensor

from semwave.errors import SemwaveError
from semwave.generators.stylegan2 import channels
from semwave.latent.layout import BASE_CODES, FACES

TRANSPARENT = (FACES.part_index("glasses"), FACES.part_index("earrings"))


def _misfit(rule: str) -> SemwaveError:
    return SemwaveError(f"no Semantic StyleGAN has these sizes: {rule}")


@dataclass(frozen=True)
class Architecture:
    """All sizes of a Semantic StyleGAN; the defaults are those of the published model.

    Raises:
        SemwaveError: sizes of which no generator can be made, with the rule that they break.
    """

    size: int = 512
    """Pixels of the picture; like the two other widths a power of two."""
    coarse_size: int = 64
    """Width of the grid that the parts are drawn and composed on."""
    smallest_size: int = 16
    """Width that the composed features are averaged down to before the render network."""
    code_size: int = FACES.code_size
    mapping_layers: int = 8
    """0 where the codes come from another mapping network."""
    parts: int = len(FACES.parts)
    """Part 0 is the background, which has no depth."""
    transparent: tuple[int, ...] = TRANSPARENT
    """Parts through which others are seen."""
    local_layers: int = 10
    """Layers of a part's network, of which the first ``base_layers`` read the base codes (the first code 0, the
    others code 1), the next up to ``depth_layers`` the shape code, and the rest the texture code."""
    base_layers: int = 2
    depth_layers: int = 6
    local_channels: int = 64
    coarse_channels: int = 512
    channel_multiplier: float = 2
    """Width of the render network, as StyleGAN2 counts it."""
    max_channels: int = 512
    octaves: int = 0
    """Of the sines that tell places on the grid apart; log2(size) where it is 0, as published."""
    drawn_sizes: tuple[int, ...] = ()
    """Widths of pictures that the render network gives where it is left early; ``size`` alone where there are none."""
    refine: bool = True
    """Whether the render network adds to the masks to make the segmentation, or makes it alone."""

    def __post_init__(self):
        widths = (self.smallest_size, self.coarse_size, self.size)
        layers = (self.base_layers, self.depth_layers, self.local_layers)
        counts = (self.code_size, self.local_channels, self.coarse_channels, self.max_channels)
        tuples = self.transparent, self.drawn_sizes
        if not all(isinstance(each, tuple) for each in tuples) or not all(
            type(number) is int
            for number in (*widths, *layers, *counts, self.mapping_layers, self.parts, self.octaves, *sum(tuples, ()))
        ):
            raise _misfit("sizes are whole numbers, transparent parts and drawn sizes tuples of them")
        if type(self.refine) is not bool or type(self.channel_multiplier) not in (int, float):
            raise _misfit("refine is true or false, the channel multiplier a number")
        if not 4 <= widths[0] < widths[1] <= widths[2] <= 2048 or any(width & (width - 1) for width in widths):
            raise _misfit("widths are powers of two, 4 <= smallest_size < coarse_size <= size <= 2048")
        if not BASE_CODES <= layers[0] < layers[1] < layers[2] <= 64:
            raise _misfit("layers are 2 <= base_layers < depth_layers < local_layers <= 64")
        if not 0 <= self.mapping_layers <= 64 or not 0 <= self.octaves <= 16:
            raise _misfit("there are 0 to 64 mapping layers and up to 16 octaves")
        if self.drawn_sizes and (self.drawn_sizes[-1] != self.size or not {*self.drawn_sizes} <= {*self.render_sizes}):
            raise _misfit("drawn sizes are widths of the render network from the coarse grid on, the last the size")
        if not all(1 <= count <= 4096 for count in counts) or not 0 < self.channel_multiplier <= 64:
            raise _misfit("channels and codes are 1 to 4096 wide, the channel multiplier is above 0 and at most 64")
        if not 2 <= self.parts <= 256 or not all(0 < part < self.parts for part in self.transparent):
            raise _misfit("there are 2 to 256 parts, the transparent ones among those after the background")

    @property
    def codes(self) -> int:
        """Number of codes: two base codes, and two for every part."""
        return BASE_CODES + 2 * self.parts

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths of pictures that are offered, ascending."""
        return self.drawn_sizes or (self.size,)

    @property
    def render_sizes(self) -> list[int]:
        """Widths of the render network's read-outs, ascending."""
        sizes, width = [], self.smallest_size
        while width < self.size:
            sizes.append(width := 2 * width)
        return sizes

    def channels(self, width: int) -> int:
        """Channels of the render network at ``width``."""
        return channels(width, self.channel_multiplier, self.max_channels)


@dataclass(frozen=True)
class Rendering:
    """All that one pass gives.

    ``image`` (B, 3, S, S) in about [-1, 1]; ``segmentation`` (B, parts, S, S), about 1 within a part and -1 outside,
    or None where it was not asked for; ``masks`` (B, parts, w, w) on the coarse grid, which add up to one; ``smaller``
    are the pictures of the other drawn sizes that the image was built upon, ascending.
    """

    image: Tensor
    segmentation: Tensor | None
    masks: Tensor
    smaller: tuple[Tensor, ...] = ()

    @property
    def coarse_segmentation(self) -> Tensor:
        """The masks in the range of the segmentation, (B, parts, w, w) in [-1, 1]."""
        return 2 * self.masks - 1
