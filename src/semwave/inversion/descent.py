"""Inversion by gradient descent: the codes L whose picture comes closest to the photograph F.

The image loss is the MSE, as in the paper; LPIPS and a prior that keeps the codes natural are options. With
``through`` the loss is taken on what arrives: codes after flow, codec and channel noise, rather than before.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from semwave.latent.space import CodeSpace
from semwave.pictures.images import INPUT, resized
from semwave.types import Drawing, Inversion

PRIOR_WEIGHT = 0.002


def descend(
    generator: Callable[[Tensor, int], Drawing],
    space: CodeSpace,
    images: Tensor,
    start: Tensor,
    inversion: Inversion,
    through: Callable[[Tensor], Tensor] | None = None,
    rate: float = 0.1,
    distance_weight: float = 0.5,
    prior_weight: float = PRIOR_WEIGHT,
) -> Tensor:
    """Coordinates (B, codes, coordinates) after ``inversion.steps`` of Adam from ``start``, of the same shape, towards
    ``images`` (B, 3, H, H).

    The loss of an image is its MSE at 256 px, plus ``distance_weight`` times ``inversion.distance(image, photo)`` (B,)
    where given, plus ``prior_weight`` times the mean square of the coordinates. ``through`` stands for the channel.
    Images do not influence each other, so a batch gives what its images give alone.
    """
    steps = inversion.steps
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
            if inversion.distance is not None:
                loss = loss + distance_weight * inversion.distance(picture.float(), target)
            optimizer.zero_grad()
            loss.sum().backward()
        optimizer.step()
        if inversion.progress is not None:
            inversion.progress(step + 1, float(mse.detach().mean()))
    return coordinates.detach()
