"""Corrections: learned steps of descent, from the encoder's codes towards the photograph.

    coordinates v -> generator, 128 px -> MSE to the photograph -> its gradient g, both (B, codes, coordinates)
    v - d,  d = m d' + s M g,  d' the step before

M (codes, coordinates, coordinates), one matrix a code, comes from the mean Jacobian of the picture; the lengths s
(codes, coordinates) and the momentum m of every step are parameters.

The encoder reads the photograph only; the gradient tells what its codes got wrong. M is that of a damped Gauss-Newton
step which takes the codes one by one, and momentum (Polyak 1964) makes up for what it leaves out, the dependence of one
code on another. How far to go along each coordinate can be learned with the rest, as in learned gradient descent
(Gregor and LeCun 2010; Andrychowicz et al. 2016).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from semwave.latent.layout import FACES, Layout
from semwave.pictures.images import SKETCH, resized

DAMPING = 1e-5
"""Half of the directions move the picture by less than 1e-6, one in ten by more than 3e-5 (mean square)."""
LENGTHS = (0.31, 0.31, 0.25, 0.25)
MOMENTUM = 0.5
LONGEST = 0.5
SHRINK = 0.9
FACE = (slice(38, 110), slice(28, 100)), 3.0
"""Rows and columns from brows to chin in a picture of 128 px, and how many times an error there counts."""


class Corrections(nn.Module):
    """Coordinates (B, codes, coordinates) nearer to what a photograph shows, by ``count`` steps; none until started or
    loaded."""

    def __init__(self, count: int = len(LENGTHS), layout: Layout = FACES):
        super().__init__()
        self.register_buffer("matrix", torch.zeros(layout.codes, layout.coordinates, layout.coordinates))
        lengths = torch.tensor(LENGTHS[:count] + LENGTHS[-1:] * max(0, count - len(LENGTHS)))
        self.steps = nn.Parameter(lengths[:, None, None].repeat(1, layout.codes, layout.coordinates))
        self.momentum = nn.Parameter(torch.full((count,), MOMENTUM))

    @torch.no_grad()
    def start(self, metric: Tensor) -> None:
        """Take damped Gauss-Newton steps, given E[J^T J] (codes, coordinates, coordinates), J the Jacobian of the
        picture's pixels over the root of their number."""
        diagonal = metric.diagonal(0, 1, 2)
        self.matrix.copy_(torch.linalg.inv(SHRINK * metric + torch.diag_embed((1 - SHRINK) * diagonal + DAMPING)))

    def forward(self, draw: Callable[[Tensor], Tensor], images: Tensor, coordinates: Tensor) -> Tensor:
        """Corrected ``coordinates`` (B, codes, coordinates), where ``draw`` makes pictures (B, 3, 128, 128) of them and
        ``images`` (B, 3, H, H) is what they should be. There is no second derivative of ``draw``: its gradient counts
        as a constant."""
        images = resized(images, SKETCH)
        weight = weights(images)
        move = torch.zeros_like(coordinates)
        for step, momentum in zip(self.steps, self.momentum, strict=True):
            gradient = _gradient(draw, images, coordinates, weight)
            with torch.autocast(images.device.type, enabled=False):
                newton = torch.einsum("cij,bcj->bci", self.matrix, gradient)
            # Where the picture hardly depends on a coordinate, a whole step would send it anywhere.
            move = momentum * move + step * newton.clamp(-LONGEST, LONGEST)
            coordinates = coordinates - move
        return coordinates


def weights(images: Tensor) -> Tensor:
    """How much the pixels of ``images`` (B, 3, 128, 128) count, (128, 128), one on average."""
    (rows, columns), times = FACE
    weight = images.new_ones(images.shape[-2:])
    weight[rows, columns] = times
    return weight / weight.mean()


@torch.enable_grad()
def _gradient(draw: Callable[[Tensor], Tensor], images: Tensor, coordinates: Tensor, weight: Tensor) -> Tensor:
    """Half the gradient (B, codes, coordinates) of the MSE between ``draw(coordinates)`` and ``images``, each pixel by
    its ``weight``."""
    at = coordinates.detach().float().requires_grad_(True)
    squared = (weight * (draw(at).float() - images).square()).mean((1, 2, 3))
    return torch.autograd.grad(squared.sum() / 2, at)[0]
