"""Separation: an image codec, then a 5G channel code and QAM; or an ideal code at capacity, which bounds it.

    picture -> smaller -> AVIF | WebP | JPEG 2000 -> bytes -> 5G transport block (CRC, LDPC) -> QAM -> k real symbols
    picture <- larger  <- decoder                 <- bytes <- belief propagation, CRC        <- soft demapping

The codec, resolution and quality are those with the best PSNR of all that fit the bits. Only what the receiver cannot
know is sent: a file's header is the same for all pictures of one size but for the file's length, so it is not counted,
and :data:`SIDE_INFORMATION` bytes say codec, resolution and length.

The channel code is a modulation and coding scheme (MCS) of 3GPP TS 38.214, table 5.1.3.1-2 (QPSK to 256-QAM), by
Sionna: the fastest that loses at most one transport block in a hundred at the SNR that it is chosen for, as measured
here. Where the receiver's CRC fails it shows grey.
"""

import io
import math
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from semwave.air.channels import Received, equalise, make_channel, to_complex, to_reals
from semwave.evaluation.scheme import LOST, NOTHING_FITS, Delivered, Link, PerPicture
from semwave.pictures import files, images

SIDES = (512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16)
SIDE_INFORMATION = 3
MCS_TABLE, MOST_MCS = 2, 27
BASE_GRAPH_1_RATE, BASE_GRAPH_2_BITS = 1 / 3, 3500
"""Sionna's LDPC codes have no repetition: below this rate a transport block has at most so many bits."""
TARGET = 0.01
CODES = Path(__file__).with_name("codes.json")
"""MCS, or null, by k and SNR: a search takes minutes."""
DESIGN_SNR_DB = 10.0


# Source coding


@dataclass(frozen=True)
class Codec:
    """An image codec of Pillow. ``options`` makes those of a quality 0..100; ``header`` counts the bytes of a file that
    are the same for every picture of its size, lengths aside."""

    format: str
    options: Callable[[int], dict]
    header: Callable[[bytes], int]


CODECS = {
    "AVIF": Codec("AVIF", lambda quality: {"quality": quality}, lambda file: file.index(b"mdat") + 4),
    "WebP": Codec("WEBP", lambda quality: {"quality": quality, "method": 6}, lambda file: 20),
    # A codestream alone, up to its start of data; a quality is a PSNR of 10 to 50 dB.
    "JPEG 2000": Codec(
        "JPEG2000",
        lambda quality: {
            "no_jp2": True,
            "irreversible": True,
            "quality_mode": "dB",
            "quality_layers": [10 + 0.4 * quality],
        },
        lambda file: file.index(b"\xff\x93") + 2,
    ),
}


@dataclass(frozen=True)
class Coded:
    """A picture that was shrunk to ``side`` pixels and coded: the ``payload`` of its file, and what comes out,
    ``picture`` (S, S, 3) uint8 and its mean squared error."""

    codec: str
    side: int
    payload: bytes
    picture: np.ndarray
    mse: float

    @property
    def frame(self) -> bytes:
        """What is sent: the side information, then the payload."""
        return bytes([list(CODECS).index(self.codec) * len(SIDES) + SIDES.index(self.side)]) + (
            len(self.payload).to_bytes(SIDE_INFORMATION - 1, "big") + self.payload
        )


class Encodings:
    """Every encoding of one picture (1, 3, S, S) that was asked for."""

    def __init__(self, image: Tensor):
        self.original = images.to_uint8(image[0])
        self.shrunk: dict[int, Image.Image] = {}
        self.files: dict[tuple[str, int, int], bytes] = {}
        self.coded: dict[tuple[str, int, int], Coded] = {}

    def best(self, budget: int, codecs: Iterable[str] = CODECS) -> Coded | None:
        """The encoding by one of ``codecs`` with the least squared error whose frame has at most ``budget`` bytes; None
        if none has."""
        sides = [side for side in SIDES if side <= len(self.original)]
        with ThreadPoolExecutor() as pool:
            fitting = pool.map(lambda pair: self._finest(*pair, budget - SIDE_INFORMATION), product(codecs, sides))
        return min((coded for coded in fitting if coded), key=lambda coded: coded.mse, default=None)

    def _finest(self, codec: str, side: int, budget: int) -> Coded | None:
        """The finest quality that fits, found by bisection; it costs 0.01 dB on average over trying every quality."""
        if len(self._payload(codec, side, 0)) > budget:
            return None
        low, high = 0, 101
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if len(self._payload(codec, side, middle)) <= budget else (low, middle)
        return self._decoded(codec, side, low)

    def _payload(self, codec: str, side: int, quality: int) -> bytes:
        file = self._file(codec, side, quality)
        return file[CODECS[codec].header(file) :]

    def _file(self, codec: str, side: int, quality: int) -> bytes:
        asked = codec, side, quality
        if asked not in self.files:
            if side not in self.shrunk:
                self.shrunk[side] = _resized(Image.fromarray(self.original), side)
            self.files[asked] = encode(self.shrunk[side], codec, quality)
        return self.files[asked]

    def _decoded(self, codec: str, side: int, quality: int) -> Coded:
        asked = codec, side, quality
        if asked not in self.coded:
            file = self._file(codec, side, quality)
            with Image.open(io.BytesIO(file)) as small:
                picture = np.array(_resized(small.convert("RGB"), len(self.original)))
            mse = np.square(picture.astype(np.float32) - self.original).mean().item()
            self.coded[asked] = Coded(codec, side, self._payload(*asked), picture, mse)
        return self.coded[asked]


def encode(picture: Image.Image, codec: str, quality: int) -> bytes:
    """The file of ``picture``, one of :data:`CODECS`, ``quality`` 0..100."""
    buffer = io.BytesIO()
    # While it is saved an image holds its options: threads that share one would encode at each other's quality.
    picture.copy().save(buffer, CODECS[codec].format, **CODECS[codec].options(quality))
    return buffer.getvalue()


def _resized(picture: Image.Image, side: int) -> Image.Image:
    return picture if picture.width == side else picture.resize((side, side), Image.Resampling.LANCZOS)


encodings = PerPicture(Encodings)
"""The encodings of the picture at hand, shared by all schemes."""


# Channel coding


class TransportBlock:
    """``size`` bits in ``k`` real symbols by MCS ``mcs``: one transport block of 5G, or several where it would be long
    and of low rate."""

    def __init__(self, k: int, mcs: int):
        from sionna.phy.mapping import Demapper, Mapper
        from sionna.phy.nr import TBDecoder, TBEncoder
        from sionna.phy.nr.utils import calculate_tb_size

        self.k, self.mcs = k, mcs
        bits, rate = modulation_and_rate(mcs)
        coded, parts = k // 2 * bits, 1
        while rate < BASE_GRAPH_1_RATE and rate * coded / parts > BASE_GRAPH_2_BITS:
            parts *= 2
        self._coded, self._part = coded // parts, int(calculate_tb_size(bits, rate, num_coded_bits=coded // parts)[0])
        self.size = parts * self._part
        self._encoder = TBEncoder(self._part, self._coded, rate, bits)
        self._decoder = TBDecoder(self._encoder)
        self._mapper, self._demapper = Mapper("qam", bits), Demapper("app", "qam", bits)

    def modulate(self, bits: Tensor) -> Tensor:
        """Symbols (B, k) of ``bits`` (B, size), of mean square one on average."""
        coded = self._encoder(bits.reshape(-1, self._part))
        return to_reals(self._mapper(coded.reshape(len(bits), -1)))

    def demodulate(self, received: Received) -> tuple[Tensor, Tensor]:
        """Bits (B, size) of what a channel gave, and whether every CRC (B,) holds."""
        symbols, snr_db = equalise(received)
        noise_power = (10 ** (-snr_db / 10))[:, None].expand(-1, self.k // 2)
        ratios = self._demapper(to_complex(symbols), noise_power)
        bits, intact = self._decoder(ratios.reshape(-1, self._coded))
        return bits.reshape(len(symbols), -1), intact.reshape(len(symbols), -1).all(1)


def modulation_and_rate(mcs: int) -> tuple[int, float]:
    """Bits a QAM symbol and code rate of the MCS with index ``mcs``."""
    from sionna.phy.nr.utils import decode_mcs_index

    bits, rate = decode_mcs_index(mcs, table_index=MCS_TABLE, is_pusch=False)
    return int(bits), float(rate)


@cache
def transport_block(k: int, mcs: int) -> TransportBlock | None:
    """The transport block of ``k`` real symbols by MCS ``mcs``; None where Sionna has none.

    That is for code rates below 1/5, or above 0.95 once the CRC is counted.
    """
    make_channel("awgn")  # imports Sionna with care for the random state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rates that 5G would not use but Sionna codes
        try:
            return TransportBlock(k, mcs)
        except ValueError:
            return None


def capacity_bits(k: int, snr_db: float) -> float:
    """What ``k`` real symbols carry at most over AWGN: k/2 log2(1 + SNR) bits (Shannon 1948)."""
    return k / 2 * math.log2(1 + 10 ** (snr_db / 10))


@cache
def fastest(k: int, snr_db: float) -> TransportBlock | None:
    """What :func:`search` finds; looked up where ``scripts/codes.py`` has found it."""
    known = files.read_json(CODES).get(str(k), {})
    if f"{snr_db:g}" not in known:
        return search(k, snr_db)
    mcs = known[f"{snr_db:g}"]
    return None if mcs is None else transport_block(k, mcs)


def search(k: int, snr_db: float) -> TransportBlock | None:
    """The transport block with most bits that loses at most one in a hundred over AWGN at ``snr_db``; None if none."""
    for mcs in reversed(range(MOST_MCS + 1)):
        bits, rate = modulation_and_rate(mcs)
        block = transport_block(k, mcs) if k / 2 * bits * rate < capacity_bits(k, snr_db) else None
        if block and block_error_rate(block, snr_db) <= TARGET:
            return block
    return None


def block_error_rate(block: TransportBlock, snr_db: float, blocks: int | None = None, at_once: int = 10) -> float:
    """Share of blocks lost over AWGN at ``snr_db``, of ``blocks``, or of fewer where these are lost too many already.

    By default 100 blocks, and 30 of those longer than 10,000 bits, which are many codewords each.
    """
    blocks = blocks or (100 if block.size <= 10_000 else 30)
    channel, random = make_channel("awgn"), torch.Generator().manual_seed(block.mcs)
    lost = counted = 0
    while counted < blocks and lost <= TARGET * blocks:
        bits = torch.randint(2, (at_once, block.size), generator=random).float()
        received, _ = block.demodulate(channel(block.modulate(bits), snr_db, random))
        lost, counted = lost + int((received != bits).any(1).sum()), counted + at_once
    return lost / counted


# Schemes


class Separation:
    """Best image codec, then the fastest channel code for the SNR at hand.

    With ``design_snr_db`` the code stays the one for that SNR, whatever the channel: below it comes the cliff.
    """

    def __init__(self, k: int, design_snr_db: float | None = None):
        fixed = "" if design_snr_db is None else f"-for-{design_snr_db:g}dB"
        self.name, self.key = f"separation-k{k}{fixed}", _versions("Pillow", "sionna-no-rt")
        self.k, self.design_snr_db = k, design_snr_db

    def send(self, image: Tensor, link: Link) -> Delivered:
        """Send ``image``; under fading, with the code for the SNR that nine of ten pictures meet."""
        snr_db = link.reliable_snr_db if self.design_snr_db is None else self.design_snr_db
        block = fastest(self.k, round(snr_db, 1))
        if block is None:
            return Delivered(torch.zeros_like(image), self.k, NOTHING_FITS, "no code for this SNR")
        coded = encodings(image).best(block.size // 8)
        if coded is None:
            return Delivered(torch.zeros_like(image), self.k, NOTHING_FITS, f"{block.size // 8} bytes")
        bits = _bits(coded.frame, block.size)
        received, intact = block.demodulate(link(block.modulate(bits)))
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
        self.k, self.codecs = k, (codec,) if codec else tuple(CODECS)

    def send(self, image: Tensor, link: Link) -> Delivered:
        """What arrives of ``image``; no symbol crosses the link."""
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
