"""Takes a regular mesh out of pictures: a comb of narrow notches.

A network that enlarges by shuffling pixels favours some places among the 8 x 8 of its steps, and draws a faint mesh.
Whatever repeats itself every 8 pixels over 32 pixels and more, beyond what is smooth, is the mesh. Photographs have
little there: taken out of them, they change by a PSNR of 43 dB.

    picture, S px -> means of 8 x 8 pixels -> enlarged: what is smooth
    picture less what is smooth -> every place of the 8 x 8, averaged over 4 x 4 of them -> enlarged: the mesh

All of it is linear, and rows and columns are taken one after the other: so nothing but the mesh itself is ever as
large as the picture.
"""

import torch
from torch import Tensor
from torch.nn import functional

PERIOD = 8
"""In pixels; meshes of 4 and of 2 repeat themselves in it too."""
REPEATED = 4
"""Periods in each direction over which the mesh is averaged."""


def without_mesh(images: Tensor) -> Tensor:
    """``images`` (B, 3, S, S), S a multiple of 32, without what repeats itself every 8 pixels."""
    periods = images.shape[-1] // PERIOD
    with torch.autocast(images.device.type, enabled=False):
        pixels = images.float()
        identity = torch.eye(images.shape[-1], dtype=pixels.dtype, device=images.device)
        means, places = _means(identity), _places(identity)
        smooth = places @ _enlargement(periods, PERIOD, images.device)
        found = _places(pixels) @ places.mT - smooth @ (_means(pixels) @ means.mT) @ smooth.mT
        # A line is (blocks, places); what enlarges the blocks leaves the places alone.
        blocks = _enlargement(periods // REPEATED, REPEATED, images.device)
        across = torch.einsum("ab,ij->aibj", blocks, identity[:PERIOD, :PERIOD]).flatten(2).flatten(0, 1)
        mesh = blocks @ (found @ across.mT).unflatten(-2, (-1, PERIOD)).flatten(-2)
        return (pixels - mesh.reshape(pixels.shape)).to(images.dtype)


def _means(rows: Tensor) -> Tensor:
    """Means (..., S / 8, n) of each period of ``rows`` (..., S, n)."""
    return rows.unflatten(-2, (-1, PERIOD)).mean(-2)


def _places(rows: Tensor) -> Tensor:
    """Each place of a period, averaged over so many of ``rows`` (..., S, n): (..., S / 4, n)."""
    return rows.unflatten(-2, (-1, REPEATED, PERIOD)).mean(-3).flatten(-3, -2)


def _enlargement(size: int, times: int, device: torch.device) -> Tensor:
    """(times size, size): takes a line of ``size`` numbers to one ``times`` as long, linearly."""
    identity = torch.eye(size, dtype=torch.float32, device=device)[None]
    return functional.interpolate(identity, scale_factor=times, mode="linear")[0].mT
