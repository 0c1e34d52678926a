"""Files: whole or not at all when written, checked when read."""

import io
import json
import os
import secrets
import types
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from semwave.errors import SemwaveError

if TYPE_CHECKING:
    import numpy as np

Made = TypeVar("Made")


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
        SemwaveError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SemwaveError(f"{path}: not there, or not readable as JSON; make it again") from None


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8, as :func:`write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write ``data`` to ``path``, making its folder: whole, or, whatever happens, not at all.

    Raises:
        SemwaveError: the place cannot be written to.
    """
    path = Path(path)
    # os.replace is atomic only within one file system, so the part lies in the same folder.
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise SemwaveError(f"{path}: cannot be written ({error.strerror}); choose another place") from None


def structured(kind: type[Made], value: Any, where: str) -> Made:
    """The frozen dataclass ``kind`` that JSON ``value`` describes: objects as dataclasses, lists as tuples.

    ``where`` names the source in errors.

    Raises:
        SemwaveError: a field that is missing, unknown or of another type, or a value that the dataclass refuses.
    """
    try:
        return _converted(kind, value, "")
    except (TypeError, ValueError) as error:
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
