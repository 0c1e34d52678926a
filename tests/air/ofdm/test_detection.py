"""Detection: a constant rate of false alarms, the right place, the nearest offset."""

import numpy as np
import pytest

from semwave.air.ofdm import detection
from semwave.air.ofdm.detection import Detector
from semwave.air.ofdm.numerology import NUMEROLOGIES


def noise(count, seed=0):
    drawn = np.random.default_rng(seed).normal(size=(2, count))
    return (drawn[0] + 1j * drawn[1]) / np.sqrt(2)


@pytest.mark.parametrize("carriers", NUMEROLOGIES)
@pytest.mark.parametrize("snr_db", [0.0, 40.0])
def test_a_preamble_is_found_where_it_is(carriers, snr_db):
    numerology = NUMEROLOGIES[carriers]
    detector, preamble = Detector(numerology), numerology.preamble
    for place, offset in ((0, 0.0), (777, 1 / 64), (3000, -1 / 100)):
        samples = 10 ** (-snr_db / 20) * noise(5000)
        samples[place : place + len(preamble)] += preamble * np.exp(2j * np.pi * offset * np.arange(len(preamble)))
        (found,) = detector(1e-4 * samples)
        assert abs(found.start - place) <= 1 and abs(found.offset - offset) <= 0.6 / (2 * len(preamble))


def test_beside_silence_the_place_is_right():
    numerology = NUMEROLOGIES[64]
    samples = np.r_[np.zeros(500), numerology.preamble, np.zeros(500)]
    (found,) = Detector(numerology)(samples)
    assert found.start == 500


def test_false_alarms_are_as_rare_as_they_should_be(monkeypatch):
    monkeypatch.setattr(detection, "FALSE_ALARMS", 1e-4)
    detector = Detector(NUMEROLOGIES[64], largest_offset=0.0)
    normalised, _, _ = detector.metrics(noise(300_000) * 1e3)
    # Neighbours are alike, so the count varies more than that of independent samples.
    assert 10 <= (normalised > detector.threshold).sum() <= 70


@pytest.mark.parametrize("samples", [np.zeros(1000), np.zeros(10), np.ones(1000), np.full(1000, 1e-30)])
def test_silence_and_a_constant_are_no_preamble(samples):
    assert Detector(NUMEROLOGIES[64])(samples) == []
