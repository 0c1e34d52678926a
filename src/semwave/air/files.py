"""Files of symbols: one safetensors file that says what it holds.

    iq      (B, k/2, 2) float32: real and imaginary part of every complex symbol
    noise   (B, k) float32, in what was received: the noise power of every real symbol, infinite where it is lost
    metadata "semwave_symbols": the header, JSON

A plain .npy array of k float32 is read too, but says nothing of itself: its header has to be given.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from semwave.air.iq import soft, to_complex, to_reals
from semwave.errors import SemwaveError
from semwave.pictures.arrays import read_npy, read_safetensors
from semwave.pictures.files import FILE, STREAM, kind_of, structured, write_array, write_bytes
from semwave.types import Header, Signal, Soft
from semwave.zoo import LARGEST_K

SUFFIX, PLAIN = ".safetensors", ".npy"
METADATA = "semwave_symbols"
LARGEST_BATCH = 1024
LARGEST_BYTES = 256 * 2**20


def write_signal(path: Path | str, signal: Signal) -> None:
    """Write ``signal`` to ``path``: with its header as .safetensors, or the k real symbols of one picture as .npy.

    Raises:
        SemwaveError: another suffix, several pictures in a .npy file, or a place that cannot be written to.
    """
    path = Path(path)
    check_suffix(path)
    if path.suffix == PLAIN:
        symbols = to_reals(signal.iq)
        if len(symbols) != 1:
            raise SemwaveError(f"{path}: a .npy file holds the symbols of one picture, not of {len(symbols)}")
        write_array(path, symbols[0].numpy())
    else:
        _write(path, {"iq": torch.view_as_real(signal.iq)}, signal.header)


def check_suffix(path: Path) -> None:
    """Raises :class:`SemwaveError` for a name that no file of symbols has."""
    if path.suffix not in (SUFFIX, PLAIN) and kind_of(path) != STREAM:
        raise SemwaveError(f"{path}: symbols are written as {SUFFIX} (with a header) or {PLAIN} (without)")


def write_soft(path: Path | str, received: Soft) -> None:
    """Write what was received to ``path``, .safetensors. Raises as :func:`write_signal`."""
    path = Path(path)
    if path.suffix != SUFFIX:
        raise SemwaveError(f"{path}: received symbols are written as {SUFFIX}")
    iq = torch.view_as_real(to_complex(received.symbols))
    _write(path, {"iq": iq, "noise": received.noise}, received.header)


def signal_bytes(signal: Signal) -> bytes:
    """What :func:`write_signal` writes as .safetensors. Raises :class:`SemwaveError` for a signal without a header."""
    return _bytes("the signal", {"iq": torch.view_as_real(signal.iq)}, signal.header)


def _write(path: Path, tensors: dict[str, Tensor], header: Header | None) -> None:
    write_bytes(path, _bytes(path, tensors, header))


def _bytes(name: Path | str, tensors: dict[str, Tensor], header: Header | None) -> bytes:
    if header is None:
        raise SemwaveError(f"{name}: the symbols have no header, so nobody could read them")
    metadata = {METADATA: json.dumps(asdict(header))}
    return save({name: tensor.float().contiguous() for name, tensor in tensors.items()}, metadata)


def read_header(path: Path | str) -> Header:
    """The header of a file that :func:`write_signal` or :func:`write_soft` wrote. Nothing else is read.

    Raises:
        SemwaveError: no such file, not one of symbols, or a header that is damaged or of another version.
    """
    try:
        if kind_of(path) != FILE:
            raise FileNotFoundError(path)
        if Path(path).stat().st_size > LARGEST_BYTES:
            raise SemwaveError(f"{path}: a file of symbols has at most {LARGEST_BYTES // 2**20} MiB")
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError):
        raise SemwaveError(f"{path}: not a readable file of symbols; give what 'semwave transmit' writes") from None
    try:
        value = json.loads(metadata[METADATA])
    except KeyError:
        raise SemwaveError(f"{path}: has no header of symbols; give what 'semwave transmit' writes") from None
    except (ValueError, RecursionError):
        raise SemwaveError(f"{path}: the header is damaged; get an intact copy of the file") from None
    return structured(Header, value, f"{path}: the header is damaged")


def read_soft(path: Path | str, snr_db: float) -> Soft:
    """Received symbols with their header; where the file tells no noise they were all received at ``snr_db``.

    Raises:
        SemwaveError: as :func:`read_header`; tensors of other names, types or shapes than the header says; an SNR out
            of range.
    """
    path, header = Path(path), read_header(path)
    damaged = SemwaveError(
        f"{path}: the symbols are not those that the header tells of; get an intact copy of the file"
    )
    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            batch = shapes["iq"][0] if shapes.get("iq") else 0
            expected = {"iq": (batch, header.k // 2, 2), "noise": (batch, header.k)}
            if not {"iq"} <= names <= {*expected} or any(shapes[name] != expected[name] for name in names):
                raise damaged
            if not 1 <= batch <= LARGEST_BATCH:
                raise damaged
        tensors, _ = read_safetensors(path, "get an intact copy of the file", LARGEST_BYTES, ("F32",))
    except (SafetensorError, OSError, ValueError, SemwaveError):
        raise damaged from None
    symbols = to_reals(torch.view_as_complex(tensors["iq"].contiguous()))
    if "noise" not in tensors:
        return soft(symbols, snr_db, header)
    return Soft(symbols, tensors["noise"], header)


def read_plain(path: Path | str, snr_db: float, header: Header) -> Soft:
    """The symbols of a .npy array of shape (k,) or (1, k) float32, received at ``snr_db``, which ``header`` describes.

    Raises:
        SemwaveError: no such file, not such an array, another number of symbols than the header's, or an SNR out of
            range.
    """
    return soft(read_array(path).reshape(1, -1), snr_db, header)


def read_array(path: Path | str) -> Tensor:
    """Symbols (k,) of a .npy array of shape (k,) or (1, k) float32. Raises as :func:`read_plain`."""

    def judge(kind: np.dtype, shape: tuple[int, ...]) -> None:
        if kind != np.float32:
            raise SemwaveError(f"{path}: symbols must be float32, not {kind}")
        if len(shape) != 1 and not (len(shape) == 2 and shape[0] == 1):
            raise SemwaveError(f"{path}: symbols must be one row of k numbers, not of shape {shape}")
        if not 2 <= shape[-1] <= LARGEST_K:
            raise SemwaveError(f"{path}: a picture has 2 to {LARGEST_K} symbols, not {shape[-1]}")

    return torch.from_numpy(read_npy(path, judge, "what 'semwave transmit' writes")).reshape(-1)
