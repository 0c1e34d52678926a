"""A mesh in received pictures: peaks in the spectrum of what is wrong in them.

received - sent, grey -> windows of 128 px, half overlapping (Welch 1967) -> mean power spectrum
                      -> power at every period of 2 to 16 px over the median around it
"""

import numpy as np

WINDOW = 128
"""Width in pixels of the windows whose spectra are averaged."""
PERIODS = (2.0, 16.0)
"""Shortest and longest period in pixels that is looked at."""
PEAK, AROUND = 1, 5
"""A Hann window spreads a sine over its bin and PEAK on either side; its neighbourhood goes on to AROUND."""
MOST = 2.0
"""Times the power around it that a peak may have."""


def highest_peak(differences: np.ndarray) -> tuple[float, float]:
    """The highest peak in the mean spectrum of ``differences`` (n, S, S), S at least 128, of any unit.

    Returns how many times the power of its neighbourhood it has, and its period in pixels. By chance alone it has some
    1.4 times for eight pictures of 512 px, 1.8 times for a single one.
    """
    power = spectrum(differences)
    padded = np.pad(power, AROUND, mode="wrap")
    reach = range(-AROUND, AROUND + 1)
    ring = [(i, j) for i in reach for j in reach if max(abs(i), abs(j)) > PEAK]
    around = [padded[AROUND + i : AROUND + i + WINDOW, AROUND + j : AROUND + j + WINDOW] for i, j in ring]
    frequency = np.fft.fftfreq(WINDOW)
    radius = np.hypot(frequency[:, None], frequency)
    # Rounding apart, a period of 2 px along one axis counts, and the corners beyond it do not.
    looked_at = (radius >= 1 / PERIODS[1]) & (radius <= 1 / PERIODS[0])
    times = np.where(looked_at, power / np.maximum(np.median(around, axis=0), np.finfo(float).tiny), 0)
    if not times.any():
        return 0.0, np.inf
    place = np.unravel_index(times.argmax(), times.shape)
    return float(times[place]), float(1 / radius[place])


def spectrum(differences: np.ndarray) -> np.ndarray:
    """Mean power spectrum (128, 128) of ``differences`` (n, S, S), frequencies as numpy.fft has them."""
    window = np.hanning(WINDOW + 1)[:-1]
    weight = np.outer(window, window)
    starts = range(0, differences.shape[-1] - WINDOW + 1, WINDOW // 2)
    pieces = [d[i : i + WINDOW, j : j + WINDOW] for d in differences for i in starts for j in starts]
    return np.mean([np.abs(np.fft.fft2((piece - piece.mean()) * weight)) ** 2 for piece in pieces], axis=0)
