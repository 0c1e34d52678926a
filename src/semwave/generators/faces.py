"""What every generator gives."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Faces:
    """``image`` (B, 3, size, size) in about [-1, 1] and ``masks`` (B, 13, w, w) that add up to one.

    The grid of the masks is the generator's own: 64 x 64 for those of 256 pixels and more.
    """

    image: Tensor
    masks: Tensor
