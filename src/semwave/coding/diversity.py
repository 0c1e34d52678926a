"""Rotations by which no lost symbol takes with it all that it says: signal space diversity (Boutros and Viterbo 1998).

    X (B, k), strongest first -> in groups of three, one strong and two weak symbols, a rotation -> X (B, k)
    Y (B, k), noise (B, k) -> the linear estimate with the least squared error, group by group -> as without rotation

Of a strong symbol's energy a part is put on two weak ones; lost, it is told from what is left. Where nothing is lost
the rotation is undone exactly. That part is a compromise: the more, the less losses cost and the more prefixes do
(docs/decisions.md).
"""

import math

import torch
from torch import Tensor

SHARED = 0.25
"""Part of a strong symbol's energy that two weak ones carry."""


def _rotation(share: float) -> Tensor:
    """(3, 3) float64, the first symbol's energy shared: its own place keeps ``1 - share``, the others have half of the
    rest each."""
    rotation, left = torch.eye(3, dtype=torch.float64), 1.0
    for other in (1, 2):
        sine = math.sqrt(share / 2 / left)
        cosine, left = math.sqrt(1 - sine**2), left - share / 2
        turn = torch.eye(3, dtype=torch.float64)
        turn[0, 0] = turn[other, other] = cosine
        turn[0, other], turn[other, 0] = -sine, sine
        rotation = turn @ rotation
    return rotation


class Diversity:
    """The rotation of symbols whose ``power`` (k,) falls; the last one or two stay where a third of k is not whole."""

    def __init__(self, power: Tensor):
        third = len(power) // 3
        strong, last = torch.arange(third), len(power) - 1
        self.places = torch.stack([strong, last - strong, last - third - strong], 1)
        self.power = power[self.places].double().clamp_min(1e-12)
        self.rotation = _rotation(SHARED)

    def spread(self, symbols: Tensor) -> Tensor:
        """``symbols`` (B, k), rotated."""
        spread = symbols.clone()
        spread[:, self.places] = symbols[:, self.places] @ self.rotation.T.to(symbols)
        return spread

    def gather(self, received: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Of ``received`` (B, k) with ``noise`` power (B, k), infinite where a symbol was lost, what was given to
        :meth:`spread`, and the noise power of each, infinite where nothing is known of it."""
        heard, power = received[:, self.places].double(), noise[:, self.places].double()
        level = power[..., :1]
        alike = (power == level).all(-1, keepdim=True) & level.isfinite()
        values, noises = self._estimated(heard, power)
        values = torch.where(alike, heard @ self.rotation, values)
        noises = torch.where(alike, level, noises)
        gathered, gathered_noise = received.clone(), noise.clone()
        gathered[:, self.places], gathered_noise[:, self.places] = values.to(received), noises.to(noise)
        return gathered, gathered_noise

    def _estimated(self, heard: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Unbiased estimates (B, groups, 3) and their noise, from one received symbol after the other."""
        mean, covariance = torch.zeros_like(heard), torch.diag_embed(self.power).expand(len(heard), -1, -1, -1)
        for row, symbol, power in zip(self.rotation, heard.unbind(-1), noise.unbind(-1), strict=True):
            known = covariance @ row
            gain = known / (power + known @ row)[..., None]
            mean = mean + gain * (symbol - mean @ row)[..., None]
            covariance = covariance - gain[..., None] * known[..., None, :]
        left = covariance.diagonal(dim1=-2, dim2=-1).clamp_min(1e-12)
        learnt = 1 - left / self.power
        known = learnt > 1e-6
        learnt = learnt.clamp_min(1e-6)
        return torch.where(known, mean / learnt, 0.0), torch.where(known, left / learnt, math.inf)
