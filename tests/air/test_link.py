"""A link measures what it carries."""

import pytest
import torch

from semwave.air.channels import AWGN, RayleighBlockFading
from semwave.air.iq import signal, unit_power
from semwave.air.link import Link


def test_a_link_gives_what_its_channel_gives_and_measures_it():
    sent = signal(unit_power(torch.randn(1, 20_000, generator=torch.Generator().manual_seed(1))))
    link = Link(AWGN, 10.0, 3)
    soft = link(sent)
    assert torch.equal(soft.symbols, AWGN(10.0, 3)(sent).symbols)
    assert link.k == 20_000
    assert link.signal_power == pytest.approx(1, abs=1e-4) and link.noise_power == pytest.approx(0.1, rel=0.03)


def test_a_link_over_which_nothing_went_has_no_power():
    link = Link(AWGN, 10.0, 0)
    assert (link.k, link.signal_power, link.noise_power) == (0, 0, 0)


def test_nine_of_ten_pictures_meet_the_reliable_snr():
    assert Link(AWGN, 10.0, 0).reliable_snr_db == pytest.approx(10)
    assert Link(RayleighBlockFading, 10.0, 0).reliable_snr_db == pytest.approx(10 - 9.77, abs=0.1)
