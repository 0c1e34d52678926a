"""The privacy filter, the paper's eq. 4: private codes are moved away from the truth by a random bias.

    L' = L + s b,  b random,  s the smallest with  d(L', L) > lambda1 ||L||

L are the coordinates of the private codes (:mod:`semwave.codespace`), in which every direction of W has unit variance
and nothing is lost on the way to the flow: a bias beyond them would not be sent. d is the Euclidean distance over all
private codes of an image together.
"""

import torch
from torch import Tensor

# The inequality must survive float32: coordinates are rounded by 6e-8 of their size.
MARGIN = 1e-5
LEAST = 1e-6


def filtered(coordinates: Tensor, lambda1: float, random: torch.Generator) -> Tensor:
    """L' of the private ``coordinates`` (B, codes, 256) by the smallest bias along a random direction.

    The direction is isotropic; since the distance grows with the scale alone, the smallest scale is known in closed
    form and no search is needed. ``random`` is on the CPU; the same state gives the same bits.
    """
    bias = torch.randn(coordinates.shape, generator=random).double()
    bias = bias / _norm(bias).clamp_min(LEAST)
    least = lambda1 * _norm(coordinates.double())
    margin = MARGIN * (_norm(coordinates.double()) + least) + LEAST
    return (coordinates.double() + (least + margin) * bias).to(coordinates.dtype)


def _norm(coordinates: Tensor) -> Tensor:
    return coordinates.square().sum((1, 2), keepdim=True).sqrt()
