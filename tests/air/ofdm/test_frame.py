"""Spreading and framing: energy stays, peaks go, cells arrive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.air.ofdm.frame import despread, known_cells, modulate, peak_power, peak_to_average_db, spread
from semwave.air.ofdm.header import FrameHeader
from semwave.air.ofdm.numerology import NUMEROLOGIES, Numerology


def symbols(count, seed=0):
    drawn = np.random.default_rng(seed).normal(size=(2, count))
    return (drawn[0] + 1j * drawn[1]) / np.sqrt(2)


@settings(deadline=None, max_examples=50)
@given(st.integers(32, 3000), st.integers(0, 7), st.booleans())
def test_spreading_is_unitary(count, sequence, spreading):
    numerology, sent = Numerology(spreading=spreading), symbols(count)
    cells = spread(sent, numerology, sequence)
    assert np.sum(abs(cells) ** 2) == pytest.approx(np.sum(abs(sent) ** 2))
    np.testing.assert_allclose(despread(cells, numerology, sequence), sent, atol=1e-12)


@pytest.mark.parametrize("carriers", NUMEROLOGIES)
@pytest.mark.parametrize("k", [64, 66, 2560])
def test_the_receiver_knows_all_but_the_payload(carriers, k):
    numerology = NUMEROLOGIES[carriers]
    known = known_cells(numerology, FrameHeader(1, k, ("codes",), 512))
    assert (known == 0).sum() == k // 2 and len(known) * numerology.symbol == numerology.samples(k) - len(
        numerology.preamble
    )
    np.testing.assert_allclose(abs(known[known != 0]), 1)


def test_a_loud_symbol_makes_no_peak():
    sent = np.zeros(1280, complex)
    sent[5] = np.sqrt(1280)
    header = FrameHeader(1, 2560, ("codes",), 512)
    assert 10 * np.log10(1280) > 30
    assert peak_to_average_db(modulate(Numerology(), sent, header)) < 11


def test_candidates_lower_the_peak():
    header = FrameHeader(1, 2560, ("codes",), 512)
    one, eight = (
        np.mean([peak_to_average_db(modulate(Numerology(candidates=n), symbols(1280, s), header)) for s in range(4)])
        for n in (1, 8)
    )
    assert eight < one - 0.3


def test_peaks_between_samples_are_seen():
    # A tone of (n + 1/2) pi / 2 a sample has its peaks where no sample is: sqrt(2) higher.
    tone = np.cos(np.pi / 2 * np.arange(64) + np.pi / 4)
    assert (abs(tone) ** 2).max() == pytest.approx(0.5) and peak_power(tone) == pytest.approx(1, rel=1e-6)
