"""Files: whole or not at all when written, checked when read."""

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import types
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, Union, get_args, get_origin, get_type_hints

from semwave.errors import SemwaveError

if TYPE_CHECKING:
    import numpy as np

Made = TypeVar("Made")
BLOCK = 2**20
"""Bytes that are read at once where a whole file need not be in memory."""
MOST_TEXT = 64 * 2**20
"""Bytes of the largest file of text that is read."""
MISSING, FILE, FOLDER, STREAM, OTHER = "missing", "file", "folder", "stream", "other"
"""What a path may name. A stream is a device without an end or a pipe: it is written into, not replaced."""


def kind_of(path: str | os.PathLike) -> str:
    """What ``path`` names, links followed: :data:`MISSING`, :data:`FILE`, :data:`FOLDER`, :data:`STREAM` or
    :data:`OTHER` (a disk, a socket).

    Raises:
        SemwaveError: it is no name that a file can have, or it cannot be looked at.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise SemwaveError(f"{_short(path)}: cannot be looked at ({reason}); check the name") from None
    if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or os.path.abspath(path).startswith(("/dev/std", "/dev/fd/")):
        return STREAM
    return FILE if stat.S_ISREG(mode) else FOLDER if stat.S_ISDIR(mode) else OTHER


def _short(path: str | os.PathLike) -> str:
    name = str(path)
    return name if len(name) <= 200 else f"{name[:100]}...{name[-60:]}"


def file_digest(*paths: Path, digits: int = 12) -> str:
    """The first hexadecimal ``digits``, twelve, of the SHA-256 of a file, or of several one after the other.

    Raises:
        SemwaveError: one that cannot be read.
    """
    found = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    found.update(block)
        except OSError as error:
            raise SemwaveError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    return found.hexdigest()[:digits]


def write_array(path: str | os.PathLike, array: "np.ndarray") -> None:
    """Write an array of numbers as .npy, as :func:`write_bytes` does."""
    # Here, because every start of the command reads configurations with this module.
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write ``value`` as indented JSON, as :func:`write_bytes` does. NaN and infinity are a ``ValueError``."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """What :func:`write_json` wrote.

    Raises:
        SemwaveError: the file is missing, larger than 64 MiB, or is not JSON.
    """

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(read_text(path), parse_constant=refuse)
    except (SemwaveError, ValueError, RecursionError):
        raise SemwaveError(f"{path}: not there, or not readable as JSON; make it again") from None


def read_text(path: str | os.PathLike) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark; its length is judged before it is read.

    Raises:
        SemwaveError: no regular file, one that cannot be read, or one larger than 64 MiB.
        UnicodeDecodeError: not UTF-8.
    """
    if kind_of(path) != FILE:
        raise SemwaveError(f"{path}: no such file; check the name")
    try:
        size = os.stat(path).st_size
        if size > MOST_TEXT:
            raise SemwaveError(f"{path}: has {size / 2**20:.0f} MiB, at most {MOST_TEXT // 2**20} MiB of text are read")
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SemwaveError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8, as :func:`write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write ``data`` to ``path``, as :func:`write_chunks` does."""
    write_chunks(path, (data,))


def write_chunks(path: str | os.PathLike, chunks: Iterable[bytes]) -> None:
    """Write ``chunks`` to ``path``, as :func:`written` does."""
    with written(path) as file:
        file.writelines(chunks)


@contextlib.contextmanager
def written(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write into, which becomes ``path``, in a folder that is made: whole, or, whatever happens, not at all.

    A link stays and the file that it leads to is replaced, with the permissions that it had. A device or a pipe is
    written into.

    Raises:
        SemwaveError: the place cannot be written to.
    """
    kind = kind_of(path)
    try:
        if kind == STREAM:
            with _stream(path) as file:
                yield file
        elif kind in (FILE, MISSING):
            with _part_of(Path(os.path.realpath(path))) as file:
                yield file
        else:
            raise OSError(errno.EISDIR, "it is a folder" if kind == FOLDER else "it is neither a file nor a pipe")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise SemwaveError(f"{_short(path)}: cannot be written ({reason}); choose another place") from None


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    there = path.exists()
    if there and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is write-protected")
    # os.replace is atomic only within one file system, so the part lies in the same folder.
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("wb") as file:
            yield file
        if there:
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _stream(path: str | os.PathLike) -> BinaryIO:
    try:
        # Opened without waiting: a pipe that nobody reads would otherwise hold the run up for ever.
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads from this pipe") from None
        raise
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")


def structured(kind: type[Made], value: Any, where: str) -> Made:
    """The frozen dataclass ``kind`` that JSON ``value`` describes: objects as dataclasses, lists as tuples.

    ``where`` names the source in errors.

    Raises:
        SemwaveError: a field that is missing, unknown or of another type, or a value that the dataclass refuses.
    """
    try:
        return _converted(kind, value, "")
    except (TypeError, ValueError, OverflowError) as error:
        raise SemwaveError(f"{where}: {error}") from None


def _converted(kind: Any, value: Any, name: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        known = {field.name for field in fields(kind) if field.init}
        if not isinstance(value, dict):
            raise TypeError(f"{name or 'it'} must be an object, not {type(value).__name__}")
        if unknown := sorted(value.keys() - known):
            raise TypeError(f"{name + '.' if name else ''}{unknown[0]} is not a known field")
        given = {key: _converted(hints[key], item, f"{name}.{key}".lstrip(".")) for key, item in value.items()}
        try:
            return kind(**given)
        except TypeError as error:
            raise TypeError(str(error).partition("__init__() ")[2] or str(error)) from None
    if origin is Union or origin is types.UnionType:
        if value is None and type(None) in arguments:
            return None
        return _converted(next(argument for argument in arguments if argument is not type(None)), value, name)
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{name} must be a list, not {type(value).__name__}")
        return tuple(_converted(arguments[0], item, name) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # True is an int to Python, but no number to a reader of JSON.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} must be of type {kind.__name__}, not {type(value).__name__}")
    return value
