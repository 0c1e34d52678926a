"""Channels by name, those over which a modem has to find everything out."""

import pytest
import torch
from linear_model import LinearModel

from semwave import SemwaveError
from semwave.air.channels import AWGN, CHANNELS
from semwave.air.iq import signal, to_reals, unit_power
from semwave.air.transports import ECHOES, KNOWN_H, SAMPLED, AirLink, transport
from semwave.types import Header

MODEL = LinearModel()
HEADER = Header("faces-512", MODEL.digest, 2560, ("codes",), 512)
SENT = signal(unit_power(torch.randn(1, 2560, generator=torch.Generator().manual_seed(1))), HEADER)


def over(name, seed=0, snr_db=15.0):
    return transport(name, MODEL, snr_db, torch.Generator().manual_seed(seed))(SENT)


@pytest.mark.parametrize("name", SAMPLED)
def test_what_a_modem_says_of_its_noise_is_so(name):
    soft = over(name)
    error = (soft.symbols - to_reals(SENT.iq)).square().mean()
    assert soft.header == HEADER and error.log10() * -10 == pytest.approx(soft.snr_db.item(), abs=1)


@pytest.mark.parametrize("name", ECHOES)
def test_a_receiver_that_knows_h_meets_the_same_echoes(name):
    heard, known = over(name, 3).snr_db.item(), over(name + KNOWN_H, 3).snr_db.item()
    assert known == pytest.approx(heard, abs=0.7)


def test_a_link_over_the_air_counts_what_crosses_it():
    plain = signal(unit_power(torch.randn(1, 1000, generator=torch.Generator().manual_seed(2))))
    for name in ("tdl-b", "tdl-b-known-h"):
        link = AirLink(name, 15.0, torch.Generator().manual_seed(0))
        soft = link(plain)
        assert soft.header is None and link.k == 1000 and link.signal_power == pytest.approx(1, abs=1e-3)
        error = (soft.symbols - to_reals(plain.iq)).square().mean().item()
        assert link.noise_power == pytest.approx(error, rel=1e-3)
    # Rayleigh fading alone would cost 9.8 dB; echoes apart by more than a sample cost less.
    assert 15 - 9.8 < AirLink("tdl-c-300ns", 15.0, torch.Generator()).reliable_snr_db < 15 - 2


def test_the_same_seed_gives_the_same_symbols():
    first, again, other = (over("tdl-a", seed) for seed in (1, 1, 2))
    assert torch.equal(first.symbols, again.symbols) and not torch.equal(first.symbols, other.symbols)


def test_the_other_names_are_the_channels_that_they_were():
    assert torch.equal(over("awgn").symbols, AWGN(15.0, 0)(SENT).symbols)
    with pytest.raises(SemwaveError, match="awgn, rayleigh, tdl-a-30ns"):
        over("rice")
    assert not set(CHANNELS) & set(SAMPLED)
