"""Corrections: learned steps of descent, from the encoder's codes towards the photograph.

    coordinates v -> generator, 128 px -> MSE to the photograph -> its gradient g, both (B, codes, coordinates)
    v - s M g

M (codes, coordinates, coordinates), one matrix a code, comes from the mean Jacobian of the picture; the lengths s
(codes, coordinates) are learned.

The encoder reads the photograph only; the gradient tells what its codes got wrong. M is that of a damped Gauss-Newton
step which takes the codes one by one; how far to go along each coordinate is learned with the rest, as in learned
gradient descent (Gregor and LeCun 2010; Andrychowicz et al. 2016).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from semwave.latent.layout import FACES, Layout
from semwave.pictures.images import SKETCH, resized

DAMPING = 3e-4
STEP = 0.25
LONGEST = 0.5
SHRINK = 0.9


class Corrections(nn.Module):
    """Coordinates (B, codes, coordinates) nearer to what a photograph shows, by ``count`` steps; none until started or
    loaded."""

    def __init__(self, count: int, layout: Layout = FACES):
        super().__init__()
        self.register_buffer("matrix", torch.zeros(layout.codes, layout.coordinates, layout.coordinates))
        self.steps = nn.Parameter(torch.full((count, layout.codes, layout.coordinates), STEP))

    @torch.no_grad()
    def start(self, metric: Tensor) -> None:
        """Take damped Gauss-Newton steps, given E[J^T J] (codes, coordinates, coordinates), J the Jacobian of the
        picture's pixels over the root of their number."""
        diagonal = metric.diagonal(0, 1, 2)
        self.matrix.copy_(torch.linalg.inv(SHRINK * metric + torch.diag_embed((1 - SHRINK) * diagonal + DAMPING)))
        nn.init.constant_(self.steps, STEP)

    def forward(self, draw: Callable[[Tensor], Tensor], images: Tensor, coordinates: Tensor) -> Tensor:
        """Corrected ``coordinates`` (B, codes, coordinates), where ``draw`` makes pictures (B, 3, 128, 128) of them and
        ``images`` (B, 3, H, H) is what they should be. There is no second derivative of ``draw``: its gradient counts
        as a constant."""
        images = resized(images, SKETCH)
        for step in self.steps:
            gradient = _gradient(draw, images, coordinates)
            with torch.autocast(images.device.type, enabled=False):
                move = step * torch.einsum("cij,bcj->bci", self.matrix, gradient)
            # A step is a few hundredths; a photograph unlike any other must not send the codes anywhere.
            coordinates = coordinates - move.clamp(-LONGEST, LONGEST)
        return coordinates


@torch.enable_grad()
def _gradient(draw: Callable[[Tensor], Tensor], images: Tensor, coordinates: Tensor) -> Tensor:
    """Half the gradient (B, codes, coordinates) of the MSE between ``draw(coordinates)`` and ``images``."""
    at = coordinates.detach().float().requires_grad_(True)
    squared = (draw(at).float() - images).square().mean((1, 2, 3))
    return torch.autograd.grad(squared.sum() / 2, at)[0]
