"""From cells and their channel to symbols and their noise; carriers on which somebody else sends are left out."""

import numpy as np

from semwave.air.ofdm.frame import despread, in_order
from semwave.air.ofdm.numerology import Numerology

LEAST_NOISE = 1e-6
"""Relative to the signal: 60 dB, beyond what a frame of this kind is good for."""
ERASED, ERASED_SHARE = 8.0, 0.1
"""A carrier is erased whose noise is so many times the median and at least such a share of the signal's power: what is
less is an error of the estimate."""


def equalise(
    received: np.ndarray, channel: np.ndarray, noise: np.ndarray, numerology: Numerology, sequence: int
) -> tuple[np.ndarray, np.ndarray]:
    """Symbols and their noise. Spread ones get the MMSE filter and, without its bias, one noise: 1/SINR =
    (1 - a)/a with a the filter's mean gain. The others are divided by their channel."""
    if numerology.spreading:
        power = abs(channel) ** 2
        share = float(np.clip(np.mean(power / (power + noise)), 1e-6, 1 / (1 + LEAST_NOISE)))
        estimate = despread(channel.conj() / (power + noise) * received, numerology, sequence) / share
        return estimate, np.full(len(estimate), (1 - share) / share)
    power = in_order(abs(channel) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(power > 0, np.maximum(in_order(noise) / power, LEAST_NOISE), np.inf)
        return despread(np.where(channel == 0, 0, received / nonzero(channel)), numerology, sequence), relative


def interfered(misfit: np.ndarray, known: np.ndarray, signal: float) -> np.ndarray:
    """Carriers (used,) on which the known cells fit far worse than on the others: something else is sending there."""
    count = known.sum(0)
    mean = misfit.sum(0) / np.maximum(count, 1)
    return (mean > max(ERASED * np.median(mean), ERASED_SHARE * signal)) & (count > 1)


def nonzero(values: np.ndarray) -> np.ndarray:
    """``values``, 1 where they are 0, to divide by."""
    return np.where(values == 0, 1, values)
