"""Signal to samples to signal, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from linear_model import LinearModel

from semwave import Receiver, SemwaveError, Transmitter, air
from semwave.air.iq import signal, to_reals, unit_power
from semwave.air.modem import Modem
from semwave.air.ofdm.header import FrameHeader
from semwave.air.samples import SampleChannel
from semwave.types import Header
from semwave.zoo import LAYERS

MODEL = LinearModel()
HEADER = Header("faces-512", MODEL.digest, 256, ("codes",), 512)


def sent(pictures=1, **header):
    header = replace(HEADER, **header)
    symbols = unit_power(torch.randn(pictures, header.k, generator=torch.Generator().manual_seed(1)))
    return signal(symbols, header)


@pytest.mark.parametrize("k", [64, 66, 98, 1000, 5000, 32768])
@pytest.mark.parametrize("carriers", air.NUMEROLOGIES)
def test_any_k_arrives_with_its_header(k, carriers):
    numerology = replace(air.NUMEROLOGIES[carriers], candidates=1)
    modem, signal = Modem(MODEL, numerology), sent(k=k, layers=LAYERS, size=1024)
    (frame,) = modem.demodulate(
        SampleChannel(20.0, 37.3, offset=-0.01, clock_ppm=20, seed=k)(modem.modulate(signal, 77))
    )
    assert frame.soft.header == signal.header and frame.number == 77
    error = (frame.soft.symbols - to_reals(signal.iq)).square().mean()
    assert -10 * error.log10() == pytest.approx(20, abs=2.5 if k < 100 else 0.8)


def test_a_picture_crosses_the_air():
    transmitter, receiver = Transmitter(MODEL, k=2560), Receiver(MODEL, 256)
    modem = Modem(receiver.model)
    photo = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).repeat_interleave(32, 2)
    photo = photo.repeat_interleave(32, 3) * 2 - 1
    soft = modem.over(SampleChannel(30.0, 500.0, offset=0.012, taps="rayleigh:5", seed=4))(transmitter(photo))
    assert (receiver(soft) - photo).square().mean() < 0.01


def test_frames_back_to_back_are_all_found():
    modem, signal = Modem(MODEL), sent(5)
    samples = modem.modulate(signal, number=4094)
    frames = modem.demodulate(samples)
    assert [frame.number for frame in frames] == [4094, 4095, 0, 1, 2]
    assert [frame.reception.start for frame in frames] == [720 * place for place in range(5)]
    torch.testing.assert_close(
        torch.cat([frame.soft.symbols for frame in frames]), to_reals(signal.iq), atol=1e-3, rtol=0
    )


def test_samples_fit_a_converter():
    samples = Modem(MODEL).modulate(sent(3, k=2560))
    assert samples.dtype == np.complex64 and abs(samples).max() <= 1
    assert np.mean(abs(samples) ** 2) == pytest.approx(0.25**2 * 13 / 16, rel=0.1)


def test_clipping_costs_what_it_must():
    signal = sent(4, k=2560)
    errors = []
    for clip_db in (None, 6.0, 3.0):
        modem = Modem(MODEL, clip_db=clip_db)
        samples = modem.modulate(signal)
        if clip_db is not None:
            assert abs(samples).max() <= 0.25 * 10 ** (clip_db / 20) * 1.0001
        frames = modem.demodulate(SampleChannel(20.0, 10.0)(samples))
        errors.append(torch.cat([f.soft.symbols for f in frames]).sub(to_reals(signal.iq)).square().mean().log10() * 10)
    assert errors[0] < errors[1] < errors[2] < errors[0] + 6


def refusals(modem, samples):
    return [result.why for result in modem.receive(samples) if isinstance(result, air.Refusal)]


def test_frames_of_others_are_refused_and_never_drawn(monkeypatch):
    other = LinearModel()
    other.digest = "abcdef012345"
    samples = Modem(other).modulate(sent(2, digest=other.digest))
    assert refusals(Modem(MODEL), samples) == ["another model"] * 2 and not Modem(MODEL).demodulate(samples)
    made = FrameHeader.of
    monkeypatch.setattr(FrameHeader, "of", classmethod(lambda cls, *given: replace(made(*given), version=3)))
    samples = Modem(MODEL).modulate(sent())
    assert refusals(Modem(MODEL), samples) == ["another version"]
    samples[160:480] = samples[160:480][::-1]
    assert refusals(Modem(MODEL), samples) == ["broken header"]


def test_a_frame_that_is_lost_is_all_noise():
    def channel(samples):
        samples = samples.copy()
        samples[720:1440] = 0
        return samples

    soft = Modem(MODEL).over(channel)(sent(3))
    assert soft.noise.isinf().all(1).tolist() == [False, True, False]
    assert Receiver(MODEL, 256)(soft).isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda signal: replace(signal, header=None), "no header"),
        (lambda signal: replace(signal, header=replace(HEADER, model="cats")), "of cats"),
        (lambda signal: replace(signal, header=replace(HEADER, digest="f" * 12)), "f" * 12),
        (lambda signal: replace(signal, header=replace(HEADER, k=300)), "its header says 150"),
    ],
)
def test_a_signal_that_no_frame_can_say_is_refused(change, message):
    with pytest.raises(SemwaveError, match=message):
        Modem(MODEL).modulate(change(sent()))


@pytest.mark.parametrize("values", [{"clip_db": -1.0}, {"clip_db": 21.0}, {"largest_offset": 0.3}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(SemwaveError):
        Modem(MODEL, **values)
