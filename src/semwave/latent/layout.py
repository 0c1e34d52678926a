"""The latent layout: how many codes there are, of what size, and which part of the picture each belongs to.

    codes 0, 1         the base: pose, outline; code 1 is where every part lies, if the layout has ``mask_numbers``
    code 2 + 2 i       shape of part i
    code 3 + 2 i       texture of part i

Everything after the generator (privacy, flow, codec) reads this object and nothing else of the domain: another domain
than faces is another layout. Shapes in docstrings name its numbers: (B, codes, code_size) are the codes of B pictures,
(B, codes, coordinates) their whitened coordinates, (B, parts, w, w) part masks. For faces: 28, 512, 256 and 13.
"""

from dataclasses import dataclass

from semwave.errors import SemwaveError

BASE_CODES = 2
MASK_CODE = 1
"""The base code whose numbers are the part masks, in a layout with ``mask_numbers``."""


@dataclass(frozen=True)
class Layout:
    """Parts of a picture, and the codes that describe them.

    Args:
        parts: names of the parts, in the order of their codes.
        code_size: numbers of a code.
        coordinates: numbers of a code's whitened coordinates, at most ``code_size``; these are sent.
        mask_numbers: numbers of base code 1 that say where every part lies; 0 where no code does.
        compact: parts that aligned pictures have in the same place; the others reach anywhere.
        identity: parts that tell whose picture it is.
        essential: parts that a typical picture shows.
        covering: parts that hide essential ones.

    Raises:
        ValueError: no parts, a name twice, a group with a name that is none, or sizes that do not fit.
    """

    parts: tuple[str, ...]
    code_size: int = 512
    coordinates: int = 256
    mask_numbers: int = 0
    compact: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()
    covering: tuple[str, ...] = ()

    def __post_init__(self):
        groups = {*self.compact, *self.identity, *self.essential, *self.covering}
        if not self.parts or len({*self.parts}) < len(self.parts) or not groups <= {*self.parts}:
            raise ValueError("a layout names every part once, and groups of parts by these names")
        if not 1 <= self.coordinates <= self.code_size or not 0 <= self.mask_numbers <= self.coordinates:
            raise ValueError("a code has 1 to code_size coordinates, of which 0 to all are mask_numbers")
        if self.mask_numbers and self.code_size % self.mask_numbers:
            raise ValueError("mask_numbers must divide code_size")

    @property
    def codes(self) -> int:
        """Number of codes: two base codes, and two for every part."""
        return BASE_CODES + 2 * len(self.parts)

    @property
    def copies(self) -> int:
        """How often the mask numbers stand in base code 1, which so keeps the size of every other code."""
        return self.code_size // self.mask_numbers

    def part_index(self, part: str) -> int:
        """Position of ``part`` among the parts. Raises :class:`SemwaveError`, naming the valid ones, if it is none."""
        if part not in self.parts:
            raise SemwaveError(f"unknown part '{part}'; the parts are {', '.join(self.parts)}")
        return self.parts.index(part)

    def shape_index(self, part: str) -> int:
        """Index of the shape code of ``part``; its texture code follows."""
        return BASE_CODES + 2 * self.part_index(part)

    def code_indices(self, parts: tuple[str, ...]) -> list[int]:
        """Indices of the shape and texture codes of ``parts``, in their order."""
        return [index for part in parts for index in (self.shape_index(part), self.shape_index(part) + 1)]

    def part_indices(self, parts: tuple[str, ...]) -> list[int]:
        """Positions of ``parts`` among all."""
        return [self.part_index(part) for part in parts]


FACES = Layout(
    parts=(
        "background", "skin", "eyes", "brows", "mouth", "nose", "ears", "hair", "neck", "clothes", "glasses", "hat",
        "earrings",
    ),
    mask_numbers=64,
    compact=("eyes", "brows", "mouth", "nose", "ears", "glasses", "earrings"),
    identity=("skin", "eyes", "brows", "mouth", "nose", "ears", "glasses"),
    essential=("skin", "eyes", "brows", "mouth", "nose"),
    covering=("glasses",),
)  # fmt: skip
"""Faces, with the parts of Semantic StyleGAN (Shi et al., CVPR 2022) in its order."""
