"""What both ends agree on."""

import numpy as np
import pytest

from semwave import SemwaveError
from semwave.air.ofdm.numerology import NUMEROLOGIES, Numerology


@pytest.fixture(params=NUMEROLOGIES)
def numerology(request):
    return NUMEROLOGIES[request.param]


def test_a_frame_is_as_long_as_its_parts(numerology):
    assert numerology.header_symbols * numerology.data == 192
    for k in (64, 256, 2560, 32768):
        rows = numerology.header_symbols + -(-k // 2 // numerology.data)
        assert numerology.samples(k) == len(numerology.preamble) + rows * (numerology.carriers + numerology.prefix)


def test_pilots_are_even_and_the_middle_is_empty(numerology):
    pilots = numerology.used[numerology.is_pilot]
    assert len(pilots) == numerology.pilots and set(pilots) == set(-pilots)
    assert set(np.diff(pilots)) <= {13, 14} and 0 not in numerology.used
    assert len(numerology.used) * 16 == numerology.carriers * 13


def test_the_preamble_repeats_and_has_a_low_peak(numerology):
    preamble, carriers = numerology.preamble, numerology.carriers
    np.testing.assert_allclose(preamble[-carriers:], preamble[-2 * carriers : -carriers])
    power = abs(preamble) ** 2
    assert power.mean() == pytest.approx(10**0.3 * 13 / 16, rel=0.1) and power.max() < 4.5 * power.mean()


def test_cells_survive_the_transform(numerology):
    cells = np.random.default_rng(0).normal(size=(3, len(numerology.used)))
    np.testing.assert_allclose(numerology.to_cells(numerology.to_time(cells)), cells, atol=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        {"carriers": 63},
        {"prefix": 3},
        {"prefix": 40},
        {"pilots": 1},
        {"pilots": 17},
        {"candidates": 9},
        {"preamble_db": 9},
    ],
)
def test_values_that_no_frame_has_are_refused(values):
    with pytest.raises(SemwaveError):
        Numerology(**values)
