"""Arrays on the disk, .npy and .safetensors: their headers are judged before any of their data is read.

A header may promise what is not there, or more than memory holds; a sparse file may hold it. Whoever reads says what it
takes, by type, shape and bytes.
"""

import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.pictures.files import FILE, kind_of, written

PLAIN_TYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")
"""What safetensors calls the types that semwave writes; there are others, of less than a byte a number."""
LARGEST_BYTES = 2**30
"""Of weights and codes, in a file."""
Judge = Callable[[np.dtype, tuple[int, ...]], None]


def read_npy(path: Path | str, judge: Judge, what: str) -> np.ndarray:
    """The array of a .npy file that ``judge`` lets pass; ``what`` says what should be in it.

    Arguments:
        path: the file.
        judge: called with the type and the shape before any data is read; raises for what is not wanted.
        what: ends the sentence of an error: "give ...".

    Raises:
        SemwaveError: no such file, no plain array, one that is shorter or longer than its header says, and what
            ``judge`` raises.
    """
    path = Path(path)
    if kind_of(path) != FILE:
        raise SemwaveError(f"{path}: cannot be read (no such file); check the name")
    wrong = SemwaveError(f"{path}: not a plain .npy array; give {what}")
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _npy_header(file)
            if dtype.hasobject or dtype.names or not all(0 <= length < 2**62 for length in shape):
                raise wrong
            count = math.prod(shape)
            size = count * dtype.itemsize
            if path.stat().st_size - file.tell() != size:
                raise wrong
            judge(dtype, shape)
            if size > LARGEST_BYTES:
                raise SemwaveError(f"{path}: claims {size / 2**20:.0f} MiB, at most {LARGEST_BYTES >> 20} MiB are read")
            values = np.fromfile(file, dtype, count)
        return values.reshape(shape, order="F" if fortran else "C")
    except SemwaveError:
        raise
    except OSError as error:
        raise SemwaveError(f"{path}: cannot be read ({error.strerror}); check the name") from None
    except Exception:  # a hostile header fails in nearly any way
        raise wrong from None


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(version)


def read_safetensors(
    path: Path | str,
    what: str,
    largest: int = LARGEST_BYTES,
    types: Collection[str] = PLAIN_TYPES,
    only: Collection[str] | None = None,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name and the metadata of a .safetensors file.

    Arguments:
        path: the file.
        what: ends the sentence of an error: "not a readable safetensors file; ...".
        largest: bytes that the file may have; judged before it is opened.
        types: of tensors, in safetensors' words.
        only: names of the tensors that are wanted; None for all.

    Raises:
        SemwaveError: no such file, one that is too large, not of this format, or with tensors of other types.
    """
    path = Path(path)
    if kind_of(path) != FILE:
        raise SemwaveError(f"{path}: no such file; {what}")
    size = path.stat().st_size
    if size > largest:
        raise SemwaveError(f"{path}: has {size / 2**20:.0f} MiB, at most {largest >> 20} MiB are read; {what}")
    try:
        with safe_open(path, "pt") as file:
            names = [name for name in file.keys() if only is None or name in only]  # noqa: SIM118
            for name in names:
                kind = file.get_slice(name).get_dtype()
                if kind not in types:
                    raise SemwaveError(f"{path}: {name} is of type {kind}, not {' or '.join(types)}; {what}")
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except SemwaveError:
        raise
    except Exception:  # hostile headers and tensors of odd types fail in several ways
        raise SemwaveError(f"{path}: not a readable safetensors file; {what}") from None


def read_torch(path: Path | str, what: str) -> Any:
    """What a file of PyTorch holds, on the CPU: tensors and plain values, nothing that is executed.

    Raises:
        SemwaveError: no such file, a damaged one, or one with anything else in it; ``what`` ends the sentence.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # damaged bytes make the unpickler fail in any way there is
        raise SemwaveError(f"{path}: is damaged, or no file of tensors; {what}") from None


def write_torch(path: Path, value: Any) -> None:
    """Write ``value`` as a file of PyTorch, as :func:`semwave.pictures.files.written` does.

    Raises:
        SemwaveError: the place cannot be written to.
    """
    try:
        with written(path) as file:
            torch.save(value, file)
    except RuntimeError as error:  # torch says by it that a file could not be written
        cause = error.__context__
        if cause is not None and not isinstance(cause, Exception):  # or that it was interrupted
            raise cause from None
        raise SemwaveError(f"{path}: cannot be written (is the disk full?); choose another place") from None


def check_finite(path: Path | str, tensors: dict[str, Tensor]) -> None:
    """Raises :class:`SemwaveError` for weights of ``path`` that are not finite numbers."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise SemwaveError(f"{path}: {name} has values that are not finite numbers; get an intact copy of the file")
