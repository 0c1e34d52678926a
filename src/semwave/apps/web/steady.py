"""What arrives of one frame after the other: a Kalman filter of every symbol.

    symbols, noise of a frame ---> how much symbols changed, beyond noise ---> gain -> symbols, noise
    those of the frames before -----^

A symbol of a face that holds still arrives again with every frame, each time with other noise, so what is known of it
grows. How much symbols change is estimated from what arrives: the receiver is told nothing.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from semwave.types import Soft

NEIGHBOURS = 65
"""Symbols that are about as important, over which their change is averaged; an odd number."""


class Steady:
    """Gives for each signal of a camera what this one and those before it say."""

    def __init__(self):
        self._known: Soft | None = None

    def __call__(self, soft: Soft) -> Soft:
        """Symbols and their noise, at most that of ``soft``. It begins anew with another header."""
        before, self._known = self._known, soft
        if before is None or before.header != soft.header:
            return soft
        both = soft.noise.isfinite() & before.noise.isfinite()
        noise, known = (each.noise.where(both, 1.0) for each in (soft, before))
        moved = (soft.symbols - before.symbols).where(both, 0.0)
        prior = known + _averaged((moved.square() - noise - known).where(both, 0.0)).clamp_min(0)
        gain = prior / (prior + noise)
        symbols = torch.where(both, before.symbols + gain * moved, soft.symbols)
        self._known = replace(soft, symbols=symbols, noise=torch.where(both, gain * noise, soft.noise))
        return self._known


def _averaged(values: Tensor) -> Tensor:
    """``values`` (B, k), each the mean of those around it."""
    count = min(NEIGHBOURS, values.shape[1] - 1 + values.shape[1] % 2)
    return functional.avg_pool1d(values[:, None], count, 1, count // 2, count_include_pad=False)[:, 0]
