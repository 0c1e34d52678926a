"""Correction: one learned step of descent, from the encoder's codes towards the photograph.

    coordinates v (B,28,256) -> generator, 128 px -> MSE to the photograph -> its gradient g (B,28,256)
    v - D M D g      D (28,256): fixed scale of every coordinate;  M (28,256,256): learned, one matrix a code

The encoder reads the photograph only; the gradient tells what its codes got wrong. M starts as that of a damped
Gauss-Newton step that takes the codes one by one, with the mean Jacobian of the picture, and is trained with the rest:
learned gradient descent (Andrychowicz et al. 2016; Gregor and LeCun 2010). One such step does what thirty of Adam do.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.codespace import COORDINATES
from semwave.layout import CODES

PICTURE = 128
DAMPING = 3e-4
STEP = 0.25
SHRINK = 0.9


class Correction(nn.Module):
    """Coordinates (B, 28, 256) nearer to what a photograph shows; no step at all until started or loaded."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(CODES, COORDINATES))
        self.matrix = nn.Parameter(torch.zeros(CODES, COORDINATES, COORDINATES))

    @torch.no_grad()
    def start(self, metric: Tensor) -> None:
        """Take damped Gauss-Newton steps, given E[J^T J] (28, 256, 256), J the Jacobian of the picture's pixels over
        the root of their number."""
        diagonal = metric.diagonal(0, 1, 2)
        damped = SHRINK * metric + torch.diag_embed((1 - SHRINK) * diagonal + DAMPING)
        self.scale.copy_((diagonal + DAMPING).rsqrt())
        inverse = torch.linalg.inv(damped)
        self.matrix.copy_(STEP * inverse / (self.scale[:, :, None] * self.scale[:, None, :]))

    def forward(self, draw: Callable[[Tensor], Tensor], images: Tensor, coordinates: Tensor) -> Tensor:
        """Corrected ``coordinates`` (B, 28, 256), where ``draw`` makes pictures (B, 3, 128, 128) of coordinates and
        ``images`` (B, 3, 128, 128) is what they should be. The gradient passes round ``draw``, not through it."""
        with torch.enable_grad():
            at = coordinates.detach().requires_grad_(True)
            squared = (draw(at).float() - images).square().mean((1, 2, 3))
            (gradient,) = torch.autograd.grad(squared.sum() / 2, at)
        with torch.autocast(images.device.type, enabled=False):
            step = torch.einsum("cij,bcj->bci", self.matrix, gradient * self.scale) * self.scale
        return coordinates - step


def shrunk_photo(images: Tensor) -> Tensor:
    """Photographs (B, 3, H, H) at the 128 px at which corrections compare."""
    return functional.interpolate(
        images, size=(PICTURE, PICTURE), mode="bilinear", antialias=images.shape[-1] > PICTURE
    )
