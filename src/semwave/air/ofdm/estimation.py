"""Estimates: the channel's frequency response, a carrier's phase over time, a gain that moves."""

import numpy as np

from semwave.air.ofdm.numerology import Numerology

EXPECTATION_STEPS = 3
MOST_DEGREE = 5


class ChannelEstimator:
    """Linear MMSE estimate of echoes within the cyclic prefix, the power of each of them learned from the frame itself
    (empirical Bayes: MacKay 1992, the relevance of every tap)."""

    def __init__(self, numerology: Numerology):
        spacing = 0.5 if numerology.carriers == 64 else 1.0
        half = numerology.prefix / 2 + 1
        delays = np.arange(-half, half + spacing / 2, spacing)
        self._response = np.exp(-2j * np.pi * np.outer(numerology.used, delays) / numerology.carriers)

    def __call__(self, matched: np.ndarray, weight: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray, float]:
        """The response of the used carriers, the variance of its error, and how many parameters were fitted.

        Args:
            matched: (used,) sum of conj(x) y over the known cells of each carrier.
            weight: (used,) sum of |x|^2 of them; zero for a carrier that is not to be believed.
            noise: variance of the noise in y.
        """
        response = self._response
        adjoint = response.conj().T
        gram, projected = adjoint @ (weight[:, None] * response), adjoint @ matched
        ridge = 1e-3 * np.trace(gram).real / len(gram)
        inverse = np.linalg.inv(gram + ridge * np.eye(len(gram)))
        taps, variance = inverse @ projected, inverse.diagonal().real * noise
        power = np.maximum(abs(taps) ** 2 - variance, 0.03 * variance)
        for _ in range(EXPECTATION_STEPS + 1):
            inverse = np.linalg.inv(gram + np.diag(noise / power))
            taps = inverse @ projected
            power = np.maximum(abs(taps) ** 2 + inverse.diagonal().real * noise, 1e-6 * (abs(taps) ** 2).max() + 1e-30)
        error = np.einsum("ij,ij->i", response @ inverse, response.conj()).real * noise
        return response @ taps, error, float(np.einsum("ij,ji->", gram, inverse).real)


def phase_slope(times: np.ndarray, values: np.ndarray, span: float) -> float:
    """The frequency in radians a sample, within +-``span``, at which ``values`` at ``times`` turn: the maximum of
    |sum z exp(-j w t)|, by search and then by Newton's method."""
    points = max(64, int(8 * span * np.ptp(times) / np.pi))
    grid = np.linspace(-span, span, points)
    slope = grid[abs(np.exp(-1j * np.outer(grid, times)) @ values).argmax()]
    centred = times - times.mean()
    for _ in range(4):
        turned = values * np.exp(-1j * slope * centred)
        total, first, second = turned.sum(), (centred * turned).sum(), (centred**2 * turned).sum()
        gradient = 2 * (total.conjugate() * first).imag
        curvature = 2 * (abs(first) ** 2 - (total.conjugate() * second).real)
        if curvature < 0:
            slope += np.clip(-gradient / curvature, -span / points, span / points)
    return float(slope)


def moving_gain(times: np.ndarray, gains: np.ndarray, energy: np.ndarray, noise: float, cells: int) -> np.ndarray:
    """Smooth complex gains at ``times``: a polynomial through ``gains``, each measured with the variance noise /
    energy, of the degree, 0 to 5, with the lowest Bayesian information criterion of ``cells`` observations (Schwarz
    1978)."""
    scaled, root = times / np.ptp(times), np.sqrt(energy)
    fits = []
    for degree in range(min(MOST_DEGREE, len(times) - 1) + 1):
        powers = np.vander(scaled, degree + 1)
        fitted = powers @ np.linalg.lstsq(powers * root[:, None], gains * root, rcond=None)[0]
        misfit = float(np.sum(energy * abs(gains - fitted) ** 2)) / noise
        fits.append((misfit + (degree + 1) * np.log(cells), degree, fitted))
    return min(fits, key=lambda fit: fit[:2])[2]
