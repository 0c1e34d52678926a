"""Recordings of a radio: SigMF (NAME.sigmf-meta beside NAME.sigmf-data, cf32_le), or raw complex64 without a word.

They are read piece by piece, however long they are.
"""

import io
import json
import math
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from semwave.errors import SemwaveError
from semwave.pictures.files import write_bytes, write_text

META, DATA = ".sigmf-meta", ".sigmf-data"
DATATYPE = "cf32_le"
PIECE_BYTES = 2**20
LARGEST_METADATA = 2**24
LARGEST_WHOLE = 2**28
"""Samples of a recording that is read at once."""


@dataclass(frozen=True)
class Recording:
    """What the metadata says: where the samples are, samples a second, centre frequency in Hz; None for the unknown."""

    data: Path
    sample_rate: float | None
    frequency: float | None

    def pieces(self) -> Iterator[np.ndarray]:
        """The samples, complex64, piece by piece; half a sample at the end is left out.

        Raises:
            SemwaveError: the samples cannot be read.
        """
        try:
            with self.data.open("rb") as file:
                yield from raw_pieces(file)
        except OSError as error:
            raise SemwaveError(f"{self.data}: cannot be read ({error.strerror}); check the name") from None

    def samples(self) -> np.ndarray:
        """All samples (n,) complex64. Raises as :meth:`pieces`, and for more than 2^28 of them."""
        pieces, count = [], 0
        for piece in self.pieces():
            count += len(piece)
            if count > LARGEST_WHOLE:
                raise SemwaveError(f"{self.data}: has more than {LARGEST_WHOLE} samples; cut it")
            pieces.append(piece)
        return np.concatenate(pieces) if pieces else np.zeros(0, np.complex64)


def raw_pieces(file: BinaryIO | io.RawIOBase) -> Iterator[np.ndarray]:
    """Samples complex64 of raw bytes, as soon as they are there; an empty piece where a pipe has no more for now."""
    left = b""
    read = getattr(file, "read1", file.read)
    while data := read(PIECE_BYTES):
        left += data
        whole = len(left) // 8 * 8
        if whole:
            yield np.frombuffer(left[:whole], np.complex64)
            left = left[whole:]
        if not _ready(file):
            yield np.zeros(0, np.complex64)


def _ready(file: BinaryIO | io.RawIOBase) -> bool:
    """Whether reading would not have to wait. A file of the disk is always ready, and so is what cannot be asked."""
    try:
        return bool(select.select([file], [], [], 0)[0])
    except (OSError, ValueError):
        return True


def read_recording(path: Path | str) -> Recording:
    """The recording NAME.sigmf-meta.

    Raises:
        SemwaveError: no such file, no metadata of SigMF, samples of another type, or no samples beside it.
    """
    path = Path(path)
    if path.suffix != META:
        raise SemwaveError(f"{path}: give a recording as NAME{META}, or - for raw complex64 on standard input")
    try:
        if path.stat().st_size > LARGEST_METADATA:
            raise SemwaveError(f"{path}: metadata of SigMF is smaller than {LARGEST_METADATA // 2**20} MiB")
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SemwaveError(f"{path}: cannot be read ({error.strerror}); check the name") from None
    except (ValueError, RecursionError):
        raise SemwaveError(f"{path}: not metadata of SigMF; get an intact copy of it") from None
    general = value.get("global") if isinstance(value, dict) else None
    if not isinstance(general, dict) or "core:datatype" not in general:
        raise SemwaveError(f"{path}: not metadata of SigMF; get an intact copy of it")
    if general["core:datatype"] != DATATYPE:
        raise SemwaveError(
            f"{path}: samples must be {DATATYPE}, not {str(general['core:datatype'])[:40]!r}; convert them"
        )
    if general.get("core:num_channels", 1) != 1 or general.get("core:dataset") is not None:
        raise SemwaveError(f"{path}: one channel in {path.stem}{DATA} is read, nothing else")
    captures = value.get("captures")
    first = captures[0] if isinstance(captures, list) and captures and isinstance(captures[0], dict) else {}
    data = path.with_suffix(DATA)
    if not data.is_file():
        raise SemwaveError(f"{data}: is not there; a recording is {META} and {DATA}")
    return Recording(data, _number(general.get("core:sample_rate")), _number(first.get("core:frequency")))


def write_recording(
    path: Path | str, samples: np.ndarray, sample_rate: float, frequency: float | None, description: str
) -> None:
    """Write ``samples`` (n,) complex as NAME.sigmf-meta and NAME.sigmf-data.

    Raises:
        SemwaveError: another suffix, a place that cannot be written to, or sigmf is not installed.
    """
    path = Path(path)
    check_recording(path)
    sigmf = _sigmf()
    data = np.ascontiguousarray(samples, np.complex64)
    metadata = sigmf.SigMFFile(
        global_info={
            "core:datatype": DATATYPE,
            "core:sample_rate": float(sample_rate),
            "core:version": sigmf.__specification__,
            "core:description": description,
            "core:recorder": "semwave",
        }
    )
    metadata.add_capture(0, metadata={} if frequency is None else {"core:frequency": float(frequency)})
    write_bytes(path.with_suffix(DATA), data.tobytes())
    write_text(path, metadata.dumps() + "\n")


def check_recording(path: Path) -> None:
    """Raises :class:`SemwaveError` for a name that no recording has, and where sigmf is not installed."""
    if path.suffix != META:
        raise SemwaveError(f"{path}: a recording is written as NAME{META}")
    _sigmf()


def _sigmf():
    try:
        import sigmf
    except ImportError:
        raise SemwaveError("SigMF needs sigmf; install it with pip install 'semwave[air]'") from None
    return sigmf


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
