"""The latent layout that every part of semwave shares: 28 codes of 512 numbers.

Codes 0 and 1 are the shared base (pose, head shape, layout of the parts); part ``i`` has a shape code
``2 + 2 i`` and a texture code ``3 + 2 i``. The order of the parts is that of Semantic StyleGAN (Shi et al., CVPR 2022).
"""

from semwave.errors import SemwaveError

PARTS = (
    "background",
    "skin",
    "eyes",
    "brows",
    "mouth",
    "nose",
    "ears",
    "hair",
    "neck",
    "clothes",
    "glasses",
    "hat",
    "earrings",
)
BASE_CODES = 2
CODES = BASE_CODES + 2 * len(PARTS)
CODE_SIZE = 512


def part_index(part: str) -> int:
    """Position of ``part`` in :data:`PARTS`. Raises :class:`SemwaveError`, naming the valid parts, if it is none."""
    if part not in PARTS:
        raise SemwaveError(f"unknown part '{part}'; the parts are {', '.join(PARTS)}")
    return PARTS.index(part)


def shape_index(part: str) -> int:
    """Index of the shape code of ``part`` among the 28 codes."""
    return BASE_CODES + 2 * part_index(part)


def texture_index(part: str) -> int:
    """Index of the texture code of ``part`` among the 28 codes."""
    return shape_index(part) + 1
