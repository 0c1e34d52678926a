"""Whitened coordinates of the codes, in which they are inverted, flow and are sent.

    code = mean + directions v        v (256): the principal directions of W, each with unit variance

256 of the 512 directions hold 95 % of the variance of W. Base code 1 is the layout: its 64 numbers are white already.
"""

import torch
from torch import Tensor, nn

from semwave.latent.layout import CODE_SIZE, CODES
from semwave.latent.masks import COPIES, NUMBERS

COORDINATES = 256
LAYOUT_CODE = 1
SAMPLES = 20_000


class CodeSpace(nn.Module):
    """The linear map between codes (B, 28, 512) and coordinates (B, 28, 256)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(CODE_SIZE))
        self.register_buffer("directions", torch.zeros(CODE_SIZE, COORDINATES))
        self.register_buffer("inverse", torch.zeros(COORDINATES, CODE_SIZE))

    @torch.no_grad()
    def measure(self, w: Tensor) -> None:
        """Set mean and directions from random styles ``w`` (N, 512)."""
        values, vectors = torch.linalg.eigh(torch.cov(w.double().T))
        values, vectors = values[-COORDINATES:].flip(0), vectors[:, -COORDINATES:].flip(1)
        self.mean.copy_(w.mean(0))
        self.directions.copy_(vectors * values.sqrt())
        self.inverse.copy_((vectors / values.sqrt()).T)

    def codes(self, coordinates: Tensor) -> Tensor:
        """Codes (B, 28, 512) of ``coordinates`` (B, 28, 256)."""
        codes = self.mean + coordinates @ self.directions.T
        layout = coordinates[:, LAYOUT_CODE, :NUMBERS].repeat(1, COPIES)
        return torch.cat([codes[:, :LAYOUT_CODE], layout[:, None], codes[:, LAYOUT_CODE + 1 :]], 1)

    def coordinates(self, codes: Tensor) -> Tensor:
        """Coordinates (B, 28, 256) of ``codes`` (B, 28, 512), projected where a code leaves the 256 directions."""
        coordinates = (codes - self.mean) @ self.inverse.T
        layout = codes[:, LAYOUT_CODE].unflatten(1, (COPIES, NUMBERS)).mean(1)
        layout = nn.functional.pad(layout, (0, COORDINATES - NUMBERS))
        return torch.cat([coordinates[:, :LAYOUT_CODE], layout[:, None], coordinates[:, LAYOUT_CODE + 1 :]], 1)


def used_coordinates() -> Tensor:
    """Which of the 28 x 256 coordinates carry something, (28, 256) bool: all, but 64 only in the layout code."""
    used = torch.ones(CODES, COORDINATES, dtype=torch.bool)
    used[LAYOUT_CODE, NUMBERS:] = False
    return used
