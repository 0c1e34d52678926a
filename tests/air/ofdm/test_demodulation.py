"""One frame at a time: every estimate against what the channel did."""

import numpy as np
import pytest

from semwave.air.ofdm import demodulation
from semwave.air.ofdm.demodulation import BROKEN_HEADER, TRUNCATED, Demodulator, Reception
from semwave.air.ofdm.detection import Detector
from semwave.air.ofdm.frame import modulate
from semwave.air.ofdm.header import FrameHeader
from semwave.air.ofdm.numerology import NUMEROLOGIES, Numerology
from semwave.air.samples import SampleChannel

HEADER = FrameHeader(0xBEEF, 2560, ("codes",), 512, 9)


def symbols(k=2560, seed=0):
    drawn = np.random.default_rng(seed).normal(size=(2, k // 2))
    sent = drawn[0] + 1j * drawn[1]
    return sent / np.sqrt(np.mean(abs(sent) ** 2))


def received(samples, numerology):
    demodulator = Demodulator(numerology, lambda header: None)
    results = [demodulator(samples, found) for found in Detector(numerology)(samples)]
    (frame,) = [result for result in results if isinstance(result, Reception)]
    return frame


def error(result, sent):
    return np.mean(abs(result.symbols - sent) ** 2)


@pytest.mark.parametrize("carriers", NUMEROLOGIES)
def test_the_estimates_are_what_the_channel_did(carriers):
    numerology, sent = NUMEROLOGIES[carriers], symbols()
    channel = SampleChannel(20.0, 321.4, offset=0.011, clock_ppm=-30, taps=[(0, 0.8), (2.5, 0.6j)], seed=1, amplitude=1)
    result = received(channel(modulate(numerology, sent, HEADER)), numerology)
    assert result.header.number == 9 and result.header.k == 2560
    assert result.offset == pytest.approx(0.011, abs=2e-5) and result.clock_ppm == pytest.approx(-30, abs=20)
    # Parts come late by one half and by three samples: the preamble begins somewhere between.
    assert -numerology.prefix / 2 <= result.start - 321 <= numerology.prefix / 2
    power = abs(0.8 + 0.6j * np.exp(-2j * np.pi * numerology.used * 2.5 / carriers)) ** 2
    share = np.mean(power / (power + 0.01))
    assert -10 * np.log10(error(result, sent)) == pytest.approx(10 * np.log10(share / (1 - share)), abs=1)
    assert result.snr_db == pytest.approx(-10 * np.log10(error(result, sent)), abs=1)
    assert not result.erased.any()


def test_without_spreading_every_symbol_has_the_noise_of_its_carrier():
    numerology, sent = Numerology(spreading=False), symbols(20480)
    channel = SampleChannel(15.0, 50.0, taps=[(0, 0.8), (2, 0.6)], seed=1, amplitude=1)
    result = received(channel(modulate(numerology, sent, FrameHeader(1, 20480, ("codes",), 512))), numerology)
    squares = abs(result.symbols - sent) ** 2
    for low, high in ((0, 0.025), (0.03, 0.06), (0.1, np.inf)):
        alike = (result.noise > low) & (result.noise < high)
        assert alike.sum() > 300 and squares[alike].mean() == pytest.approx(result.noise[alike].mean(), rel=0.25)


@pytest.mark.parametrize("spreading", [True, False])
def test_an_interferer_is_erased(spreading):
    numerology, sent = Numerology(spreading=spreading), symbols()
    samples = SampleChannel(20.0, 100.0, phase=0.0, amplitude=1)(modulate(numerology, sent, HEADER))
    # A tone on the 10th carrier, 8 dB louder than what is sent there.
    samples = samples + 10**0.4 / 8 * np.exp(2j * np.pi * 10 / 64 * np.arange(len(samples))).astype(np.complex64)
    result = received(samples, numerology)
    # The tone pulls the estimated offset a little and then leaks.
    erased = set(numerology.used[result.erased])
    assert 10 in erased <= {8, 9, 10, 11, 12}
    if spreading:
        # 1/48 of the cells is lost with each: 1/SINR = 0.01 + 1/48 and more.
        assert result.snr_db == pytest.approx(-10 * np.log10(error(result, sent)), abs=1)
        assert 10 < result.snr_db < 15.5
    else:
        lost = np.isinf(result.noise)
        assert lost.sum() == pytest.approx(1280 / 48 * len(erased), abs=len(erased))
        assert np.mean(abs(result.symbols - sent)[~lost] ** 2) == pytest.approx(0.01, rel=0.3)


def test_a_leak_of_the_oscillator_costs_little():
    numerology, sent = NUMEROLOGIES[64], symbols()
    samples = SampleChannel(20.0, 100.0, offset=0.0078, amplitude=1)(modulate(numerology, sent, HEADER))
    clean, leaky = (-10 * np.log10(error(received(samples + leak, numerology), sent)) for leak in (0, 0.1j))
    assert leaky > clean - 0.2


def test_fading_that_moves_is_followed():
    numerology, sent = NUMEROLOGIES[64], symbols()
    channel = SampleChannel(20.0, 100.0, doppler=2e-5, seed=3, amplitude=1)
    result = received(channel(modulate(numerology, sent, HEADER)), numerology)
    assert result.snr_db == pytest.approx(-10 * np.log10(error(result, sent)), abs=1)
    assert error(result, sent) < 0.03


@pytest.mark.parametrize("wrong", [0.0, 0.7, 1.4, 9.0])
def test_a_header_is_read_though_its_offset_was_not_found_at_once(wrong, monkeypatch):
    numerology = NUMEROLOGIES[64]
    samples = SampleChannel(3.0, 100.0, offset=0.011, seed=1, amplitude=1)(modulate(numerology, symbols(), HEADER))
    (found,) = Detector(numerology)(samples)
    right = demodulation.phase_slope
    # In two steps so many radians wrong over the header of 320 samples.
    monkeypatch.setattr(demodulation, "phase_slope", lambda *given: right(*given) + wrong / 2 / 320)
    refused = Demodulator(numerology, lambda header: f"number {header.number}")(samples, found)
    assert refused.why == "number 9"


def test_what_is_no_frame_for_us_is_refused_with_a_reason():
    numerology = NUMEROLOGIES[64]
    samples = SampleChannel(20.0, 100.0, amplitude=1)(modulate(numerology, symbols(), HEADER))
    (found,) = Detector(numerology)(samples)
    refused = Demodulator(numerology, lambda header: f"number {header.number}")(samples, found)
    assert (refused.why, refused.header.k) == ("number 9", 2560)
    demodulator = Demodulator(numerology, lambda header: None)
    cut = demodulator(samples[:2000], found)
    assert cut.why == TRUNCATED and cut.needed == pytest.approx(numerology.samples(2560), abs=16)
    assert demodulator(samples[:300], found).why == TRUNCATED
    assert isinstance(demodulator(samples[: 100 + 8 + cut.needed], found), Reception)
    samples[240:580] = 0
    assert demodulator(samples, found).why == BROKEN_HEADER
