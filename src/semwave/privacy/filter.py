"""The privacy filter, the paper's eq. 4: private codes are moved away from the truth by a random bias.

    L' = L + s b,  b random,  s the smallest with  d(L', L) > lambda1 ||L||

L are the private codes of an image, d is the Euclidean distance over all of them together. The bias is one that
random faces differ by (:mod:`semwave.latent.space`): it is spread over the directions of W as faces are, and as no part
of it lies beyond those that are sent, all of it goes on air.
"""

import torch
from torch import Tensor

# The inequality must survive float32, in which codes are rounded by 6e-8 of their size.
MARGIN, LEAST = 1e-5, 1e-6


def filtered(codes: Tensor, lambda1: float, directions: Tensor, random: torch.Generator) -> Tensor:
    """L' of the private ``codes`` (B, n, code_size), by the smallest bias along a random direction.

    ``directions`` (code_size, coordinates) take white noise to differences of faces. Since the distance grows with the
    scale alone, the smallest scale is known in closed form. ``random`` is on the CPU; the same state gives the same
    bits.
    """
    noise = torch.randn(*codes.shape[:2], directions.shape[1], generator=random, dtype=torch.float32)
    bias = noise.double() @ directions.double().T
    truth = codes.double()
    least = lambda1 * _norm(truth)
    scale = (least + MARGIN * (_norm(truth) + least) + LEAST) / _norm(bias).clamp_min(LEAST)
    return (truth + scale * bias).to(codes.dtype)


def _norm(codes: Tensor) -> Tensor:
    return codes.square().sum((1, 2), keepdim=True).sqrt()
