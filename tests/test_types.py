"""What travels: it is frozen, and says of itself what it is."""

from dataclasses import FrozenInstanceError, fields

import pytest
import torch

from semwave.air.iq import soft
from semwave.types import Delivered, Drawing, Header, Inversion, Message, Scene, Signal, Soft

HEADER = Header("faces-512", "0123456789ab", 4, ("codes",), 512)


@pytest.mark.parametrize("kind", [Scene, Header, Signal, Soft, Message, Drawing, Inversion, Delivered])
def test_nothing_that_travels_can_be_changed(kind):
    some = kind(**{field.name: getattr(HEADER, field.name, 1) for field in fields(kind) if field.init})
    with pytest.raises(FrozenInstanceError):
        setattr(some, fields(kind)[0].name, None)


def test_the_snr_is_that_of_the_symbols_that_were_received():
    received = soft(torch.ones(3, 4), torch.tensor([0.0, 10.0, 10.0]))
    torch.testing.assert_close(received.snr_db, torch.tensor([0.0, 10.0, 10.0]))
    noise = received.noise.clone()
    noise[1, :3] = torch.inf
    noise[2] = torch.inf
    torch.testing.assert_close(Soft(received.symbols, noise).snr_db, torch.tensor([0.0, 10.0, -torch.inf]))


def test_a_scene_gains_codes_and_keeps_the_rest():
    scene = Scene(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8, dtype=torch.bool))
    codes = torch.ones(1, 2, 3)
    again = scene.with_codes(codes)
    assert again.codes is codes and again.picture is scene.picture and again.visible is scene.visible
    assert scene.codes is None and scene.size == 8
