"""The channel codec: two layers a side, any symbols lost, and a start at the theoretical optimum of a linear codec."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.air.iq import noise_power
from semwave.coding.codec import Codec
from semwave.coding.plan import TRAINING_SNR_DB, Plan, symbol_power
from semwave.latent.layout import FACES, Layout

CODES, COORDINATES = FACES.codes, FACES.coordinates

NOISE = 10 ** (-TRAINING_SNR_DB / 10)
BUSY = 8
"""Coordinates of a code that vary, in the made-up codes below: as many as the codec's width."""


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    return Codec(64, BUSY).requires_grad_(False)


def gaussians(count, seed=0):
    return torch.randn(count, CODES, COORDINATES, generator=torch.Generator().manual_seed(seed))


def noise_of(*snr_db):
    """Noise power (images, 1) at ``snr_db`` of every image."""
    return noise_power(torch.tensor(snr_db))[:, None]


def test_shapes_back(codec):
    assert codec.decode(torch.randn(3, 64), noise_of(0.0, 5.0, 20.0)).shape == (3, CODES, COORDINATES)
    assert codec.decode(torch.randn(3, 64), torch.ones(3, 64)).shape == (3, CODES, COORDINATES)


def test_two_fully_connected_layers_each_side():
    shapes = {name: tuple(tensor.shape) for name, tensor in Codec(64, BUSY).named_parameters() if "bias" not in name}
    matrices = {name: shape for name, shape in shapes.items() if len(shape) > 1}
    assert matrices == {
        "encode_code": (CODES, COORDINATES, BUSY),
        "encode_all.weight": (64, CODES * BUSY),
        "decode_all.weight": (CODES * BUSY, 64),
        "decode_code": (CODES, BUSY, COORDINATES),
    }


def test_the_first_layer_does_not_mix_codes_and_the_second_does(codec):
    n = gaussians(1)
    moved = n.clone()
    moved[:, 7] += 1
    seen = []
    hook = codec.encode_all.register_forward_pre_hook(lambda _, x: seen.append(x[0].unflatten(1, (CODES, BUSY))))
    before, after = codec.encode(n), codec.encode(moved)
    hook.remove()
    changed = (seen[1] - seen[0]).abs().amax((0, 2)) > 0
    assert changed.nonzero().flatten().tolist() == [7]
    assert (after - before).abs().min() > 0


def test_between_the_layers_is_a_nonlinearity(codec):
    n, noise = gaussians(1), noise_of(10.0)
    bent = Codec(64, BUSY)
    bent.load_state_dict(codec.state_dict())
    for slope in (bent.encode_slope, bent.decode_slope):
        torch.nn.init.constant_(slope.weight, 0.25)
    assert not torch.allclose(bent.encode(n), codec.encode(n), atol=0.01)
    assert not torch.allclose(bent.decode(codec.encode(n), noise), codec.decode(codec.encode(n), noise), atol=0.01)


def test_a_noisier_symbol_counts_less(codec):
    symbols = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
    silence = codec.decode(torch.zeros(1, 64), noise_of(0.0))
    far = [(codec.decode(symbols, noise_of(snr_db)) - silence).norm().item() for snr_db in (-40.0, 0.0, 7.5, 40.0)]
    assert far == sorted(far) and far[0] < 0.001 * far[-1]
    # Variance 1 at 0 dB: half of what arrives is noise, and a linear decoder halves it.
    assert far[1] == pytest.approx(far[-1] / 2, rel=1e-3)


def test_every_symbol_has_a_noise_of_its_own(codec):
    symbols = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    noise = torch.rand(2, 64, generator=torch.Generator().manual_seed(1)) + 0.01
    # The gain of every symbol by hand: power 1 over power and noise.
    by_hand = codec.decode(symbols / (1 + noise), torch.zeros(2, 1))
    torch.testing.assert_close(codec.decode(symbols, noise), by_hand)
    same = noise[:, :1].expand(-1, 64)
    torch.testing.assert_close(codec.decode(symbols, same), codec.decode(symbols, noise[:, :1]))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 63), min_size=1, unique=True), st.floats(-1e6, 1e6))
def test_a_symbol_that_was_not_received_does_not_count(codec, erased, garbage):
    symbols = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    noise = torch.full((2, 64), 0.1)
    noise[:, erased] = torch.inf
    zero, other = symbols.clone(), symbols.clone()
    zero[:, erased], other[:, erased] = 0.0, garbage
    found = codec.decode(other, noise)
    assert torch.equal(found, codec.decode(zero, noise))
    # As if the decoder had no input for it.
    without = Codec(64, BUSY).requires_grad_(False)
    without.load_state_dict(codec.state_dict())
    without.decode_all.weight[:, erased] = 0
    torch.testing.assert_close(found, without.decode(zero, torch.full((2, 64), 0.1)))


def test_nothing_received_gives_what_zeros_give(codec):
    nothing = codec.decode(torch.randn(2, 64), torch.full((2, 64), torch.inf))
    assert nothing.isfinite().all() and torch.equal(nothing[0], nothing[1])
    assert torch.equal(nothing, codec.decode(torch.zeros(2, 64), noise_of(10.0, 10.0)))


@pytest.mark.parametrize("mask_numbers", [0, 8])
def test_another_domain_is_sent_too(mask_numbers):
    layout = Layout(("sky", "sea", "land"), code_size=32, coordinates=16, mask_numbers=mask_numbers)
    torch.manual_seed(0)
    codec = Codec(24, 4, layout).requires_grad_(False)
    n = torch.randn(400, layout.codes, layout.coordinates, generator=torch.Generator().manual_seed(0))
    n *= torch.logspace(0, -2, 16)
    codec.start_linear(n, torch.eye(16).expand(8, -1, -1))
    symbols = codec.encode(n)
    assert symbols.shape == (400, 24)
    torch.testing.assert_close(symbols.square().mean(0), torch.ones(24), atol=0.1, rtol=0)
    found = codec.decode(symbols, torch.full((400, 1), 1e-4))
    assert found.shape == n.shape and (found - n).square().mean() < 0.5 * n.square().mean()


SPREAD = torch.logspace(0, -2, CODES * BUSY).reshape(CODES, BUSY)


def made_up_codes(count, seed):
    """Gaussian codes around 0.5 of which only the first numbers vary, each by its ``SPREAD``."""
    n = torch.full((count, CODES, COORDINATES), 0.5)
    n[..., :BUSY] += torch.randn(count, CODES, BUSY, generator=torch.Generator().manual_seed(seed)) * SPREAD
    return n


def error(codec, n, snr_db=TRAINING_SNR_DB):
    """Squared error (CODES, COORDINATES) of ``n`` through ``codec``, its plan for 64 symbols, and noise."""
    plan, noise = Plan(codec.importance, 64, 64), noise_of(snr_db).expand(len(n), 1)
    arrived = plan.over_noise(plan.sent(codec.encode(n)), noise, torch.Generator().manual_seed(9))
    return (codec.decode(*arrived) - n).square().mean(0)


@pytest.fixture(scope="module")
def started():
    torch.manual_seed(0)
    codec = Codec(64, BUSY).requires_grad_(False)
    codec.start_linear(made_up_codes(1500, 0), torch.eye(COORDINATES).expand(CODES, -1, -1))
    return codec


def test_the_start_comes_near_the_theory(started):
    # Independent Gaussians over k parallel Gaussian channels: the k strongest are sent, the rest is their mean.
    variance = SPREAD.flatten().double().square().sort(descending=True).values
    power = symbol_power(variance[:64], 64.0, NOISE)
    theory = (variance[:64] * NOISE / (power + NOISE)).sum() + variance[64:].sum()
    found = error(started, made_up_codes(500, 1)).sum()
    # Power is normalised in every image and not on average, and the statistics are estimated from 1500 samples.
    assert 0.95 * theory < found < 1.25 * theory


def test_symbols_have_variance_one_and_fall_in_importance(started):
    symbols = started.encode(made_up_codes(1500, 0))
    torch.testing.assert_close(symbols.var(0), torch.ones(64), atol=0.05, rtol=0)
    torch.testing.assert_close(symbols.mean(0), torch.zeros(64), atol=0.02, rtol=0)
    assert (started.importance.diff() <= 0).all() and (started.importance > 0).all()
    strongest = SPREAD.flatten().square().sort(descending=True).values[:64]
    torch.testing.assert_close(started.importance, strongest, atol=0, rtol=0.3)


def test_variance_that_was_lost_in_training_is_settled_and_nothing_else_changes(started):
    n = made_up_codes(400, 3)
    moved = Codec(64, BUSY).requires_grad_(False)
    moved.load_state_dict(started.state_dict())
    moved.encode_all.weight.mul_(torch.linspace(0.5, 2, 64)[:, None])
    moved.encode_all.bias.add_(0.3)
    before = moved.decode(moved.encode(n), torch.full((1, 1), 1e-9))
    moved.settle(n)
    symbols = moved.encode(n)
    torch.testing.assert_close(symbols.var(0), torch.ones(64), atol=1e-3, rtol=0)
    torch.testing.assert_close(symbols.mean(0), torch.zeros(64), atol=1e-3, rtol=0)
    torch.testing.assert_close(moved.decode(symbols, torch.full((1, 1), 1e-9)), before, atol=1e-3, rtol=1e-3)


def test_the_start_beats_a_random_codec_and_silence(started, codec):
    n = made_up_codes(200, 1)
    found = error(started, n).sum()
    assert found < 0.5 * (n - n.mean(0)).square().mean(0).sum()
    assert found < 0.1 * error(codec, n).sum()


def test_the_start_gains_from_a_better_channel(started):
    n = made_up_codes(200, 1)
    noisy, middle, clear = (error(started, n, snr_db).sum() for snr_db in (0.0, TRAINING_SNR_DB, 30.0))
    assert clear < 0.8 * middle < 0.8 * noisy


def test_the_start_spends_power_on_what_the_picture_shows(started):
    # An error in code 20 costs a thousand times what it costs elsewhere.
    metric = torch.eye(COORDINATES).repeat(CODES, 1, 1)
    metric[20] *= 1000
    codec = Codec(64, BUSY).requires_grad_(False)
    codec.start_linear(made_up_codes(1000, 0), metric)
    n = made_up_codes(200, 1)
    plain, weighted = error(started, n).sum(1), error(codec, n).sum(1)
    assert weighted[20] < 0.5 * plain[20] and weighted.sum() > plain.sum()
