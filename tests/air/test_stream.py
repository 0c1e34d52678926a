"""A stream: the same frames however it is cut, bounded memory, and nothing that hostile samples can break."""

from time import perf_counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_model import LinearModel

from semwave import air
from semwave.air.iq import signal, unit_power
from semwave.air.modem import Modem
from semwave.air.samples import SampleChannel
from semwave.air.stream import cleaned
from semwave.types import Header, Signal

MODEL = LinearModel()
MODEM = Modem(MODEL, air.Numerology(candidates=1))


def recording(count=4, k=256, gap=700, snr_db=15.0):
    header = Header("faces-512", MODEL.digest, k, ("codes",), 512)
    iq = signal(unit_power(torch.randn(count, k, generator=torch.Generator().manual_seed(1))), header).iq
    frames = [np.r_[MODEM.modulate(Signal(iq[i : i + 1], header), i), np.zeros(gap)] for i in range(count)]
    return SampleChannel(snr_db, 300.0, offset=0.007)(np.concatenate(frames))


RECORDING = recording()
LENGTH = MODEM.numerology.samples(256)
STARTS = [300 + (LENGTH + 700) * place for place in range(4)]


def received(pieces, stream=None):
    stream = stream or MODEM.stream()
    return [result for piece in pieces for result in stream.feed(piece)] + stream.finish()


def frames(results):
    return [result for result in results if isinstance(result, air.Frame)]


def close(found, starts):
    places = [frame.reception.start for frame in found]
    return len(places) == len(starts) and all(
        abs(place - start) <= 2 for place, start in zip(places, starts, strict=True)
    )


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, len(RECORDING)), max_size=6))
def test_frames_are_the_same_however_the_samples_are_cut(cuts):
    results = received(np.split(RECORDING, sorted(cuts)))
    assert close(frames(results), STARTS)


def test_frames_come_as_soon_as_they_are_asked_for():
    stream = MODEM.stream()
    assert stream.feed(RECORDING[: 300 + LENGTH + 400]) == []
    (frame,) = stream.drain()
    assert frame.number == 0 and stream.drain() == []


@settings(deadline=None, max_examples=15)
@given(st.integers(0, len(RECORDING)))
def test_a_truncated_recording_gives_the_frames_that_are_whole(end):
    found = frames(received([RECORDING[:end]]))
    whole = [start for start in STARTS if start + LENGTH + 4 <= end]
    perhaps = [start for start in STARTS if start + LENGTH - 16 <= end]
    assert close(found, whole) or close(found, perhaps)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 8 * len(RECORDING) - 1), st.integers(0, 7)), min_size=1, max_size=3))
def test_flipped_bits_leave_the_other_frames_whole(flips):
    damaged = bytearray(RECORDING.tobytes())
    for byte, bit in flips:
        damaged[byte] ^= 1 << bit
    touched = {byte // 8 for byte, _ in flips}
    found = {frame.number for frame in frames(received([np.frombuffer(damaged, np.complex64)]))}
    for number, start in enumerate(STARTS):
        if not any(start - 200 <= sample < start + LENGTH + 200 for sample in touched):
            assert number in found


def test_memory_is_bounded():
    stream, random = MODEM.stream(), np.random.default_rng(0)
    for _ in range(6):
        stream.feed(random.normal(size=(100_000, 2)).astype(np.float32).view(np.complex64)[:, 0])
        assert stream.buffered <= stream.most_buffered
    assert stream.samples == 600_000 and stream.buffered < 50_000
    # A header that promises the longest frame, and then nothing but noise: the wait ends.
    promise = Modem(MODEL, MODEM.numerology).modulate(
        signal(torch.ones(1, 32768), Header("faces-512", MODEL.digest, 32768, ("codes",), 512))
    )[:480]
    for _ in range(3):
        stream.feed(np.r_[promise, 0.01 * random.normal(size=40_000)])
        assert stream.buffered <= stream.most_buffered


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=4096).map(lambda data: np.frombuffer(data[: len(data) // 8 * 8], np.complex64)),
            st.tuples(st.integers(0, 3000), st.sampled_from([0, 1, 1e-40, 1e38, np.inf, np.nan, -1j])).map(
                lambda given: np.full(given[0], given[1], np.complex64)
            ),
            st.integers(0, len(RECORDING) - 900).map(lambda begin: RECORDING[begin : begin + 900]),
            st.integers(0, 99).map(lambda seed: np.random.default_rng(seed).normal(size=2000) * 10.0 ** (seed % 30)),
        ),
        max_size=8,
    )
)
def test_hostile_samples_never_crash(pieces):
    stream = MODEM.stream()
    results = received(pieces, stream)
    assert stream.found == len(frames(results)) and sum(stream.refused.values()) == len(results) - stream.found
    assert all(frame.soft.symbols.isfinite().all() and (frame.soft.noise > 0).all() for frame in frames(results))


def test_impulses_go_and_a_waveform_stays():
    assert np.array_equal(cleaned(RECORDING), RECORDING)
    damaged = RECORDING.copy()
    damaged[[50, 2000]] = 1e30, np.nan
    assert (cleaned(damaged) == 0)[[50, 2000]].all()
    assert np.array_equal(np.delete(cleaned(damaged), [50, 2000]), np.delete(RECORDING, [50, 2000]))


@pytest.mark.slow
def test_it_keeps_up_with_a_million_samples_of_noise_a_second():
    noise = np.random.default_rng(0).normal(size=(500_000, 2)).astype(np.float32).view(np.complex64)[:, 0]
    stream = MODEM.stream()
    stream.feed(noise[:100_000])
    start = perf_counter()
    stream.feed(noise)
    assert perf_counter() - start < 3 * 0.5, "three times real time, on a machine that is shared"
