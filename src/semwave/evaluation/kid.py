"""Kernel distance between what was sent and what arrived: do received pictures look like photographs as a whole?

    pictures -> SqueezeNet 1.1 of ImageNet, its last layer, averaged over the picture -> features (n, 512)
             -> polynomial kernel (x.y / 512 + 1)^3 -> squared maximum mean discrepancy, unbiased

KID (Binkowski et al., ICLR 2018) with another network than Inception: SqueezeNet is at hand, and no loss uses it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.pictures.metrics import LPIPS

LEAST = 3
"""Pictures from which an unbiased distance of two sets can be had."""


class Features:
    """Features (B, 512) of pictures (B, 3, H, W) in [-1, 1]; ``weights`` is the folder that LPIPS takes.

    Raises:
        SemwaveError: the weights of SqueezeNet are not at hand.
    """

    def __init__(self, weights: Path | None):
        # The backbone and the way in are those of LPIPS(squeeze); its heads are not used.
        self.squeeze = LPIPS("squeeze", weights)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, 512) of ``images``."""
        return self.squeeze.network((images - self.squeeze.mean) / self.squeeze.deviation).mean((2, 3))


def kernel_distance(sent: np.ndarray, received: np.ndarray) -> tuple[float, float]:
    """KID of features ``sent`` and ``received`` (n, d), n at least 3, and its standard error by the jackknife.

    Row i of both is the same photograph. A kernel between it and its own reception is left out, as that between it and
    itself always is (Gretton et al. 2012, eq. 5): so equal pictures have a distance of 0 and not below it, however few.
    """
    x, y = sent.astype(np.float64), received.astype(np.float64)
    between = _kernel(x, y)
    terms = _kernel(x, x) + _kernel(y, y) - between - between.T
    np.fill_diagonal(terms, 0)
    n, total = len(terms), terms.sum()
    without_one = (total - 2 * terms.sum(0)) / ((n - 1) * (n - 2))
    error = np.sqrt((n - 1) * without_one.var())
    return float(total / (n * (n - 1))), float(error)


def check_enough(photos: int) -> None:
    """Raises :class:`SemwaveError` for too few ``photos``."""
    if photos < LEAST:
        raise SemwaveError(f"KID takes {LEAST} photos or more, not {photos}; leave --kid out")


def distance_of_faces(
    features: Features, photos: Iterable[Tensor], faces: Callable[[int, int], Tensor]
) -> tuple[float, float]:
    """KID between ``photos``, in batches (B, 3, S, S) in [-1, 1], and as many random faces, and its standard error.
    ``faces`` draws so many of them of a seed."""
    pairs = [(features(batch), features(faces(len(batch), i))) for i, batch in enumerate(photos)]
    real, made = (torch.cat(each).numpy() for each in zip(*pairs, strict=True))
    return kernel_distance(real, made)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3
