"""What is sent beside the codes: exact without noise, gentle with it, and blind to what is private."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from semwave.air.channels import AWGN
from semwave.air.iq import noise_power, signal
from semwave.coding.codec import Codec
from semwave.coding.residual import EMPHASISED, MOST_ENERGY, Residual, cosines, deficit
from semwave.pictures.images import COARSE, coarse
from semwave.zoo import config_of

CONFIG = config_of("faces-512")
PLANS = {plan.k: plan for plan in CONFIG.residuals}
SMALLEST, LARGEST = PLANS[min(PLANS)], PLANS[max(PLANS)]
CODEC_K = CONFIG.residual_codec
FREQUENCIES_OF = {SMALLEST.k: 6, LARGEST.k: 24}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(count, seed=0, level=0.2, k=LARGEST.k):
    """Differences (count, 3, 64, 64) whose frequencies are all among those that ``k`` symbols can say."""
    width = FREQUENCIES_OF[k]
    spectrum = torch.randn(count, 3, width, width, generator=seeded(seed)) / (1 + torch.arange(width)) / 2
    rows = cosines(COARSE)[:width]
    planes = torch.einsum("bcij,ih,jw->bchw", spectrum, rows, rows)
    return level * planes / planes.square().mean((1, 2, 3), keepdim=True).sqrt()


def uneven(count, seed=0):
    """Codes' symbols (count, codec_k) of mean square one, every other of them quiet."""
    symbols = torch.randn(count, CODEC_K, generator=seeded(seed)) * torch.tensor([1.0, 0.3]).repeat(CODEC_K // 2)
    return symbols * symbols.square().mean(1, keepdim=True).rsqrt()


def started(plan):
    residual = Residual(plan, CODEC_K).choose(uneven(256)).start(smooth(64, k=plan.k))
    return residual.requires_grad_(False)


def at(snr_db, symbols):
    """Noise power of ``symbols`` (B, k) that were received at ``snr_db``."""
    return noise_power(torch.tensor(snr_db)).expand_as(symbols)


@pytest.fixture(scope="module", params=PLANS.values(), ids=lambda plan: f"k={plan.k}")
def residual(request):
    return started(request.param)


def test_the_loudest_symbols_are_carried_at_their_own_level(residual):
    symbols = uneven(8, 5)
    selected = residual.select_code_symbols(symbols)
    some = residual.plan.codes == CODEC_K // 2
    assert len(residual.carried) == residual.plan.codes
    assert (residual.carried[: CODEC_K // 2] % 2 == 0).all() == some
    sent = torch.zeros(CODEC_K, dtype=torch.bool).index_fill_(0, residual.carried.long(), True)
    assert (selected[:, ~sent] == 0).all()
    torch.testing.assert_close(selected[:, sent], symbols[:, sent], rtol=0.2, atol=0)
    torch.testing.assert_close(selected[:, sent].square().mean(1).sqrt(), residual.level.expand(8))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.0, 0.4))
def test_without_noise_both_arrive_and_every_image_has_unit_power(residual, seed, level):
    codes = residual.select_code_symbols(uneven(2, seed))
    difference = smooth(2, seed + 1, 0.2, residual.plan.k) * level / 0.2
    symbols = residual.join(codes, difference)
    assert symbols.shape == (2, residual.plan.k)
    torch.testing.assert_close(symbols.square().mean(1), torch.ones(2))
    arrived, noise, found = residual.split(symbols, at(60.0, symbols))
    torch.testing.assert_close(arrived, codes, atol=1e-3, rtol=1e-3)
    sent = residual.carried.long()
    assert arrived.shape == noise.shape == (2, CODEC_K) and (noise[:, sent] < 10 ** (-50 / 10)).all()
    assert noise.isinf().sum() == 2 * (CODEC_K - residual.plan.codes)
    assert (found - difference).square().mean() < 1e-3 * max(level, 0.01) ** 2 + 1e-7


def test_what_is_too_loud_is_sent_softer_and_codes_are_kept(residual):
    plan = residual.plan
    codes, difference = residual.select_code_symbols(uneven(1)), smooth(1, 3, 20.0, plan.k)
    symbols = residual.join(codes, difference)
    share = symbols[:, : plan.codes].square().sum() / plan.k
    most = MOST_ENERGY * plan.residual_energy
    assert share == pytest.approx(plan.code_energy / (plan.code_energy + most), rel=0.01)
    arrived, _, found = residual.split(symbols, at(60.0, symbols))
    torch.testing.assert_close(arrived, codes, atol=1e-3, rtol=1e-3)
    assert functional.cosine_similarity(found.flatten(1), difference.flatten(1)) > 0.99


def test_the_error_grows_gently_with_the_noise(residual):
    codes, difference = residual.select_code_symbols(uneven(16)), smooth(16, 5, k=residual.plan.k)
    sent = residual.carried.long()
    errors = []
    for snr_db in (40.0, 20.0, 10.0, 0.0, -10.0):
        soft = AWGN(snr_db, seeded())(signal(residual.join(codes, difference)))
        arrived, noise, found = residual.split(soft.symbols, soft.noise)
        errors.append((found - difference).square().mean().item() / 0.04)
        measured = (arrived - codes)[:, sent].square().mean(1)
        stated = -10 * noise[:, sent].mean(1).log10().mean()
        assert stated == pytest.approx(-10 * measured.log10().mean().item(), abs=1.5)
    assert errors == sorted(errors) and errors[0] < 1e-3 and errors[-1] < 1.1
    assert errors[2] < 0.2


@settings(deadline=None, max_examples=20)
@given(st.floats(0.0, 0.95), st.floats(-1e3, 1e3), st.integers(0, 100))
def test_symbols_that_were_not_received_do_not_count(residual, share, garbage, seed):
    plan = residual.plan
    symbols = residual.join(residual.select_code_symbols(uneven(2, 1)), smooth(2, 2, k=plan.k))
    erased = torch.rand(2, plan.k, generator=seeded(seed)) < share
    noise = at(20.0, symbols).masked_fill(erased, torch.inf)
    zero, other = (residual.split(symbols.masked_fill(erased, value), noise) for value in (0.0, garbage))
    assert all(part.isfinite().all() for part in (other[0], other[2])) and not other[1].isnan().any()
    assert torch.equal(other[1].isinf()[:, residual.carried.long()], erased[:, : plan.codes])
    assert torch.equal(zero[1], other[1]) and torch.equal(zero[2], other[2])
    received = ~zero[1].isinf()
    assert torch.equal(zero[0][received], other[0][received])


def test_a_few_erased_symbols_leave_the_scale_to_the_others(residual):
    plan = residual.plan
    codes, difference = residual.select_code_symbols(uneven(2, 1)), smooth(2, 2, k=plan.k)
    symbols = residual.join(codes, difference)
    noise = at(60.0, symbols).clone()
    noise[:, : plan.codes : 8] = torch.inf
    arrived, told, found = residual.split(symbols.masked_fill(noise.isinf(), 0.0), noise)
    there = ~told.isinf()
    # The power of an eighth of the symbols is missing from the estimate of the scale, not from the symbols.
    torch.testing.assert_close(arrived[there], codes[there], atol=0.02, rtol=0.12)
    assert functional.cosine_similarity(found.flatten(1), difference.flatten(1)).min() > 0.99


def test_where_no_code_symbol_was_received_the_codec_gives_what_zeros_give(residual):
    plan = residual.plan
    torch.manual_seed(0)
    codec = Codec(CODEC_K, 2).requires_grad_(False)
    symbols = residual.join(residual.select_code_symbols(uneven(2, 1)), smooth(2, 2, k=plan.k))
    noise = at(20.0, symbols).clone()
    noise[:, : plan.codes] = torch.inf
    codes, told, difference = residual.split(symbols, noise)
    assert told.isinf().all() and codes.isfinite().all()
    assert torch.equal(codec.decode(codes, told), codec.decode(torch.zeros(2, CODEC_K), torch.ones(2, 1)))
    # The residual is still told, scaled as if the power were that of the plan.
    assert difference.isfinite().all() and (difference != 0).any()
    everything = residual.split(symbols, torch.full_like(symbols, torch.inf))
    assert everything[0].isfinite().all() and (everything[2] == 0).all()


def test_a_deficit_is_the_difference_of_what_is_visible():
    photo, drawn = torch.rand(1, 3, 256, 256, generator=seeded()), torch.rand(1, 3, 128, 128, generator=seeded(1))
    difference = deficit(photo, drawn)
    torch.testing.assert_close(coarse(difference), coarse(photo) - coarse(drawn))
    torch.testing.assert_close(difference[0, :, 10, 21], photo[0, :, 10, 21] - drawn[0, :, 5, 10])
    visible = torch.ones(1, 1, 256, 256, dtype=torch.bool)
    visible[..., 10, 21] = False
    assert (deficit(photo, drawn, visible)[0, :, 10, 21] == 0).all()


@pytest.fixture(scope="module")
def emphatic():
    torch.manual_seed(0)
    residual = Residual(LARGEST, CODEC_K)
    torch.nn.init.normal_(residual.emphasis.last.weight, std=0.05)
    return residual.requires_grad_(False)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 56), st.sampled_from([0.0, 1.0, float("nan")]))
def test_what_is_sent_says_nothing_of_what_is_not_visible(emphatic, top, left, width, inside):
    photo, drawn = torch.rand(1, 3, 256, 256, generator=seeded()), torch.rand(1, 3, 128, 128, generator=seeded(1))
    visible = torch.ones(1, 1, 256, 256, dtype=torch.bool)
    visible[..., top : top + width, left : left + width] = False
    changed = torch.where(visible, photo, inside)
    told, other = (emphatic.difference(of, drawn, visible) for of in (photo, changed))
    assert torch.equal(told, other)
    hidden = functional.max_pool2d((~visible).float(), 4)[0, 0] > 0
    assert (told[0, :, hidden] == 0).all() and (told[0, :, ~hidden] != 0).any()
    assert not torch.equal(told, emphatic.difference(photo, drawn))


def test_what_has_learnt_to_exaggerate_is_settled():
    plan = LARGEST
    residual, symbols = started(plan), uneven(64)
    loud = 5 * smooth(64)
    before = residual.join(symbols, loud)
    residual.settle(loud)
    joined = residual.join(symbols, loud)
    codes, rest = joined.square().split((plan.codes, plan.k - plan.codes), 1)
    expected = EMPHASISED * plan.residual_energy / plan.code_energy
    assert (rest.sum(1) / codes.sum(1)).mean() == pytest.approx(expected, rel=0.05)
    assert before[:, : plan.codes].square().sum() < codes.sum()
    found = residual.split(joined, at(60.0, joined))[2]
    assert (found - loud).square().mean() < 1e-3 * loud.square().mean()
