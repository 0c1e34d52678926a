"""The header of a frame: 54 bits and a CRC-8 in a 5G polar code with CRC-11, 384 coded bits, 192 QPSK cells.

    version 3 | digest of the model 16 | k/2 - 1, 14 | layers 2 | log2 of the size 4 | number 12 | phases 3 | CRC-8

The decoder's CRC-11 passes one noise word in 250, so a CRC of our own stands behind it, and version and digest after
that.
"""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import torch

from semwave.air.ofdm.numerology import HEADER_CELLS, LARGEST_K, SMALLEST_K, Numerology
from semwave.air.sionna import kept_random_state, sionna
from semwave.errors import SemwaveError
from semwave.types import LARGEST_SIZE, Header
from semwave.zoo import LAYERS

VERSION = 1
WIDTHS = {"version": 3, "model": 16, "half_k": 14, "layers": 2, "size": 4, "number": 12, "phases": 3}
CRC_BITS, CRC_POLYNOMIAL = 8, 0x1D5
BITS, CODED_BITS = sum(WIDTHS.values()) + CRC_BITS, 2 * HEADER_CELLS
LIST_SIZE = 8
NUMBERS = 2 ** WIDTHS["number"]
_scrambling = 1 - 2 * np.random.RandomState(3).randint(0, 2, CODED_BITS)
_order = np.random.RandomState(4).permutation(CODED_BITS)


class Named(Protocol):
    """Has a name."""

    @property
    def name(self) -> str:
        """The name."""
        ...


class Maker(Protocol):
    """What a frame says of who made its signal: the name of the model and the digest of its weights. A
    :class:`semwave.types.Model` is one."""

    @property
    def config(self) -> Named:
        """Has the name of the model."""
        ...

    @property
    def digest(self) -> str:
        """Names its weights: 12 hexadecimal digits."""
        ...


@dataclass(frozen=True)
class FrameHeader:
    """What a frame says of itself.

    Args:
        model: first 16 bits of the digest of the model.
        k: real symbols of the payload, even, 64 to 32768.
        layers: what they carry, of :data:`semwave.zoo.LAYERS`.
        size: width of the photograph in pixels, a power of two.
        number: of the frame, 0 to 4095.
        phases: the phase sequence that spreads the payload, 0 to 7.
        version: of the frame.
    """

    model: int
    k: int
    layers: tuple[str, ...]
    size: int
    number: int = 0
    phases: int = 0
    version: int = VERSION

    @classmethod
    def of(cls, header: Header, number: int = 0) -> "FrameHeader":
        """What a frame says of a signal with ``header``.

        Raises:
            SemwaveError: a k or a size that no frame carries.
        """
        if not SMALLEST_K <= header.k <= LARGEST_K:
            raise SemwaveError(f"a frame carries k from {SMALLEST_K} to {LARGEST_K}, not {header.k}")
        if header.size & (header.size - 1):
            raise SemwaveError(f"a frame carries sizes that are powers of two, not {header.size}")
        return cls(model_bits(header.digest), header.k, header.layers, header.size, number % NUMBERS)

    def restored(self, model: Maker) -> Header:
        """The header of the signal, name and digest taken from ``model``, whose the frame is."""
        return Header(model.config.name, model.digest, self.k, self.layers, self.size)

    def bits(self) -> np.ndarray:
        """(62,) zeros and ones."""
        values = {
            "version": self.version,
            "model": self.model,
            "half_k": self.k // 2 - 1,
            "layers": sum(1 << LAYERS.index(layer) for layer in self.layers),
            "size": self.size.bit_length() - 1,
            "number": self.number,
            "phases": self.phases,
        }
        word = 0
        for name, width in WIDTHS.items():
            word = word << width | values[name]
        word = word << CRC_BITS | _crc(word << CRC_BITS)
        return np.array([word >> place & 1 for place in reversed(range(BITS))], np.float32)


def read_bits(bits: np.ndarray) -> FrameHeader | None:
    """The header that ``bits`` (62,) are; None if they are none."""
    word = int("".join("1" if bit else "0" for bit in bits), 2)
    if _crc(word):
        return None
    word >>= CRC_BITS
    values = {}
    for name, width in reversed(WIDTHS.items()):
        values[name], word = word & ((1 << width) - 1), word >> width
    layers = tuple(layer for place, layer in enumerate(LAYERS) if values["layers"] >> place & 1)
    k, size = 2 * (values["half_k"] + 1), 1 << values["size"]
    if values["version"] == VERSION and (not layers or not SMALLEST_K <= k <= LARGEST_K or size > LARGEST_SIZE):
        return None
    return FrameHeader(values["model"], k, layers, size, values["number"], values["phases"], values["version"])


def model_bits(digest: str) -> int:
    """The first 16 bits of a model's digest."""
    return int(digest[:4], 16)


def header_cells(header: FrameHeader, numerology: Numerology) -> np.ndarray:
    """QPSK of power one on the data cells of the header's symbols, repeated from the start where cells are left."""
    encoder, _ = _polar()
    with torch.no_grad():
        coded = encoder(torch.from_numpy(header.bits())[None])[0].numpy()
    signs = ((1 - 2 * coded) * _scrambling)[_order]
    cells = (signs[0::2] + 1j * signs[1::2]) / np.sqrt(2)
    return np.resize(cells, numerology.header_symbols * numerology.data)


def read_headers(matched: np.ndarray, noise: np.ndarray) -> list[FrameHeader | None]:
    """The headers in the rows of ``matched`` (rows, cells), conj(h) y of the header's cells, each with the noise power
    ``noise`` of its y; None where the CRC of what is decoded does not hold."""
    rows, count = matched.shape
    padded = np.pad(matched / noise, ((0, 0), (0, -count % HEADER_CELLS)))
    ratios = padded.reshape(rows, -1, HEADER_CELLS).sum(1)
    soft = np.empty((rows, CODED_BITS))
    soft[:, _order] = 2 * np.sqrt(2) * np.stack([ratios.real, ratios.imag], 2).reshape(rows, -1)
    soft = np.nan_to_num(np.clip(soft * _scrambling, -1e3, 1e3))
    _, decoder = _polar()
    with torch.no_grad():
        # Sionna's log-likelihood ratios are those of a one, ours of a plus, which is a zero.
        bits, intact = decoder(torch.from_numpy(-soft).float())
    return [
        read_bits(word > 0.5) if whole else None
        for word, whole in zip(bits.numpy(), intact.reshape(-1).tolist(), strict=True)
    ]


def _crc(word: int) -> int:
    """Remainder of ``word``, the bits of the header and those of its CRC: 0 where nothing is wrong."""
    word ^= 0xA5 << CRC_BITS  # lest a word of zeros be a header
    for place in reversed(range(CRC_BITS, BITS + 1)):
        if word >> place & 1:
            word ^= CRC_POLYNOMIAL << (place - CRC_BITS)
    return word


@cache
def _polar() -> tuple[torch.nn.Module, torch.nn.Module]:
    polar = sionna("sionna.phy.fec.polar")
    with kept_random_state():
        encoder = polar.Polar5GEncoder(BITS, CODED_BITS)
        return encoder, polar.Polar5GDecoder(encoder, "SCL", list_size=LIST_SIZE, return_crc_status=True)
