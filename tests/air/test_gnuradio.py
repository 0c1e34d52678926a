"""Through GNU Radio's channel model, in another process: the judge of whether ours is a channel at all."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from linear_model import LinearModel

from semwave.air import gnuradio
from semwave.air.gnuradio import GnuRadioChannel, fir, installed
from semwave.air.iq import signal, to_reals, unit_power
from semwave.air.modem import AMPLITUDE, Modem
from semwave.errors import SemwaveError
from semwave.types import Header

FLOWGRAPH = Path(__file__).parents[2] / "examples/gnuradio/channel.py"
MODEL = LinearModel()
needs_gnuradio = pytest.mark.skipif(not installed(), reason="GNU Radio is not installed: make air-tools")
TAPS = ((0.3, 0.8), (2.9, 0.6j))


@needs_gnuradio
@pytest.mark.parametrize("k", [256, 2560])
@pytest.mark.parametrize(
    ("snr_db", "offset", "clock_ppm"), [(0.0, 1 / 64, 40.0), (10.0, -1 / 64, -40.0), (20.0, 0.0, 0.0)]
)
def test_frames_cross_a_flowgraph(k, snr_db, offset, clock_ppm):
    header = Header("faces-512", MODEL.digest, k, ("codes",), 512)
    sent = signal(unit_power(torch.randn(10, k, generator=torch.Generator().manual_seed(1))), header)
    modem = Modem(MODEL)
    channel = GnuRadioChannel(FLOWGRAPH, AMPLITUDE * 10 ** (-snr_db / 20), offset, clock_ppm, TAPS, seed=5)
    samples = channel(np.r_[np.zeros(300), modem.modulate(sent)])
    frames = modem.demodulate(samples)
    assert [frame.number for frame in frames] == list(range(10))
    assert all(frame.soft.header == header for frame in frames)
    response = 0.8 + 0.6j * np.exp(-2j * np.pi * modem.numerology.used / 64 * 2.6)
    share = np.mean(abs(response) ** 2 / (abs(response) ** 2 + 10 ** (-snr_db / 10)))
    error = torch.cat([frame.soft.symbols for frame in frames]).sub(to_reals(sent.iq)).square().mean().item()
    # Half a decibel and a bit: the resampler of the flowgraph has a response of its own.
    assert -10 * np.log10(error) == pytest.approx(10 * np.log10(share / (1 - share)), abs=0.9)
    assert np.mean([frame.reception.offset for frame in frames]) == pytest.approx(offset, abs=2e-5)
    if k == 2560 and snr_db >= 10:  # a short frame hardly turns, and the estimate stays near its prior
        assert np.mean([frame.reception.clock_ppm for frame in frames]) == pytest.approx(clock_ppm, abs=15)


def test_echoes_between_samples_are_a_filter():
    response = np.fft.fft(fir(TAPS), 64)
    carriers = np.arange(-20, 21)
    expected = sum(a * np.exp(-2j * np.pi * carriers * (d + 8) / 64) for d, a in TAPS)
    np.testing.assert_allclose(response[carriers], expected, atol=0.02)


HALF = """
import sys, zmq
source, sink = (argument.partition("=")[2] for argument in sys.argv[1:3])
pull, push = zmq.Context.instance().socket(zmq.PULL), zmq.Context.instance().socket(zmq.PUSH)
pull.connect(source)
push.bind(sink)
push.send(pull.recv())
zmq.Context.instance().destroy(2000)
sys.exit("no more memory")
"""


@pytest.mark.parametrize(("script", "count"), [("import sys; sys.exit('no more memory')", "0"), (HALF, r"[1-9]\d*")])
def test_a_flowgraph_that_ends_early_is_an_error(script, count, tmp_path, monkeypatch):
    monkeypatch.setattr(gnuradio, "PYTHON", sys.executable)
    (tmp_path / "channel.py").write_text(script)
    with pytest.raises(SemwaveError, match=rf"gave {count} of 56000 samples back.*: no more memory"):
        GnuRadioChannel(tmp_path / "channel.py")(np.zeros(50_000, np.complex64))
