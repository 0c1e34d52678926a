"""The rotation of symbols: undone exactly where nothing is lost, the best linear estimate where something is."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.coding.diversity import SHARED, Diversity

KS = st.integers(32, 400).map(lambda half: 2 * half)
SEEDS = st.integers(0, 1000)


def falling(k):
    """Powers (k,) that fall from far above their mean of 1 to far below it."""
    power = torch.logspace(1.5, -2, k)
    return power * k / power.sum()


def drawn(k, count=3, seed=0):
    return torch.randn(count, k, generator=torch.Generator().manual_seed(seed)) * falling(k).sqrt()


@settings(deadline=None, max_examples=40)
@given(KS, SEEDS, st.floats(-10, 60))
def test_nothing_is_changed_where_all_have_the_same_noise(k, seed, snr_db):
    diversity, x = Diversity(falling(k)), drawn(k, seed=seed)
    spread = diversity.spread(x)
    torch.testing.assert_close(spread.square().sum(1), x.square().sum(1))
    noise = torch.full_like(x, 10 ** (-snr_db / 10))
    gathered, told = diversity.gather(spread, noise)
    torch.testing.assert_close(gathered, x, atol=1e-4, rtol=1e-4)
    assert torch.equal(told, noise)


@settings(deadline=None, max_examples=40)
@given(KS, SEEDS, st.floats(0.0, 1.0))
def test_it_is_the_linear_estimate_with_the_least_squared_error(k, seed, share):
    diversity, x = Diversity(falling(k)), drawn(k, 1, seed)
    random = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, k, generator=random) + 0.01
    lost = torch.rand(1, k, generator=random) < share
    received = (diversity.spread(x) + noise.sqrt() * torch.randn(1, k, generator=random)).masked_fill(lost, 0.0)
    gathered, told = diversity.gather(received, noise.masked_fill(lost, math.inf))

    prior, rotation = falling(k).double(), diversity.spread(torch.eye(k)).T.double()
    kept = rotation[~lost[0]]
    gain = prior.diag() @ kept.T @ torch.linalg.inv(kept @ prior.diag() @ kept.T + noise[0, ~lost[0]].double().diag())
    best, error = gain @ received[0, ~lost[0]].double(), (prior.diag() - gain @ kept @ prior.diag()).diagonal()
    shrunk = gathered[0].double() * prior / (prior + told[0].double())
    torch.testing.assert_close(shrunk.where(told[0].isfinite(), 0.0), best, atol=1e-3, rtol=1e-3)
    stated = prior * told[0].double() / (prior + told[0].double())
    torch.testing.assert_close(stated.where(told[0].isfinite(), prior), error, atol=1e-3, rtol=1e-3)


def test_a_strong_symbol_that_is_lost_is_told_from_weak_ones():
    k = 300
    diversity, x = Diversity(falling(k)), drawn(k, 2000)
    noise = torch.full_like(x, 0.1)
    noise[:, 0] = math.inf
    sent = diversity.spread(x)
    received = (sent + 0.1**0.5 * torch.randn(sent.shape, generator=torch.Generator().manual_seed(1))).where(
        noise.isfinite(), 0.0
    )
    gathered, told = diversity.gather(received, noise)
    error = (gathered - x)[:, 0].square().mean().item()
    assert error == pytest.approx(told[0, 0].item(), rel=0.1)
    assert error < 0.1 * falling(k)[0].item()
    # Of a weak one next to nothing is left where the strong one has to be told from it.
    assert told[0, diversity.places[0, 1]] > 0.1


@pytest.mark.parametrize("k", [64, 65, 66, 32768])
def test_a_strong_symbol_keeps_its_place(k):
    diversity = Diversity(falling(k))
    assert len(diversity.places) == k // 3 and diversity.places.unique().numel() == 3 * (k // 3)
    own = diversity.spread(torch.eye(k)[:1])[0]
    assert own[0].item() == pytest.approx((1 - SHARED) ** 0.5)
    assert own[diversity.places[0, 1:]].tolist() == pytest.approx([(SHARED / 2) ** 0.5] * 2)
    assert own.square().sum().item() == pytest.approx(1)
