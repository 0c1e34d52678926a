"""What a receiver refuses, and that it takes fading out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from semwave import Receiver, SemwaveError, Transmitter
from semwave.air.channels import RayleighBlockFading
from semwave.air.iq import soft
from semwave.pictures.images import to_tensor, to_uint8
from semwave.types import Header

HEADER = Header("faces-512", "0123456789ab", 256, ("codes",), 256)


def test_it_takes_fading_out(linear_model, squares):
    picture = squares(1)
    arrived = RayleighBlockFading(60.0, 0)(Transmitter(linear_model)(to_tensor(picture)))
    received = Receiver(linear_model, 256)(arrived)
    assert np.abs(to_uint8(received[0]).astype(int) - picture).max() <= 2


@pytest.mark.parametrize(
    "symbols, message",
    [
        (torch.zeros(256), "must be"),
        (torch.zeros(1, 100), r"\(B, 256\)"),
        (torch.full((1, 256), torch.nan), "finite"),
        (torch.full((1, 256), torch.inf), "finite"),
        (torch.ones(1, 256, dtype=torch.int64), "floating-point"),
    ],
)
def test_it_refuses_bad_symbols(linear_model, symbols, message):
    arrived = replace(soft(torch.ones(1, 256), 10.0, HEADER), symbols=symbols)
    with pytest.raises(SemwaveError, match=message):
        Receiver(linear_model)(arrived)


@pytest.mark.parametrize(
    "noise, message",
    [
        (torch.ones(1, 100), "noise power of every symbol"),
        (torch.zeros(1, 256), "above zero"),
        (torch.full((1, 256), torch.nan), "above zero"),
        (torch.ones(1, 256, dtype=torch.int64), "floating-point"),
    ],
)
def test_it_refuses_bad_noise(linear_model, noise, message):
    with pytest.raises(SemwaveError, match=message):
        Receiver(linear_model)(replace(soft(torch.ones(1, 256), 10.0, HEADER), noise=noise))


def test_it_refuses_symbols_that_say_nothing_of_themselves(linear_model):
    with pytest.raises(SemwaveError, match="no header"):
        Receiver(linear_model)(soft(torch.ones(1, 256), 10.0))
    with pytest.raises(SemwaveError, match="256, 512, 1024"):
        Receiver(size=300)
