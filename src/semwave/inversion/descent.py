"""Inversion by gradient descent: the codes L whose picture comes closest to the photograph F.

The image loss is the MSE, as in the paper; LPIPS and a prior that keeps the codes natural are options. With
``through`` the loss is taken on what arrives: codes after flow, codec and channel noise, rather than before.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from semwave.inversion.parser import INPUT
from semwave.latent.space import CodeSpace
from semwave.pictures.images import resized

PRIOR_WEIGHT = 0.002


def invert(
    generator: nn.Module,
    space: CodeSpace,
    images: Tensor,
    start: Tensor,
    steps: int,
    rate: float = 0.1,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    perceptual_weight: float = 0.5,
    prior_weight: float = PRIOR_WEIGHT,
    through: Callable[[Tensor], Tensor] | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Tensor:
    """Coordinates (B, 28, 256) after ``steps`` of Adam from ``start`` (B, 28, 256) towards ``images`` (B, 3, H, H).

    The loss of an image is its MSE at 256 px, plus ``perceptual_weight`` times ``perceptual(image, photo)`` (B,) where
    given, plus ``prior_weight`` times the mean square of the coordinates. ``progress(step, mse)`` is called after
    every step. Images do not influence each other, so a batch gives what its images give alone.
    """
    target = resized(images, INPUT)
    coordinates = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([coordinates], lr=rate, betas=(0.9, 0.99))
    for step in range(steps):
        rise = min(1.0, (step + 1) / 5)
        optimizer.param_groups[0]["lr"] = rate * rise * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        with torch.enable_grad():
            codes = space.codes(through(coordinates) if through else coordinates)
            with torch.autocast(images.device.type, torch.bfloat16):
                picture = generator(codes, INPUT).image
            mse = (picture.float() - target).square().mean((1, 2, 3))
            loss = mse + prior_weight * coordinates.square().mean((1, 2))
            if perceptual is not None:
                loss = loss + perceptual_weight * perceptual(picture.float(), target)
            optimizer.zero_grad()
            loss.sum().backward()
        optimizer.step()
        if progress is not None:
            progress(step + 1, float(mse.detach().mean()))
    return coordinates.detach()
