"""Transport blocks come back or say that they do not; codes lie below capacity; Sionna is imported with care."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from semwave.air.channels import AWGN, CHANNELS, RayleighBlockFading
from semwave.air.iq import signal
from semwave.air.link import Link
from semwave.baselines import channel_code
from semwave.baselines.channel_code import block_error_rate, capacity_bits, fastest, search, transport_block
from semwave.evaluation.registry import KS
from semwave.evaluation.run import SNRS_DB
from semwave.pictures.files import read_json


def random_bits(count, size, seed):
    return torch.randint(2, (count, size), generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("k, mcs", [(256, 2), (256, 9), (256, 16), (256, 25), (12288, 2)])
def test_a_transport_block_comes_back_and_its_crc_tells_when_not(k, mcs):
    block = transport_block(k, mcs)
    bits = random_bits(3, block.size, mcs)
    sent = signal(block.modulate(bits))
    assert sent.iq.shape == (3, k // 2)
    received, intact = block.demodulate(AWGN(40.0, 0)(sent))
    assert torch.equal(received, bits) and intact.all()
    _, intact = block.demodulate(AWGN(-15.0, 0)(sent))
    assert not intact.any()


def test_fading_that_is_known_is_taken_back():
    block = transport_block(256, 5)
    bits = random_bits(20, block.size, 1)
    received, _ = block.demodulate(RayleighBlockFading(45.0, 0)(signal(block.modulate(bits))))
    assert torch.equal(received, bits)


def test_a_code_bridges_symbols_that_are_known_to_be_lost():
    block = transport_block(256, 5)
    bits = random_bits(5, block.size, 1)
    soft = AWGN(20.0, 0)(signal(block.modulate(bits)))
    noise = soft.noise.clone()
    noise[:, ::10] = torch.inf
    absurd = replace(soft, noise=noise, symbols=soft.symbols.where(noise.isfinite(), 9.0))
    received, intact = block.demodulate(absurd)
    assert torch.equal(received, bits) and intact.all()


def test_capacity():
    assert capacity_bits(256, 0.0) == 128  # a bit a complex symbol at 0 dB
    assert capacity_bits(2560, 10 * math.log10(3)) == pytest.approx(2560)


def test_codes_are_chosen_below_capacity_and_above_them_lies_the_cliff():
    chosen = {snr_db: search(256, snr_db) for snr_db in (-9.8, 5.0, 15.0)}
    assert chosen[-9.8] is None  # Sionna has no code of so low a rate
    for snr_db in (5.0, 15.0):
        block = chosen[snr_db]
        assert 0.4 * capacity_bits(256, snr_db) < block.size < capacity_bits(256, snr_db)
        assert block_error_rate(block, snr_db) <= 0.01
        assert block_error_rate(block, snr_db - 4, blocks=20) > 0.5
    assert chosen[15.0].size > chosen[5.0].size
    assert all(fastest(256, snr_db) is block for snr_db, block in chosen.items())  # what is kept is what is found


def test_a_code_that_nobody_searched_for_is_searched_for(monkeypatch):
    monkeypatch.setattr(channel_code, "search", lambda k, snr_db: (k, snr_db))
    assert fastest(256, 7.3) == (256, 7.3) and fastest(128, 10.0) == (128, 10.0)
    assert fastest(2560, 10.0).mcs == 11 and fastest(2560, -9.8) is None


@pytest.mark.parametrize("k", KS)
def test_every_code_that_the_evaluation_needs_is_kept(k):
    links = [Link(kind, snr_db, 0) for kind in CHANNELS.values() for snr_db in SNRS_DB]
    assert {f"{round(link.reliable_snr_db, 1):g}" for link in links} == set(read_json(channel_code.CODES)[str(k)])


SCRIPT = """
import threading, torch
from semwave.baselines.channel_code import modulation_and_rate

torch.manual_seed(7)
state, marks, found = torch.get_rng_state(), (torch.compile, torch.compiler.disable), []
first = threading.Thread(target=lambda: found.append(modulation_and_rate(5)))
first.start()
while first.is_alive() and torch.equal(state, torch.get_rng_state()):
    pass
assert first.is_alive(), "Sionna did not reseed torch: this test says nothing any more"
second = threading.Thread(target=lambda: found.append(modulation_and_rate(5)))
second.start()
first.join()
second.join()
assert len(found) == 2 and found[0] == found[1], found
assert torch.equal(state, torch.get_rng_state()), "random state"
assert marks == (torch.compile, torch.compiler.disable), "marks"
"""


def test_two_threads_import_sionna_and_torch_does_not_notice():
    """The second one asks when the first one's import has just reseeded torch."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
