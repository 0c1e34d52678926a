"""One contract for every channel: shapes, seeds, and noise and fading as strong as the definition says."""

import subprocess
import sys

import pytest
import torch

from semwave.air.channels import CHANNELS, Received, equalise, make_channel, to_complex, to_reals
from semwave.errors import SemwaveError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def unit_power_symbols(images, k):
    symbols = torch.randn(images, k, generator=generator(1))
    return symbols / symbols.square().mean(1, keepdim=True).sqrt()


@pytest.fixture(params=CHANNELS)
def channel(request):
    return make_channel(request.param)


def test_shapes_and_types(channel):
    received = channel(unit_power_symbols(3, 10), 10.0, generator())
    assert received.symbols.shape == (3, 10) and received.symbols.dtype == torch.float32
    assert received.fading.shape == (3,) and received.fading.dtype == torch.complex64
    assert received.snr_db.tolist() == [10, 10, 10] and received.snr_db.dtype == torch.float32


def test_the_same_seed_gives_the_same_bits(channel):
    symbols = unit_power_symbols(2, 64)
    first, again, other = (channel(symbols, 5.0, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.symbols, again.symbols) and torch.equal(first.fading, again.fading)
    assert not torch.equal(first.symbols, other.symbols)


def test_a_generator_moves_on(channel):
    symbols, source = unit_power_symbols(1, 64), generator()
    assert not torch.equal(channel(symbols, 5.0, source).symbols, channel(symbols, 5.0, source).symbols)


def test_global_random_state_is_left_alone(channel):
    before = torch.get_rng_state()
    channel(unit_power_symbols(1, 8), 5.0, generator())
    assert torch.equal(torch.get_rng_state(), before)


def test_global_random_state_survives_the_first_use():
    script = (
        "import torch; from semwave.air.channels import make_channel;"
        "torch.manual_seed(7); s = torch.get_rng_state();"
        "make_channel('awgn')(torch.ones(1, 8), 5.0, torch.Generator().manual_seed(0));"
        "assert torch.equal(torch.get_rng_state(), s)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 10.0, 30.0])
def test_snr_is_symbol_power_over_noise_power_per_complex_sample(channel, snr_db):
    symbols = unit_power_symbols(4, 100_000)
    received = channel(symbols, snr_db, generator())
    signal = received.fading[:, None] * to_complex(symbols)
    noise = to_complex(received.symbols) - signal
    ratio = to_complex(symbols).abs().square().mean() / noise.abs().square().mean()
    assert 10 * ratio.log10().item() == pytest.approx(snr_db, abs=0.05)
    assert noise.real.square().mean().item() == pytest.approx(10 ** (-snr_db / 10) / 2, rel=0.02)
    assert noise.imag.square().mean().item() == pytest.approx(10 ** (-snr_db / 10) / 2, rel=0.02)


def test_a_received_real_has_unit_signal_power_and_noise_of_the_inverse_snr():
    symbols = unit_power_symbols(1, 200_000)
    received = make_channel("awgn")(symbols, 10.0, generator())
    assert (received.symbols - symbols).square().mean().item() == pytest.approx(0.1, rel=0.02)


def test_every_image_may_have_its_own_snr(channel):
    symbols, snr_db = unit_power_symbols(2, 100_000), torch.tensor([0.0, 20.0])
    received = channel(symbols, snr_db, generator())
    noise = to_complex(received.symbols) - received.fading[:, None] * to_complex(symbols)
    torch.testing.assert_close(noise.abs().square().mean(1), torch.tensor([1.0, 0.01]), rtol=0.02, atol=0)


def test_equalising_gives_the_symbols_and_their_snr(channel):
    symbols = unit_power_symbols(4, 100_000)
    equalised, effective = equalise(channel(symbols, 20.0, generator()))
    noise = (equalised - symbols).square().mean(1)
    torch.testing.assert_close(-10 * noise.log10(), effective, atol=0.1, rtol=0)


def test_equalising_without_noise_inverts_the_fading(channel):
    symbols, fading = unit_power_symbols(3, 20), channel.fading(3, generator())
    received = Received(to_reals(fading[:, None] * to_complex(symbols)), fading, torch.full((3,), 10.0))
    torch.testing.assert_close(equalise(received)[0], symbols)


def test_fading_is_one_or_rayleigh():
    assert make_channel("awgn").fading(5, generator()).tolist() == [1] * 5
    power = make_channel("rayleigh").fading(20_000, generator()).abs().square()
    assert power.mean().item() == pytest.approx(1, rel=0.03)
    assert (power < 0.1).float().mean().item() == pytest.approx(1 - 2.718281828**-0.1, rel=0.05)


def test_gradients_reach_the_symbols(channel):
    symbols = unit_power_symbols(2, 8).requires_grad_()
    equalise(channel(symbols, 10.0, generator()))[0].sum().backward()
    torch.testing.assert_close(symbols.grad, torch.ones_like(symbols))


@pytest.mark.parametrize("snr_db", [float("nan"), float("inf"), -21.0, 61.0, torch.tensor([0.0, 99.0])])
def test_an_snr_that_is_not_offered_is_an_error(channel, snr_db):
    with pytest.raises(SemwaveError, match="-20 to 60 dB"):
        channel(unit_power_symbols(2, 8), snr_db, generator())


def test_wrong_shapes_and_names_are_errors(channel):
    with pytest.raises(SemwaveError, match="even k"):
        channel(torch.ones(1, 7), 10.0, generator())
    with pytest.raises(SemwaveError, match="one SNR"):
        channel(torch.ones(2, 8), torch.zeros(3), generator())
    with pytest.raises(SemwaveError, match="awgn, rayleigh"):
        make_channel("rician")


def test_a_channel_waits_for_no_compiler():
    script = (
        "import sys, torch; from semwave.air.channels import make_channel; marks = torch.compile, torch.compiler.disable;"
        "make_channel('awgn')(torch.ones(1, 8), 5.0, torch.Generator().manual_seed(0));"
        "assert 'torch._dynamo' not in sys.modules, 'heavy import';"
        "assert marks == (torch.compile, torch.compiler.disable)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_importing_semwave_waits_for_neither_torch_nor_sionna():
    script = "import sys, semwave; assert not {'torch', 'sionna'} & set(sys.modules), 'heavy import'"
    subprocess.run([sys.executable, "-c", script], check=True)
