"""The numbers of a CP-OFDM frame: what both ends must agree on before the first sample.

Random sequences come from NumPy's RandomState, whose streams are frozen (NEP 19): a frame means the same in every
version.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semwave.errors import SemwaveError

HEADER_CELLS = 192
REPETITIONS = 2
SMALLEST_K, LARGEST_K = 64, 32768
USED_SHARE = 26 / 32
"""Share of the carriers that are used; those at the edges and the one in the middle are empty."""
PREAMBLE_SEEDS = {64: 322, 128: 1639, 256: 1037}
"""Of two thousand seeds the one whose preamble has the lowest peak: 4.8, 6.0 and 6.3 dB over its mean power."""
MOST_CANDIDATES = 8


@dataclass(frozen=True)
class Numerology:
    """A waveform.

    Args:
        carriers: of the FFT: 64, 128 or 256, of which 13/16 are used.
        prefix: samples of the cyclic prefix of header and payload; the longest echo that costs nothing but its power.
        pilots: carriers of every symbol that carry nothing but a known value.
        spreading: spread the payload over all of its cells by one FFT, so that all symbols meet the mean channel and
            have one noise power. Without it every symbol has the noise of its own carrier.
        candidates: phase sequences tried for the lowest peak, 1 to 8.
        preamble_db: power of the preamble over that of a symbol of the payload.

    Raises:
        SemwaveError: values that no frame has.

    >>> Numerology().samples(2560), Numerology().samples(256), Numerology(256, 64, 16).data
    (2640, 720, 192)
    """

    carriers: int = 64
    prefix: int = 16
    pilots: int = 4
    spreading: bool = True
    candidates: int = MOST_CANDIDATES
    preamble_db: float = 3.0

    def __post_init__(self):
        if self.carriers not in PREAMBLE_SEEDS:
            raise SemwaveError(f"carriers must be one of {', '.join(map(str, PREAMBLE_SEEDS))}, not {self.carriers}")
        if not 4 <= self.prefix <= self.carriers // 2:
            raise SemwaveError(f"the prefix must be from 4 to {self.carriers // 2} samples, not {self.prefix}")
        if not 2 <= self.pilots <= self.carriers // 4:
            raise SemwaveError(f"a symbol has 2 to {self.carriers // 4} pilots, not {self.pilots}")
        if not 1 <= self.candidates <= MOST_CANDIDATES:
            raise SemwaveError(f"candidates must be from 1 to {MOST_CANDIDATES}, not {self.candidates}")
        if not -3 <= self.preamble_db <= 6:
            raise SemwaveError(f"the preamble is -3 to 6 dB over the payload, not {self.preamble_db:g}")

    @cached_property
    def used(self) -> np.ndarray:
        """Numbers of the used carriers, lowest frequency first; 0, the carrier in the middle, is none of them."""
        half = round(self.carriers * USED_SHARE / 2)
        return np.r_[-half:0, 1 : half + 1]

    @cached_property
    def is_pilot(self) -> np.ndarray:
        """Which of :attr:`used` are pilots: evenly spaced."""
        step = len(self.used) / self.pilots
        places = np.arange(1 - self.pilots, self.pilots, 2) * step / 2
        return np.isin(self.used, np.sign(places) * np.ceil(abs(places)))

    @property
    def data(self) -> int:
        """Cells of a symbol that carry header or payload."""
        return int((~self.is_pilot).sum())

    @property
    def symbol(self) -> int:
        """Samples of an OFDM symbol."""
        return self.prefix + self.carriers

    @property
    def preamble_prefix(self) -> int:
        """Samples of the cyclic prefix of the preamble."""
        return 2 * self.prefix

    @property
    def preamble_samples(self) -> int:
        """Samples of the preamble: a prefix and two equal symbols."""
        return self.preamble_prefix + REPETITIONS * self.carriers

    @property
    def header_symbols(self) -> int:
        """OFDM symbols of the header."""
        return -(-HEADER_CELLS // self.data)

    def payload_symbols(self, k: int) -> int:
        """OFDM symbols of the payload of ``k`` real symbols."""
        return -(-k // (2 * self.data))

    def samples(self, k: int) -> int:
        """Samples of a frame of ``k`` real symbols."""
        return self.preamble_samples + self.symbol * (self.header_symbols + self.payload_symbols(k))

    @property
    def preamble_gain(self) -> float:
        """Amplitude of the preamble's cells."""
        return 10 ** (self.preamble_db / 20)

    @cached_property
    def preamble_cells(self) -> np.ndarray:
        """QPSK on the used carriers, of power one."""
        return quadrature(PREAMBLE_SEEDS[self.carriers], len(self.used))

    @cached_property
    def preamble(self) -> np.ndarray:
        """The samples of the preamble, complex128."""
        one = self.preamble_gain * self.to_time(self.preamble_cells[None])[0]
        return np.r_[one[-self.preamble_prefix :], np.tile(one, REPETITIONS)]

    @cached_property
    def pilot_values(self) -> np.ndarray:
        """+1 or -1 of every symbol and pilot, long enough for the longest frame."""
        rows = self.header_symbols + self.payload_symbols(LARGEST_K)
        return 1.0 - 2 * np.random.RandomState(7).randint(0, 2, (rows, self.pilots))

    def to_time(self, cells: np.ndarray) -> np.ndarray:
        """Samples (rows, carriers) of ``cells`` (rows, used), without prefix; the power of a cell is kept."""
        import scipy.fft

        grid = np.zeros((len(cells), self.carriers), complex)
        grid[:, self.used % self.carriers] = cells
        return scipy.fft.ifft(grid, axis=1, norm="ortho")

    def to_cells(self, samples: np.ndarray) -> np.ndarray:
        """Cells (rows, used) of ``samples`` (rows, carriers)."""
        import scipy.fft

        return scipy.fft.fft(samples, axis=1, norm="ortho")[:, self.used % self.carriers]


def quadrature(seed: int, count: int) -> np.ndarray:
    """``count`` QPSK symbols of power one."""
    return np.exp(0.5j * np.pi * np.random.RandomState(seed).randint(0, 4, count) + 0.25j * np.pi)


NUMEROLOGIES = {64: Numerology(), 128: Numerology(128, 32, 8), 256: Numerology(256, 64, 16)}
"""By their number of carriers."""
