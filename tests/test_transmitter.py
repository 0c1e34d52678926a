"""What a transmitter gives, and what it refuses."""

import numpy as np
import pytest
import torch

import semwave
from semwave import Privacy, SemwaveError, Transmitter
from semwave.air.channels import AWGN
from semwave.air.iq import to_reals
from semwave.pictures.images import to_tensor, to_uint8


def test_the_front_door_sends_a_picture(linear_model, squares):
    picture = squares(0)
    signal = semwave.Transmitter(k=256)(to_tensor(picture))
    assert signal.iq.shape == (1, 128) and signal.header.k == 256
    assert signal.iq.abs().square().mean().item() == pytest.approx(1)
    received = semwave.Receiver(size=256)(AWGN(60.0, 0)(signal))
    np.testing.assert_array_equal(to_uint8(received[0]), picture)


def test_a_batch_gives_what_its_images_give_alone(linear_model, squares):
    batch = torch.cat([to_tensor(squares(i)) for i in range(3)])
    signal = Transmitter(linear_model)(batch)
    torch.testing.assert_close(to_reals(signal.iq)[1:2], to_reals(Transmitter(linear_model)(batch[1:2]).iq))


def test_a_scene_is_made_once_for_several_k(linear_model, squares):
    scene = (
        Transmitter(linear_model)(to_tensor(squares(0))).header,
        Transmitter(linear_model).scene(to_tensor(squares(0))),
    )
    assert Transmitter(linear_model, 2560).encode(scene[1]).header == scene[0]
    assert Transmitter(linear_model, 256).encode(scene[1]).header.k == 256
    assert Transmitter(linear_model, 256).encode(scene[1], 700).header.k == 700
    with pytest.raises(SemwaveError, match="k = 701 is not offered"):
        Transmitter(linear_model).encode(scene[1], 701)


def test_it_refuses_what_is_not_offered(linear_model):
    for k in (-2, 0, 62, 63, 65, 32770, 1_000_000):
        with pytest.raises(SemwaveError, match=f"k = {k} is not offered .* even, from 64 to 32768") as caught:
            Transmitter(k=k)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(SemwaveError, match="faces-512"):
        Transmitter("no-such-model")
    with pytest.raises(SemwaveError, match="sends codes, not codes"):
        Transmitter(k=256, layers=("codes", "residual"))
    with pytest.raises(SemwaveError, match="refine steps"):
        Transmitter(refine_steps=-1)
    with pytest.raises(SemwaveError, match="square"):
        Transmitter()(torch.zeros(1, 3, 256, 128))
    with pytest.raises(SemwaveError, match="finite"):
        Transmitter()(torch.full((1, 3, 64, 64), torch.nan))


def test_privacy_does_not_fail_open(linear_model):
    region = torch.zeros(1, 64, 64, dtype=torch.bool)
    with pytest.raises(SemwaveError, match="the transmitter has no privacy"):
        Transmitter()(torch.zeros(1, 3, 64, 64), region)
    with pytest.raises(SemwaveError, match="cannot hide parts"):
        Transmitter(privacy=Privacy(hide=("eyes",)))
