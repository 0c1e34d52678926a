"""The plan: what each of any even k symbols carries, how loud, and what a receiver makes of those that it has."""

import math
from functools import cache

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from semwave.air.channels import AWGN
from semwave.air.iq import signal
from semwave.coding.plan import MOST_ENERGY, TRAINING_SNR_DB, Plan, symbol_power

CODES, COEFFICIENTS = 96, 3000
IMPORTANCE = torch.cat([torch.logspace(0, -3, CODES), 0.3 * torch.logspace(0, -4, COEFFICIENTS)])
KS = st.integers(32, COEFFICIENTS // 2).map(lambda half: 2 * half)
NOISE = 10 ** (-TRAINING_SNR_DB / 10)


@cache
def plan_for(k, residual=True):
    return Plan(IMPORTANCE if residual else IMPORTANCE[:CODES], CODES, k)


def numbers(count, seed=0):
    """Codes' symbols (count, 96) and coefficients (count, 3000), of variance 1."""
    drawn = torch.randn(count, CODES + COEFFICIENTS, generator=torch.Generator().manual_seed(seed))
    return drawn.split((CODES, COEFFICIENTS), 1)


def at(snr_db, symbols):
    return torch.full_like(symbols, 10 ** (-snr_db / 10))


@settings(deadline=None, max_examples=40)
@given(KS, st.integers(0, 1000), st.floats(0.0, 1.5))
def test_every_image_has_unit_power_and_without_noise_all_arrives(k, seed, level):
    plan = plan_for(k)
    symbols, coefficients = numbers(2, seed)
    sent = plan.sent(symbols)
    x = plan.join(sent, level * coefficients)
    assert x.shape == (2, k)
    torch.testing.assert_close(x.square().mean(1), torch.ones(2))
    codes, noise, found = plan.split(x, at(80.0, x))
    carried = plan.of_codes[plan.code_power > 1e-3]
    torch.testing.assert_close(codes[:, carried], sent[:, carried], atol=0.02, rtol=0.02)
    elsewhere = torch.ones(CODES, dtype=torch.bool).index_fill_(0, plan.of_codes, False)
    assert noise[:, elsewhere].isinf().all() and (codes[:, elsewhere] == 0).all()
    loud = plan.coefficient_power > 1e-2
    wanted = level * coefficients[:, : plan.coefficients][:, loud]
    torch.testing.assert_close(found[:, loud], wanted, atol=0.03, rtol=0.03)


@settings(deadline=None, max_examples=30)
@given(KS, KS)
def test_the_order_is_one_for_every_k(k, other):
    few, many = plan_for(min(k, other)), plan_for(max(k, other))
    assert torch.equal(many.for_codes[: few.k], few.for_codes)
    assert torch.equal(many.of_codes[: len(few.of_codes)], few.of_codes)
    assert torch.equal(few.of_coefficients, torch.arange(few.coefficients))


@settings(deadline=None, max_examples=30)
@given(KS)
def test_power_is_all_used_and_falls_with_importance(k):
    plan = plan_for(k)
    assert plan.power.sum().item() == pytest.approx(k, rel=1e-4)
    assert (plan.power.diff() <= 1e-6).all() and (plan.power >= 0).all()


@pytest.mark.parametrize("k", [64, 96])
def test_codes_alone_keep_their_scale(k):
    plan = plan_for(k, False)
    assert plan.coefficients == 0 and plan.code_energy == pytest.approx(k, rel=1e-4)
    sent = plan.sent(numbers(3)[0])
    x = plan.join(sent)
    torch.testing.assert_close(x.square().mean(1), torch.ones(3))
    codes, _, coefficients = plan.split(x, at(60.0, x))
    carried = plan.of_codes[plan.code_power > 1e-3]
    torch.testing.assert_close(codes[:, carried], sent[:, carried], atol=1e-3, rtol=1e-3)
    assert coefficients.shape == (3, 0)


def test_what_is_too_loud_is_sent_softer_and_codes_are_kept():
    plan = plan_for(512)
    symbols, coefficients = numbers(1)
    sent = plan.sent(symbols)
    x = plan.join(sent, 20 * coefficients)
    gathered = plan.diversity.gather(x, at(60.0, x))[0]
    share = gathered[:, plan.for_codes].square().sum().item() / plan.k
    rest = MOST_ENERGY * (plan.k - plan.code_energy)
    assert share == pytest.approx(plan.code_energy / (plan.code_energy + rest), rel=0.01)
    codes = plan.split(x, at(60.0, x))[0]
    carried = plan.of_codes[plan.code_power > 0.1]
    torch.testing.assert_close(codes[:, carried], sent[:, carried], atol=0.02, rtol=0.02)


def test_the_error_grows_gently_with_the_noise():
    plan = plan_for(512)
    symbols, coefficients = numbers(16)
    sent, errors = plan.sent(symbols), []
    for snr_db in (40.0, 20.0, 10.0, 0.0, -10.0):
        soft = AWGN(snr_db, torch.Generator().manual_seed(1))(signal(plan.join(sent, coefficients)))
        codes, noise, found = plan.split(soft.symbols, soft.noise)
        errors.append((found - coefficients[:, : plan.coefficients]).square().mean().item())
        carried = plan.of_codes[plan.code_power > 0.1]
        measured = (codes - sent)[:, carried].square().mean(0)
        stated = noise[:, carried].mean(0)
        assert (measured / stated).log10().mean().item() == pytest.approx(0, abs=0.12)
    assert errors == sorted(errors) and errors[-1] < 1.1


@settings(deadline=None, max_examples=40)
@given(KS, st.floats(0.0, 1.0), st.floats(-1e3, 1e3), st.integers(0, 100))
def test_symbols_that_were_not_received_do_not_count(k, share, garbage, seed):
    plan = plan_for(k)
    symbols, coefficients = numbers(2, 1)
    x = plan.join(plan.sent(symbols), coefficients)
    lost = torch.rand(2, k, generator=torch.Generator().manual_seed(seed)) < share
    noise = at(20.0, x).masked_fill(lost, torch.inf)
    zero, other = (plan.split(x.masked_fill(lost, value), noise) for value in (0.0, garbage))
    assert all(part.isfinite().all() for part in (zero[0], zero[2])) and not zero[1].isnan().any()
    assert torch.equal(zero[1], other[1]) and torch.equal(zero[2], other[2])
    if lost.all():
        assert (zero[2] == 0).all() and zero[1].isinf().all()
    received = zero[1].isfinite()
    assert torch.equal(zero[0][received], other[0][received])


@settings(deadline=None, max_examples=30)
@given(KS, st.integers(0, 100), st.floats(0.3, 1.2))
def test_the_first_symbols_tell_what_they_carry(k, seed, level):
    plan, first = plan_for(k), max(32, k // 4)
    symbols, coefficients = numbers(2, seed)
    sent = plan.sent(symbols)
    x = plan.join(sent, level * coefficients)
    noise = at(30.0, x)
    noise[:, first:] = math.inf
    codes, told, found = plan.split(x.masked_fill(noise.isinf(), 0.0), noise)
    well = told < 0.3
    # By how much X was scaled is known less well from a part of it, so only the direction is looked at.
    for one, other, which in zip(codes, sent, well, strict=True):
        if which.sum() > 3:
            assert torch.cosine_similarity(one[which], other[which], 0) > 0.5
    unheard = ~torch.isin(torch.arange(k), plan.diversity.places[(plan.diversity.places < first).any(1)])
    unheard[:first] = False
    assert (found[:, unheard[~plan.for_codes]] == 0).all()


@settings(deadline=None, max_examples=20)
@given(KS, st.floats(-5, 25))
def test_codes_over_noise_are_what_the_whole_chain_gives(k, snr_db):
    plan = plan_for(k)
    symbols, coefficients = numbers(64)
    sent = plan.sent(symbols)
    noise = torch.full((64, 1), 10 ** (-snr_db / 10))
    short = plan.over_noise(sent, noise, torch.Generator().manual_seed(0))
    soft = AWGN(snr_db, torch.Generator().manual_seed(0))(signal(plan.join(sent, coefficients)))
    long = plan.split(soft.symbols, soft.noise)
    carried = plan.of_codes[plan.code_power > 0.2]
    for codes, told in (short, long[:2]):
        error = (codes - sent)[:, carried].square().mean(0) / told[:, carried].mean(0)
        assert error.mean().item() == pytest.approx(1, abs=0.25)


def distortion(power, variance, noise):
    """Mean square error of the Wiener estimates of symbols of ``variance``, sent with ``power`` over ``noise``."""
    return (variance * noise / (power + noise)).sum()


@settings(max_examples=30, deadline=None)
@given(
    arrays.arrays(np.float64, 6, elements=st.floats(0.01, 100)),
    st.floats(-5, 20),
    st.floats(0.5, 20),
)
def test_symbol_power_is_the_numeric_optimum(variance, snr_db, total):
    variance, noise = np.sort(variance)[::-1].copy(), 10 ** (-snr_db / 10)
    found = symbol_power(torch.from_numpy(variance), total, noise).numpy()
    assert found.sum() == pytest.approx(total) and found.min() >= 0
    numeric = minimize(
        distortion,
        np.full(6, total / 6),
        args=(variance / variance.max(), noise),
        jac=lambda power, v, noise: -v * noise / (power + noise) ** 2,
        bounds=[(0, total)] * 6,
        constraints={"type": "eq", "fun": lambda power: power.sum() - total, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 300},
    )
    least = numeric.fun * variance.max()
    assert distortion(found, variance, noise) <= least * (1 + 1e-6)


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_symbols_of_equal_variance_get_equal_power(noise):
    power = symbol_power(torch.full((10,), 2.0).double(), 10.0, noise)
    torch.testing.assert_close(power, torch.ones(10).double())


def test_two_symbols_by_hand():
    # sqrt(9 noise / mu) - noise + sqrt(1 noise / mu) - noise = 2 with noise 1: sqrt(1 / mu) = 1, powers 2 and 0.
    power = symbol_power(torch.tensor([9.0, 1.0]).double(), 2.0, 1.0)
    torch.testing.assert_close(power, torch.tensor([2.0, 0.0]).double(), atol=1e-6, rtol=0)
    # With total 6, sqrt(1 / mu) = 2: powers 5 and 1.
    power = symbol_power(torch.tensor([9.0, 1.0]).double(), 6.0, 1.0)
    torch.testing.assert_close(power, torch.tensor([5.0, 1.0]).double())
