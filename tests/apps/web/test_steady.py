"""Symbols of a camera's frames, filtered: what holds still is known better with every frame, what moves is followed."""

import math

import pytest
import torch

from semwave.apps.web.steady import NEIGHBOURS, Steady
from semwave.types import Header, Soft

K = 2560
HEADER = Header("m", "0123456789ab", K, ("codes",), 256)


def heard(symbols, noise, random, header=HEADER):
    power = torch.full_like(symbols, noise)
    return Soft(symbols + noise**0.5 * torch.randn(symbols.shape, generator=random), power, header)


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_what_holds_still_is_known_better_and_by_how_much_is_said(random, noise):
    steady, symbols = Steady(), torch.randn(1, K, generator=random)
    for _ in range(12):
        found = steady(heard(symbols, noise, random))
    error = (found.symbols - symbols).square().mean().item()
    assert error < noise / 3
    assert found.noise.mean().item() == pytest.approx(error, rel=0.5)


def test_what_changes_is_not_held_up(random):
    steady = Steady()
    for _ in range(5):
        symbols = torch.randn(1, K, generator=random)
        found = steady(heard(symbols, 0.1, random))
    assert (found.symbols - symbols).square().mean().item() < 0.1
    assert (found.noise <= 0.1).all()


def test_a_part_that_moves_does_not_unsettle_the_rest(random):
    steady, symbols = Steady(), torch.randn(1, K, generator=random)
    for _ in range(12):
        symbols[:, : K // 2] = torch.randn(1, K // 2, generator=random)
        found = steady(heard(symbols, 0.1, random))
    still = slice(K // 2 + NEIGHBOURS, None)
    assert (found.symbols - symbols)[:, still].square().mean().item() < 0.1 / 3


def test_lost_symbols_stay_lost_and_another_header_begins_anew(random):
    steady, symbols = Steady(), torch.ones(1, K)
    for lost in (slice(0, 100), slice(50, 150)):
        soft = heard(symbols, 0.1, random)
        soft.noise[:, lost] = math.inf
        found = steady(soft)
        assert found.noise[:, lost].isinf().all() and found.symbols.isfinite().all()
        assert found.noise[:, 150:].isfinite().all()
    other = heard(symbols, 0.1, random, Header("m", "0123456789ab", K, ("codes",), 512))
    assert steady(other) is other


@pytest.mark.parametrize("k", [2, 64])
def test_few_symbols_are_filtered_too(random, k):
    steady = Steady()
    for _ in range(2):
        found = steady(heard(torch.ones(1, k), 0.1, random))
    assert found.symbols.shape == (1, k) and (found.noise <= 0.1).all()
