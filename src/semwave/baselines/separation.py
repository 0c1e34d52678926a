"""Separation: an image codec, then a 5G channel code and QAM; or an ideal code at capacity, which bounds it.

    picture -> image codec -> bytes -> transport block -> QAM -> k real symbols
    picture <- decoder     <- bytes <- decoder, CRC    <- soft demapping

Image codec, resolution and quality are those with the best PSNR of all that fit the bits
(:mod:`semwave.baselines.image_codecs`). Where the CRC of the channel code (:mod:`semwave.baselines.channel_code`) fails
the receiver shows grey.
"""

from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor

from semwave.air.iq import signal
from semwave.air.link import Link
from semwave.baselines.channel_code import capacity_bits, fastest
from semwave.baselines.facts import IDEAL, SEPARATION, Facts
from semwave.baselines.image_codecs import CODECS, Coded, encodings
from semwave.pictures import images
from semwave.types import LOST, NOTHING_FITS, Delivered

HELD_SNR_DB = 10.0
"""Es/N0 in dB of the codes that stay what they are: the cliff."""


class Separation:
    """Best image codec, then the fastest channel code for the SNR at hand.

    With ``held_snr_db`` the code stays the one for that SNR, whatever the channel: below it comes the cliff.
    """

    def __init__(self, k: int, held_snr_db: float | None = None):
        held = "" if held_snr_db is None else f"-for-{held_snr_db:g}dB"
        self.name, self.key = f"separation-k{k}{held}", _versions("Pillow", "sionna-no-rt")
        self.facts = Facts(SEPARATION, k=k, held_snr_db=held_snr_db)
        self.k, self.held_snr_db = k, held_snr_db

    def send(self, image: Tensor, link: Link) -> Delivered:
        """Send ``image`` (1, 3, S, S); under fading, with the code for the SNR that nine of ten pictures meet."""
        snr_db = link.reliable_snr_db if self.held_snr_db is None else self.held_snr_db
        block = fastest(self.k, round(snr_db, 1))
        if block is None:
            return Delivered(torch.zeros_like(image), self.k, NOTHING_FITS, "no code for this SNR")
        coded = encodings(image).best(block.size // 8)
        if coded is None:
            return Delivered(torch.zeros_like(image), self.k, NOTHING_FITS, f"{block.size // 8} bytes")
        bits = _bits(coded.frame, block.size)
        received, intact = block.demodulate(link(signal(block.modulate(bits))))
        note = f"{_described(coded)} of {block.size // 8} bytes, MCS {block.mcs}"
        if not intact or not torch.equal(received, bits):
            return Delivered(torch.zeros_like(image), self.k, LOST, note)
        return Delivered(images.to_tensor(coded.picture), self.k, note=note)


class Ideal:
    """Best image codec, then an ideal channel code: as many bits as capacity allows arrive without an error (AWGN).

    No scheme that separates source from channel coding does better with these image codecs. With ``codec`` that one
    alone is used.
    """

    def __init__(self, k: int, codec: str | None = None):
        only = f"-{codec.lower().replace(' ', '')}" if codec else ""
        self.name, self.key = f"ideal{only}-k{k}", _versions("Pillow")
        self.facts = Facts(IDEAL, k=k, image_codec=codec or "")
        self.k, self.codecs = k, (codec,) if codec else tuple(CODECS)

    def send(self, image: Tensor, link: Link) -> Delivered:
        """What arrives of ``image`` (1, 3, S, S); no symbol crosses the link."""
        size = int(capacity_bits(self.k, link.snr_db) // 8)
        coded = encodings(image).best(size, self.codecs)
        if coded is None:
            return Delivered(torch.zeros_like(image), self.k, NOTHING_FITS, f"{size} bytes")
        return Delivered(images.to_tensor(coded.picture), self.k, note=f"{_described(coded)} of {size} bytes")


def _bits(data: bytes, count: int) -> Tensor:
    """Bits (1, count) of ``data``, followed by zeros."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    return torch.from_numpy(np.pad(bits, (0, count - len(bits)))).float()[None]


def _described(coded: Coded) -> str:
    return f"{coded.codec} {coded.side} px, {len(coded.frame)}"


def _versions(*packages: str) -> str:
    return ", ".join(f"{package} {version(package)}" for package in packages)
