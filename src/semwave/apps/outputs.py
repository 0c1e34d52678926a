"""Where a command writes: judged before anything runs, so that nothing of the user's is lost.

An output that is an input, by whatever name or link, is refused; so are two outputs in one file, a folder where a file
should be, a name that says another format, and a file that semwave did not write where its report should go. What an
earlier run wrote under the same names is replaced.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from semwave.errors import SemwaveError
from semwave.pictures.files import FILE, FOLDER, MISSING, MOST_TEXT, STREAM, kind_of, read_json, read_text
from semwave.work.rows import is_log

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""The formats in which a picture is written: :data:`semwave.pictures.images.WRITTEN`."""
LINES = ".jsonl"
"""How the name of a report ends that grows line by line."""


def check_outputs(
    files: Iterable[Path | None], inputs: Iterable[Path | None] = (), folders: Iterable[Path | None] = ()
) -> list[Path]:
    """Refuse what cannot be written, or would cost the user something; an option that was not given is None.

    Returns those of ``files`` that are there and will be replaced.

    Raises:
        SemwaveError: one of ``folders`` is no folder; one of ``files`` is a folder, a disk or a socket, an input or
            another one of ``files``.
    """
    for folder in filter(None, folders):
        if kind_of(folder) not in (FOLDER, MISSING):
            raise SemwaveError(f"{folder}: is not a folder; choose another place for what is written")
    taken = {identity(path): path for path in filter(None, inputs)}
    writing: dict[object, Path] = {}
    there = []
    for path in filter(None, files):
        kind = kind_of(path)
        if kind == STREAM:
            continue
        if kind == FOLDER:
            raise SemwaveError(f"{path}: is a folder; give a file name to --out or --report")
        if kind not in (FILE, MISSING):
            raise SemwaveError(f"{path}: is neither a file nor a pipe; choose another place")
        found = identity(path)
        if found in taken:
            raise SemwaveError(f"{path}: is {taken[found]}, which is read; choose another place for what is written")
        if found in writing:
            raise SemwaveError(f"{path}: is {writing[found]}, which is written too; choose another place")
        writing[found] = path
        if kind == FILE:
            there.append(path)
    return there


def identity(path: Path) -> object:
    """The same for every name of a file: its device and number, or where its links lead if it is not there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def check_suffix(path: Path, suffixes: tuple[str, ...], what: str) -> None:
    """Raises :class:`SemwaveError` for a name that says another format than one of ``suffixes``; a device or a pipe
    says none."""
    if path.suffix.lower() not in suffixes and kind_of(path) != STREAM:
        raise SemwaveError(f"{path}: {what} is written as {' or '.join(filter(None, suffixes))}; end the name so")


def row_log_of(report: Path) -> Path | None:
    """The file of JSON lines that grows with a run whose ``report`` is asked for: itself, or that beside it of the same
    name with .jsonl; None where the report goes into a device, a pipe or, what is refused, a folder."""
    return None if kind_of(report) in (STREAM, FOLDER) else report.with_suffix(LINES)


def check_report(path: Path | None, lines: bool = False) -> None:
    """Refuse a name that is not .json, and a file there that is no report: it may be dear to somebody. With ``lines``
    it may be .jsonl, and the file of lines that stands beside a .json is judged, too.

    Raises:
        SemwaveError: such a name or file.
    """
    if path is None or kind_of(path) in (STREAM, FOLDER):
        return
    check_suffix(path, (".json", LINES) if lines else (".json",), "a report")
    for file in dict.fromkeys((path, path.with_suffix(LINES))) if lines else (path,):
        if kind_of(file) == FILE and file.stat().st_size and not _is_report(file):
            raise SemwaveError(f"{file}: is there and is no report of semwave; choose another --report")


def check_rows(path: Path) -> None:
    """Refuse a file there that has other lines than rows of JSON: it may be dear to somebody.

    Raises:
        SemwaveError: such a file.
    """
    if kind_of(path) != FILE or not path.stat().st_size:
        return
    try:
        rows = [json.loads(line) for line in read_text(path).removesuffix("\n").split("\n")]
    except (ValueError, RecursionError, SemwaveError):
        rows = [None]
    if not all(isinstance(row, dict) for row in rows):
        raise SemwaveError(f"{path}: is there and is no report of semwave; choose another --out")


def _is_report(path: Path) -> bool:
    """Rows of send or compare, as lines or as a list, or the stages of bench."""
    if path.suffix == LINES:
        return is_log(path)
    if path.stat().st_size > MOST_TEXT:
        return _starts_like_a_report(path)
    try:
        value = read_json(path)
    except SemwaveError:
        return False
    rows = value.get("stages") if isinstance(value, dict) else value
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _starts_like_a_report(path: Path) -> bool:
    """Whether a list that is too long to be read begins with a row, as a run writes it."""
    with path.open("rb") as file:
        return file.readline() == b"[\n" and file.readline().lstrip().startswith(b'{"photo": ')


def check_page(path: Path, mark: str, option: str) -> None:
    """Refuse a name that is not .md, and a page there without ``mark``, which what semwave writes has.

    Raises:
        SemwaveError: such a name or page.
    """
    if path.suffix != ".md" or kind_of(path) == FOLDER:
        raise SemwaveError(f"{path}: give a file name that ends in .md to {option}")
    if kind_of(path) == FILE and path.stat().st_size:
        try:
            text = read_text(path)
        except UnicodeDecodeError:
            text = ""
        if mark not in text:
            raise SemwaveError(f"{path}: is there and has no line '{mark}'; choose another {option}")
