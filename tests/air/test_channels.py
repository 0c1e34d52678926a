"""One contract for every channel: shapes, seeds, and noise and fading as strong as the definition says."""

import subprocess
import sys

import pytest
import torch

from semwave.air.channels import AWGN, CHANNELS, RayleighBlockFading, channel_class, equalised, noisy
from semwave.air.iq import signal, to_complex, to_reals, unit_power
from semwave.errors import SemwaveError
from semwave.types import Header, Signal

HEADER = Header("faces-512", "0123456789ab", 10, ("codes",), 512)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def unit_power_symbols(images, k):
    return unit_power(torch.randn(images, k, generator=generator(1)))


@pytest.fixture(params=CHANNELS)
def kind(request):
    return channel_class(request.param)


def test_it_is_a_transport(kind):
    soft = kind(10.0, generator())(signal(unit_power_symbols(3, 10), HEADER))
    assert soft.symbols.shape == soft.noise.shape == (3, 10)
    assert soft.symbols.dtype == soft.noise.dtype == torch.float32
    assert soft.header is HEADER and (soft.noise > 0).all() and soft.snr_db.shape == (3,)


def test_the_same_seed_gives_the_same_bits(kind):
    sent = signal(unit_power_symbols(2, 64))
    first, again, other = (kind(5.0, random)(sent) for random in (generator(3), 3, generator(4)))
    assert torch.equal(first.symbols, again.symbols) and torch.equal(first.noise, again.noise)
    assert not torch.equal(first.symbols, other.symbols)


def test_a_generator_moves_on(kind):
    sent, channel = signal(unit_power_symbols(1, 64)), kind(5.0, generator())
    assert not torch.equal(channel(sent).symbols, channel(sent).symbols)


def test_global_random_state_is_left_alone(kind):
    before = torch.get_rng_state()
    kind(5.0, 0)(signal(unit_power_symbols(1, 8)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 10.0, 30.0])
def test_snr_is_symbol_power_over_noise_power_per_complex_sample(kind, snr_db):
    iq = to_complex(unit_power_symbols(4, 100_000))
    received, fading, _ = kind(snr_db, generator()).receive(iq)
    noise = received - fading[:, None] * iq
    ratio = iq.abs().square().mean() / noise.abs().square().mean()
    assert 10 * ratio.log10().item() == pytest.approx(snr_db, abs=0.05)
    assert noise.real.square().mean().item() == pytest.approx(10 ** (-snr_db / 10) / 2, rel=0.02)
    assert noise.imag.square().mean().item() == pytest.approx(10 ** (-snr_db / 10) / 2, rel=0.02)


def test_every_image_may_have_its_own_snr(kind):
    iq = to_complex(unit_power_symbols(2, 100_000))
    received, fading, _ = kind(torch.tensor([0.0, 20.0]), generator()).receive(iq)
    noise = (received - fading[:, None] * iq).abs().square().mean(1)
    torch.testing.assert_close(noise, torch.tensor([1.0, 0.01]), rtol=0.02, atol=0)


def test_the_noise_that_is_told_is_that_of_the_equalised_symbols(kind):
    symbols = unit_power_symbols(4, 100_000)
    soft = kind(20.0, generator())(signal(symbols))
    measured = (soft.symbols - symbols).square().mean(1)
    torch.testing.assert_close(measured, soft.noise[:, 0], rtol=0.03, atol=0)
    torch.testing.assert_close(-10 * measured.log10(), soft.snr_db, atol=0.1, rtol=0)


def test_equalising_without_noise_inverts_the_fading(kind):
    symbols, fading = unit_power_symbols(3, 20), kind.fading(3, generator())
    received = fading[:, None] * to_complex(symbols)
    soft = equalised(Signal(received), received, fading, torch.full((3,), 0.1))
    torch.testing.assert_close(soft.symbols, symbols)
    torch.testing.assert_close(soft.noise[:, 0], 0.1 / fading.abs().square())


def test_fading_is_one_or_rayleigh():
    assert AWGN.fading(5, generator()).tolist() == [1] * 5
    power = RayleighBlockFading.fading(20_000, generator()).abs().square()
    assert power.mean().item() == pytest.approx(1, rel=0.03)
    assert (power < 0.1).float().mean().item() == pytest.approx(1 - 2.718281828**-0.1, rel=0.05)


def test_gradients_reach_the_symbols(kind):
    symbols = unit_power_symbols(2, 8).requires_grad_()
    kind(10.0, generator())(signal(symbols)).symbols.sum().backward()
    torch.testing.assert_close(symbols.grad, torch.ones_like(symbols))


def test_training_sees_what_the_channel_gives():
    symbols, snr_db = unit_power_symbols(2, 64), torch.tensor([5.0, 10.0])
    torch.testing.assert_close(noisy(symbols, snr_db, generator()), AWGN(snr_db, 0)(signal(symbols)).symbols)


@pytest.mark.parametrize("snr_db", [float("nan"), float("inf"), -21.0, 61.0, torch.tensor([0.0, 99.0])])
def test_an_snr_that_is_not_offered_is_an_error(kind, snr_db):
    with pytest.raises(SemwaveError, match="-20 to 60 dB"):
        kind(snr_db, 0)


def test_wrong_shapes_and_names_are_errors(kind):
    with pytest.raises(SemwaveError, match="even k"):
        signal(torch.ones(1, 7))
    with pytest.raises(SemwaveError, match="one SNR"):
        kind(torch.zeros(3), 0)(signal(torch.ones(2, 8)))
    with pytest.raises(SemwaveError, match="awgn, rayleigh"):
        channel_class("rician")


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_noise_and_fading_are_sionnas(snr_db):
    with torch.random.fork_rng():  # importing Sionna reseeds torch
        from sionna.phy import channel
    iq = to_complex(unit_power_symbols(3, 64))

    def drawing(name, seed, **options):
        block = type(name, (getattr(channel, name),), {"torch_rng": property(lambda block: block.source)})
        made = block(device="cpu", **options)
        made.source = generator(seed)
        return made

    awgn = drawing("AWGN", 7)(iq, torch.full((3,), 10 ** (-snr_db / 10)))
    assert torch.equal(AWGN(snr_db, 7).receive(iq)[0], awgn)
    rayleigh = drawing("RayleighBlockFading", 7, num_rx=1, num_rx_ant=1, num_tx=1, num_tx_ant=1)
    coefficients = rayleigh(batch_size=5, num_time_steps=1)[0].reshape(5)
    torch.testing.assert_close(RayleighBlockFading.fading(5, generator(7)), coefficients, rtol=1e-6, atol=0)


def test_a_channel_waits_for_neither_sionna_nor_the_compiler():
    script = (
        "import sys, torch; from semwave.air import AWGN, signal; marks = torch.compile, torch.compiler.disable;"
        "AWGN(5.0, 0)(signal(torch.ones(1, 8)));"
        "assert not {'torch._dynamo', 'sionna'} & set(sys.modules), 'heavy import';"
        "assert marks == (torch.compile, torch.compiler.disable)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_reals_survive_the_way_through_complex_symbols():
    symbols = unit_power_symbols(3, 20)
    torch.testing.assert_close(to_reals(to_complex(symbols)), symbols)
    torch.testing.assert_close(to_complex(symbols).abs().square().mean(1), torch.ones(3))
