"""Separation: what arrives, what is lost below the cliff, and what an ideal code could do."""

import pytest
import torch
from schemes import link, smooth_picture

from semwave.baselines import image_codecs
from semwave.baselines.facts import IDEAL, SEPARATION
from semwave.baselines.separation import Ideal, Separation
from semwave.evaluation.scheme import deliver
from semwave.types import DELIVERED, LOST, NOTHING_FITS


@pytest.fixture(scope="module")
def picture():
    return smooth_picture()


def test_a_code_for_10_db_arrives_above_it_and_is_lost_below(picture):
    scheme = Separation(256, held_snr_db=10.0)
    above, below = (deliver(scheme, picture, link(snr_db)) for snr_db in (15.0, 3.0))
    assert above.outcome == DELIVERED and above.image.std() > 0
    assert below.outcome == LOST and below.image.eq(0).all()
    assert above.note == below.note and "MCS" in above.note


def test_where_nothing_fits_the_row_says_so(picture):
    assert deliver(Separation(256), picture, link(0.0)).outcome == NOTHING_FITS
    over = link(0.0)
    delivered = deliver(Ideal(64), picture, over)
    assert delivered.outcome == NOTHING_FITS and delivered.note == "4 bytes" and over.k == 0


def test_a_sender_plans_for_fading(picture):
    assert deliver(Separation(2560), picture, link(0.0, "rayleigh")).note == "no code for this SNR"
    planned = deliver(Separation(2560), picture, link(10.0, "rayleigh"))
    assert torch.equal(planned.image, deliver(Separation(2560), picture, link(0.2)).image)


def test_an_ideal_code_is_never_worse_than_the_real_one(picture, monkeypatch):
    monkeypatch.setattr(image_codecs, "SIDES", (24, 16))
    for snr_db in (10.0, 20.0):
        real, ideal = (deliver(scheme, picture, link(snr_db)).image for scheme in (Separation(256), Ideal(256)))
        assert (ideal - picture).square().mean() <= (real - picture).square().mean() + 1e-6


def test_schemes_say_what_they_are():
    held, alone = Separation(2560, 10.0), Ideal(32768, "JPEG 2000")
    assert (held.name, held.facts.family, held.facts.held_snr_db) == ("separation-k2560-for-10dB", SEPARATION, 10.0)
    assert (alone.name, alone.facts.family, alone.facts.image_codec) == ("ideal-jpeg2000-k32768", IDEAL, "JPEG 2000")
    assert "Pillow" in held.key and "sionna" in held.key and "sionna" not in alone.key
