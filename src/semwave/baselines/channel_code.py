"""Channel coding of separation: a 5G transport block (CRC, LDPC) and QAM, by Sionna; and the capacity that bounds it.

    bits (B, size) -> transport block encoder -> QAM -> k real symbols
    bits (B, size), CRC <- belief propagation <- soft demapping <- symbols, noise of each

A code is a modulation and coding scheme (MCS) of 3GPP TS 38.214, table 5.1.3.1-2 (QPSK to 256-QAM). The one for an SNR
is the fastest that loses at most one transport block in a hundred, as measured here.
"""

import math
import warnings
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from semwave.air.channels import AWGN
from semwave.air.iq import signal, to_complex, to_reals
from semwave.air.sionna import sionna
from semwave.pictures.files import read_json
from semwave.types import Soft

MCS_TABLE, MOST_MCS = 2, 27
BASE_GRAPH_1_RATE, BASE_GRAPH_2_BITS = 1 / 3, 3500
"""Sionna's LDPC codes have no repetition: below this rate a transport block has at most so many bits."""
TARGET = 0.01
"""Share of transport blocks that a code may lose at the SNR that it is chosen for."""
CODES = Path(__file__).with_name("codes.json")
"""MCS, or null, by k and SNR: a search takes minutes."""


class TransportBlock:
    """``size`` bits in ``k`` real symbols by MCS ``mcs``: one transport block of 5G, or several where it would be long
    and of low rate."""

    def __init__(self, k: int, mcs: int):
        phy = sionna()
        self.k, self.mcs = k, mcs
        bits, rate = modulation_and_rate(mcs)
        coded, parts = k // 2 * bits, 1
        while rate < BASE_GRAPH_1_RATE and rate * coded / parts > BASE_GRAPH_2_BITS:
            parts *= 2
        self._coded = coded // parts
        self._part = int(phy.nr.utils.calculate_tb_size(bits, rate, num_coded_bits=self._coded)[0])
        self.size = parts * self._part
        self._encoder = phy.nr.TBEncoder(self._part, self._coded, rate, bits)
        self._decoder = phy.nr.TBDecoder(self._encoder)
        self._mapper, self._demapper = phy.mapping.Mapper("qam", bits), phy.mapping.Demapper("app", "qam", bits)

    def modulate(self, bits: Tensor) -> Tensor:
        """Symbols (B, k) of ``bits`` (B, size), of mean square one on average."""
        coded = self._encoder(bits.reshape(-1, self._part))
        return to_reals(self._mapper(coded.reshape(len(bits), -1)))

    def demodulate(self, soft: Soft) -> tuple[Tensor, Tensor]:
        """Bits (B, size) of what arrived, and whether every CRC (B,) holds."""
        noise = soft.noise.unflatten(1, (-1, 2)).mean(2)
        ratios = self._demapper(to_complex(soft.symbols), noise)
        bits, intact = self._decoder(ratios.reshape(-1, self._coded))
        return bits.reshape(len(noise), -1), intact.reshape(len(noise), -1).all(1)


def modulation_and_rate(mcs: int) -> tuple[int, float]:
    """Bits a QAM symbol and code rate of the MCS with index ``mcs``."""
    bits, rate = sionna().nr.utils.decode_mcs_index(mcs, table_index=MCS_TABLE, is_pusch=False)
    return int(bits), float(rate)


@cache
def transport_block(k: int, mcs: int) -> TransportBlock | None:
    """The transport block of ``k`` real symbols by MCS ``mcs``; None where Sionna has none.

    That is for code rates below 1/5, or above 0.95 once the CRC is counted.
    """
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
    known = read_json(CODES).get(str(k), {})
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
    random = torch.Generator().manual_seed(block.mcs)
    channel = AWGN(snr_db, random)
    lost = counted = 0
    while counted < blocks and lost <= TARGET * blocks:
        bits = torch.randint(2, (at_once, block.size), generator=random).float()
        received, _ = block.demodulate(channel(signal(block.modulate(bits))))
        lost, counted = lost + int((received != bits).any(1).sum()), counted + at_once
    return lost / counted
