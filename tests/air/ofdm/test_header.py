"""The header of a frame: what is written is read, and what is wrong is not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave import SemwaveError
from semwave.air.ofdm.header import BITS, FrameHeader, header_cells, read_bits, read_headers
from semwave.air.ofdm.numerology import NUMEROLOGIES
from semwave.types import Header
from semwave.zoo import LAYERS

HEADERS = st.builds(
    FrameHeader,
    st.integers(0, 2**16 - 1),
    st.integers(32, 16384).map(lambda half: 2 * half),
    st.sampled_from([LAYERS[:1], LAYERS[1:], LAYERS]),
    st.integers(0, 15).map(lambda power: 2**power),
    st.integers(0, 4095),
    st.integers(0, 7),
)
HEADER = FrameHeader(0xBEEF, 2560, LAYERS, 512, 7, 3)


@settings(deadline=None, max_examples=200)
@given(HEADERS)
def test_every_header_survives(header):
    assert read_bits(header.bits()) == header


@settings(deadline=None, max_examples=200)
@given(HEADERS, st.integers(0, BITS - 1))
def test_one_wrong_bit_is_noticed(header, place):
    bits = header.bits()
    bits[place] = 1 - bits[place]
    assert read_bits(bits) is None


def test_words_that_are_none_are_refused():
    assert read_bits(np.zeros(BITS)) is None and read_bits(np.ones(BITS)) is None
    for header in (FrameHeader(1, 62, ("codes",), 512), FrameHeader(1, 64, (), 512)):
        assert read_bits(header.bits()) is None


def test_another_version_is_read_so_that_it_can_be_named():
    assert read_bits(FrameHeader(1, 64, ("codes",), 512, version=2).bits()).version == 2


@pytest.mark.parametrize("carriers", NUMEROLOGIES)
def test_a_header_is_read_at_minus_two_decibels(carriers):
    numerology, random, noise = NUMEROLOGIES[carriers], np.random.default_rng(0), 10**0.2
    cells = header_cells(HEADER, numerology)
    np.testing.assert_allclose(abs(cells), 1)
    right = 0
    for _ in range(20):
        drawn = random.normal(size=(2, len(cells))) * np.sqrt(noise / 2)
        right += read_headers((cells + drawn[0] + 1j * drawn[1])[None], np.full((1, len(cells)), noise)) == [HEADER]
    assert right >= 19


def test_noise_is_no_header():
    random = np.random.default_rng(1)
    noise = random.normal(size=(2, 500, 192))
    assert read_headers(noise[0] + 1j * noise[1], np.ones((500, 192))) == [None] * 500
    assert read_headers(np.full((1, 192), np.nan), np.ones((1, 192))) == [None]


def test_every_row_is_read_for_itself():
    cells = np.stack([header_cells(HEADER, NUMEROLOGIES[64]), np.zeros(192)])
    assert read_headers(cells, np.ones(cells.shape)) == [HEADER, None]


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    read_headers(header_cells(HEADER, NUMEROLOGIES[64])[None], np.ones((1, 192)))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_signal_that_no_frame_carries_is_refused():
    header = Header("faces-512", "0123456789ab", 62, ("codes",), 512)
    with pytest.raises(SemwaveError, match="from 64 to 32768, not 62"):
        FrameHeader.of(header)
    with pytest.raises(SemwaveError, match="powers of two, not 500"):
        FrameHeader.of(Header("faces-512", "0123456789ab", 64, ("codes",), 500))
    assert FrameHeader.of(Header("faces-512", "0123456789ab", 64, ("codes",), 512), 4097).number == 1
