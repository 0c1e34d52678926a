"""Whitened coordinates of the codes, in which they are inverted, flow and are sent.

    code = mean + directions v        v (256): the principal directions of W, each with unit variance

256 of the 512 directions hold 95 % of the variance of W. Base code 1 is the layout: its 64 numbers are white already.
"""

import torch
from torch import Tensor, nn

from semwave.latent.layout import FACES, MASK_CODE, Layout

SAMPLES = 20_000
"""Random styles that mean and directions are measured on."""


class CodeSpace(nn.Module):
    """The linear map between codes (B, codes, code_size) and coordinates (B, codes, coordinates) of ``layout``.

    The mask code, where the layout has one, is white already: its numbers are its coordinates.
    """

    def __init__(self, layout: Layout = FACES):
        super().__init__()
        self.layout = layout
        self.register_buffer("mean", torch.zeros(layout.code_size))
        self.register_buffer("directions", torch.zeros(layout.code_size, layout.coordinates))
        self.register_buffer("inverse", torch.zeros(layout.coordinates, layout.code_size))

    @torch.no_grad()
    def measure(self, w: Tensor) -> None:
        """Set mean and directions from random styles ``w`` (N, 512)."""
        values, vectors = torch.linalg.eigh(torch.cov(w.double().T))
        values, vectors = values[-self.layout.coordinates :].flip(0), vectors[:, -self.layout.coordinates :].flip(1)
        self.mean.copy_(w.mean(0))
        self.directions.copy_(vectors * values.sqrt())
        self.inverse.copy_((vectors / values.sqrt()).T)

    def codes(self, coordinates: Tensor) -> Tensor:
        """Codes (B, codes, code_size) of ``coordinates`` (B, codes, coordinates)."""
        codes = self.mean + coordinates @ self.directions.T
        if not self.layout.mask_numbers:
            return codes
        masks = coordinates[:, MASK_CODE, : self.layout.mask_numbers].repeat(1, self.layout.copies)
        return torch.cat([codes[:, :MASK_CODE], masks[:, None], codes[:, MASK_CODE + 1 :]], 1)

    def coordinates(self, codes: Tensor) -> Tensor:
        """Coordinates (B, codes, coordinates) of ``codes`` (B, codes, code_size), projected where a code leaves the
        directions."""
        coordinates = (codes - self.mean) @ self.inverse.T
        numbers = self.layout.mask_numbers
        if not numbers:
            return coordinates
        masks = codes[:, MASK_CODE].unflatten(1, (self.layout.copies, numbers)).mean(1)
        masks = nn.functional.pad(masks, (0, self.layout.coordinates - numbers))
        return torch.cat([coordinates[:, :MASK_CODE], masks[:, None], coordinates[:, MASK_CODE + 1 :]], 1)


def used_coordinates(layout: Layout) -> Tensor:
    """Which coordinates carry something, (codes, coordinates) bool: all, but in the mask code only its numbers."""
    used = torch.ones(layout.codes, layout.coordinates, dtype=torch.bool)
    if layout.mask_numbers:
        used[MASK_CODE, layout.mask_numbers :] = False
    return used
