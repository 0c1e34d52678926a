"""The limit against closed forms, and the gap of a codec that is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.coding.plan import Plan
from semwave.evaluation.fitted import Source
from semwave.evaluation.limit import Gap, attainable, gaps, least_error, variances


@settings(deadline=None)
@given(st.floats(0.01, 100), st.integers(1, 500), st.integers(1, 1000), st.floats(-10, 30))
def test_the_limit_of_a_white_source(variance, size, pairs, snr_db):
    """D = variance (1 + SNR)^(-k/d) a number (Shannon)."""
    k, snr = 2 * pairs, 10 ** (snr_db / 10)
    found = attainable(torch.full((size,), variance), k, snr_db)
    assert found == pytest.approx(size * variance * (1 + snr) ** (-k / size), rel=1e-6, abs=1e-12)


def test_the_limit_of_two_numbers():
    """Cover and Thomas, 10.3.3: the weaker number is left out until the level reaches its variance."""
    spread = torch.tensor([4.0, 1.0])
    assert least_error(spread, 0) == pytest.approx(5)
    assert least_error(spread, 0.5 * math.log2(2)) == pytest.approx(2 + 1)
    assert least_error(spread, 0.5 * math.log2(4 / 0.5) + 0.5 * math.log2(1 / 0.5)) == pytest.approx(1)


def test_the_variances_of_a_source_along_its_axes():
    random = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=random))[0]
    known, seen = (torch.randn(20_000, 3, generator=random) * torch.tensor([1.0, 2.0, 3.0]) @ turn + 5 for _ in "ab")
    found = variances(known[:, None], seen[:, None])
    torch.testing.assert_close(found, torch.tensor([1.0, 4.0, 9.0]).double(), rtol=0.05, atol=0)


def test_few_samples_of_a_white_source_do_not_make_it_look_coloured():
    known, seen = (torch.randn(n, 20, 20, generator=torch.Generator().manual_seed(n)) for n in (60, 2000))
    # Along its own axes the sample of 60 has variances above 3, and none in 340 of the 400 dimensions.
    torch.testing.assert_close(variances(known, seen), torch.ones(400).double(), rtol=0.25, atol=0)


def test_the_gap_of_a_codec_that_is_known():
    """Of 4 groups of 16 numbers the first is sent as it is, the others are not: noise and those are lost."""
    random = torch.Generator().manual_seed(1)
    known = torch.randn(400, 4, 16, generator=random)
    source = Source(torch.cat([known, -known]), 0, torch.zeros(0), 2 * torch.eye(16).expand(4, 16, 16))

    class First:
        def plan(self, k):
            return Plan(torch.ones(16), 16, k)

        def encode(self, n):
            return n[:, 0]

        def decode(self, symbols, noise):
            assert noise.shape == symbols.shape
            return torch.cat([symbols[:, None], torch.zeros(len(symbols), 3, 16)], 1)

    sent = {f"photo-{i}": torch.randn(1, 4, 16, generator=random) for i in range(300)}
    plain, weighted = gaps(sent, source, {"first": (First(), 16)}, [10.0], seed=0)
    assert (plain.weighted, weighted.weighted) == (False, True)
    assert plain.measured == pytest.approx((3 + 0.1) / 4, rel=0.03)
    assert plain.attainable == pytest.approx(11 ** (-16 / 64), rel=0.03)
    assert weighted.measured == pytest.approx(plain.measured) and weighted.db == pytest.approx(plain.db)


def test_a_gap_in_db():
    assert Gap("x", 10.0, False, measured=0.4, attainable=0.2).db == pytest.approx(3.01, abs=0.01)
