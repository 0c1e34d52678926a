"""The channel of samples does what it is told, by measurement."""

import numpy as np
import pytest
import torch

from semwave import SemwaveError
from semwave.air.samples import SampleChannel, delay_profile

TONE = np.exp(2j * np.pi * 0.05 * np.arange(4000))


def test_without_anything_samples_stay_what_they_are():
    received = SampleChannel(phase=0.0, tail=0)(TONE)
    np.testing.assert_allclose(received[:4000], TONE, atol=1e-6)
    assert not received[4000:].any()


def test_delay_offset_phase_gain_and_clock():
    times = np.arange(200, 3000)
    received = SampleChannel(delay=10.5, offset=0.01, phase=0.3, gain=2.0, clock_ppm=100)(TONE)[times]
    expected = 2 * np.exp(1j * (0.3 + 2 * np.pi * (0.05 * (times * (1 + 1e-4) - 10.5) + 0.01 * times)))
    np.testing.assert_allclose(received, expected, atol=2e-3)


def test_noise_is_as_strong_as_the_snr_says():
    received = SampleChannel(7.0, amplitude=0.25, phase=0.0)(np.zeros(200_000))
    assert np.mean(abs(received) ** 2) == pytest.approx(0.25**2 * 10**-0.7, rel=0.02)


def test_echoes_add_up():
    received = SampleChannel(taps=[(0, 0.5), (3.25, 0.5j)], phase=0.0)(TONE)[500:3000]
    response = 0.5 + 0.5j * np.exp(-2j * np.pi * 0.05 * 3.25)
    np.testing.assert_allclose(received, response * TONE[500:3000], atol=2e-3)


@pytest.mark.parametrize("taps", ["rayleigh:5", "TDL-A:30ns", "tdl-c:300ns"])
def test_a_profile_has_power_one(taps):
    delays, amplitudes, fixed = delay_profile(taps, 5e6)
    assert not fixed and np.sum(amplitudes**2) == pytest.approx(1) and delays.min() == 0
    channel = SampleChannel(taps=taps, sample_rate=5e6, tail=0)
    powers = [np.sum(abs(channel.echoes()[1]) ** 2) for _ in range(2000)]
    assert np.mean(powers) == pytest.approx(1, rel=0.1)


def test_a_tapped_delay_line_has_its_delay_spread():
    # The root mean square of the delays is what the name says: 300 ns, 1.5 samples at 5 Msample/s.
    delays, amplitudes, _ = delay_profile("TDL-A:300ns", 5e6)
    powers = amplitudes**2
    mean = np.sum(powers * delays)
    assert np.sqrt(np.sum(powers * (delays - mean) ** 2)) == pytest.approx(1.5, rel=0.01)


def test_moving_echoes_have_power_one_and_the_doppler_asked_for():
    gains = np.concatenate(
        [SampleChannel(doppler=1e-3, phase=0.0, seed=s)(np.ones(20_000))[24:-224] for s in range(20)]
    )
    assert np.mean(abs(gains) ** 2) == pytest.approx(1, rel=0.15)
    # J0(2 pi fd t) is first zero at 2 pi fd t = 2.405 (Jakes 1974).
    zero = round(2.405 / (2 * np.pi * 1e-3))
    assert abs(np.mean(gains[zero:] * gains[:-zero].conj())) < 0.15
    assert np.mean(gains[5:] * gains[:-5].conj()).real == pytest.approx(1, rel=0.15)


def test_the_same_seed_gives_the_same_samples_and_torch_is_left_alone():
    before = torch.get_rng_state()
    first, again, other = (SampleChannel(10.0, taps="TDL-B:30ns", seed=seed)(TONE) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "values",
    [
        {"snr_db": 101},
        {"delay": -1},
        {"offset": 0.6},
        {"clock_ppm": 2000},
        {"doppler": 1},
        {"gain": 0},
        {"sample_rate": 0},
    ]
    + [{"taps": taps} for taps in ("rayleigh:0", "rayleigh:99", "TDL-Z:30ns", "rice", "", [], [(-1, 1)])],
)
def test_what_is_not_offered_is_one_clear_error(values):
    with pytest.raises(SemwaveError):
        SampleChannel(**values)
