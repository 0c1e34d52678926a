"""Transmitter and receiver inside links of Sionna, against our own channels."""

import pytest
import torch
from sionna.phy import config
from sionna.phy.block import Block
from sionna.phy.channel import AWGN, FlatFadingChannel, RayleighBlockFading

from semwave import Receiver, SemwaveError, Transmitter, air
from semwave.interop.sionna import ReceiverBlock, TransmitterBlock
from semwave.pictures.metrics import psnr


@pytest.fixture(autouse=True)
def seeded():
    """Sionna draws from a generator of its own."""
    config.seed = 1


@pytest.fixture
def ends(linear_model):
    transmit = TransmitterBlock(Transmitter(linear_model, k=256))
    return transmit, ReceiverBlock(Receiver(linear_model, size=256), transmit)


@pytest.fixture
def pictures():
    colours = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(colours, size=(256, 256))


class Link(Block):
    """A link as Sionna's users write one."""

    def __init__(self, transmit, receive):
        super().__init__()
        self.transmit, self.receive, self.channel = transmit, receive, AWGN()

    def call(self, images, ebno_db):
        no = 10 ** (-ebno_db / 10)
        return self.receive(self.channel(self.transmit(images), no), no)


def test_pictures_cross_a_link_of_sionna(ends, pictures):
    link, pictures = Link(*ends), pictures.repeat(16, 1, 1, 1)
    quality = [psnr(link(pictures, snr_db).clamp(-1, 1), pictures, 2).mean().item() for snr_db in (0.0, 10.0, 30.0)]
    assert quality == sorted(quality) and quality[2] > 30
    ours = air.AWGN(10.0, random=0)(ends[0].transmitter(pictures))
    expected = psnr(ends[1].receiver(ours).clamp(-1, 1), pictures, 2).mean().item()
    assert quality[1] == pytest.approx(expected, abs=0.5)


def test_symbols_have_power_one_and_the_precision_of_the_block(ends, pictures):
    x = ends[0](pictures)
    assert x.shape == (3, 128) and x.dtype == torch.complex64
    torch.testing.assert_close(x.abs().square().mean(1), torch.ones(3))


def test_fading_is_equalised_where_it_is_known(ends, pictures):
    x = ends[0](pictures)
    h, _ = RayleighBlockFading(1, 1, 1, 1)(3, 1)
    h = h.reshape(3)
    y = AWGN()(x * h[:, None], 1e-4)
    assert (psnr(ends[1](y, 1e-4, h).clamp(-1, 1), pictures, 2) > 20).all()
    flat = FlatFadingChannel(1, 1, return_channel=True)
    y, h = flat(x.reshape(-1, 1), 1e-4)
    picture = ends[1](y.reshape(x.shape), 1e-4, h.reshape(x.shape)).clamp(-1, 1)
    assert (psnr(picture, pictures, 2) > 15).all()


def test_noise_may_differ_from_picture_to_picture(ends, pictures):
    no = torch.tensor([1.0, 0.1, 1e-4])
    quality = psnr(ends[1](AWGN()(ends[0](pictures), no), no).clamp(-1, 1), pictures, 2)
    assert quality[0] < quality[1] < quality[2]


def test_a_receiver_must_know_what_it_is_given(ends):
    with pytest.raises(SemwaveError, match="send a picture first"):
        ends[1](torch.ones(1, 128, dtype=torch.complex64), 0.1)
