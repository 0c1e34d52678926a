"""Estimates against what was put in."""

import numpy as np
import pytest

from semwave.air.ofdm.estimation import ChannelEstimator, moving_gain, phase_slope
from semwave.air.ofdm.numerology import NUMEROLOGIES


def normal(random, count):
    return (random.normal(size=count) + 1j * random.normal(size=count)) / np.sqrt(2)


def test_the_channels_error_is_what_it_says_and_below_that_of_each_carrier_alone():
    numerology, random, noise = NUMEROLOGIES[64], np.random.default_rng(0), 0.1
    estimator, errors, told = ChannelEstimator(numerology), [], []
    for _ in range(50):
        delays, amplitudes = np.array([-3.0, 0.5, 4.0]), normal(random, 3) / np.sqrt(3)
        response = np.exp(-2j * np.pi * np.outer(numerology.used, delays) / 64) @ amplitudes
        heard = response + np.sqrt(noise) * normal(random, len(response))
        estimate, error, fitted = estimator(heard, np.ones(len(response)), noise)
        errors.append(np.mean(abs(estimate - response) ** 2))
        told.append(error.mean())
        assert 1 < fitted < 20
    assert np.mean(errors) < noise / 3
    assert np.mean(told) == pytest.approx(np.mean(errors), rel=0.5)


def test_a_carrier_that_is_not_believed_changes_nothing():
    numerology, random = NUMEROLOGIES[64], np.random.default_rng(0)
    heard, weight = np.ones(52, complex), np.ones(52)
    weight[7] = 0
    estimate, _, _ = ChannelEstimator(numerology)(heard * weight + 0 * random.normal(), weight, 0.01)
    assert abs(estimate[7] - 1) < 0.1


@pytest.mark.parametrize("slope", [-0.03, 0.0, 1e-4, 0.035])
def test_a_slope_of_phase_is_found(slope):
    times = np.r_[-32.0, 32.0, np.arange(100, 2600, 80)]
    values = np.exp(1j * (slope * times + 1)) + 0.1 * normal(np.random.default_rng(0), len(times))
    assert phase_slope(times, values, np.pi / 80) == pytest.approx(slope, abs=2e-4)


def test_a_gain_that_moves_is_followed_and_one_that_does_not_stays():
    random, times = np.random.default_rng(0), np.arange(40.0) * 80
    energy = np.full(40, 50.0)
    moving = np.exp(2e-4j * times) * (1 + 1e-4 * times)
    for gains, fewest in ((moving, 1), (np.ones(40), 0)):
        noisy = gains + 0.3 * normal(random, 40) / np.sqrt(50)
        fitted = moving_gain(times, noisy, energy, 0.09, 400)
        assert np.mean(abs(fitted - gains) ** 2) < np.mean(abs(noisy - gains) ** 2) / (3 if fewest else 10)
