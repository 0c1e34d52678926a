"""Rows in a file of JSON lines that grows: whatever ends a run, what was added before is there.

A key has one row or several, which are added together; every row says its key and how many rows that has, so that a key
whose rows were torn apart is known, and is not there. Where rows lie in the file is in memory, the rows are not.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

from semwave.errors import SemwaveError
from semwave.pictures import files

KEY, ROWS, FAILURE = "key", "rows_of_key", "failure"
SYNC_SECONDS = 1.0
"""How old rows may be that are not on the disk yet: what a power failure costs, and the end of a process does not."""
Place = tuple[int, int]
"""Where the rows of a key lie: the first byte, and how many there are."""


class RowLog:
    """The rows in ``path``, a file of JSON lines whose folder is made.

    Args:
        path: of the file.
        kept: what stays of it, some of what :func:`row_places` found in it; all else that is there is gone.

    Raises:
        SemwaveError: the file cannot be written.
    """

    def __init__(self, path: Path, kept: Mapping[str, Place] | None = None):
        self.path = path
        self.places: dict[str, Place] = {}
        self.synced = monotonic()
        with _saying(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not kept:
                self.file: BinaryIO = path.open("w+b", buffering=0)
                return
            if sum(length for _, length in kept.values()) == path.stat().st_size:
                self.places = dict(kept)
            else:
                self._rewrite(kept)
            self.file = path.open("r+b", buffering=0)
            self.file.seek(0, os.SEEK_END)

    def _rewrite(self, places: Mapping[str, Place]) -> None:
        """Keep what is in ``places`` and nothing else; the file is the old one or the new one."""
        part, end = self.path.with_name(f".{self.path.name}.part"), 0
        try:
            with self.path.open("rb") as old, part.open("wb") as new:
                for key, (start, length) in places.items():
                    old.seek(start)
                    new.write(old.read(length))
                    self.places[key], end = (end, length), end + length
                new.flush()
                os.fsync(new.fileno())
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)

    def __contains__(self, key: str) -> bool:
        return key in self.places

    def add(self, key: str, rows: list[dict[str, Any]]) -> None:
        """Add the ``rows`` of ``key``; whatever ends the process now, they are there. A key that is there is left as it
        is.

        Raises:
            SemwaveError: the file cannot be written.
        """
        if key in self.places:
            return
        data = b"".join(_line(row | {KEY: key, ROWS: len(rows)}) for row in rows)
        self.places[key] = self._append(data), len(data)

    def add_failure(self, row: dict[str, Any]) -> None:
        """Add a ``row`` that says what became of a unit without rows. Raises as :meth:`add`."""
        self._append(_line(row))

    def _append(self, data: bytes) -> int:
        with _saying(self.path):
            start = self.file.tell()
            try:
                written = self.file.write(data)
                if written != len(data):
                    raise OSError(28, "no room is left for it")
                if monotonic() - self.synced > SYNC_SECONDS:
                    os.fsync(self.file.fileno())
                    self.synced = monotonic()
            except OSError:
                with suppress(OSError):  # half of a line would be in the way of the next one
                    self.file.truncate(start)
                raise
            return start

    def lines(self, keys: Iterable[str]) -> Iterator[bytes]:
        """The rows of ``keys``, which are there, each as JSON."""
        with self.path.open("rb") as file:
            for key in keys:
                start, length = self.places[key]
                file.seek(start)
                yield from _lines_of(file.read(length))

    def rows(self, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The rows of ``keys``, which are there."""
        return map(json.loads, self.lines(keys))

    def export(self, path: Path, keys: Iterable[str], more: Iterable[dict[str, Any]] = ()) -> None:
        """Write the rows of ``keys``, and ``more`` rows, as one JSON list: whole, or not at all.

        Raises:
            SemwaveError: the place cannot be written to.
        """

        def chunks() -> Iterator[bytes]:
            before = b"[\n  "
            for line in chain(self.lines(keys), map(_line, more)):
                yield before + line.rstrip()
                before = b",\n  "
            yield b"[]\n" if before.startswith(b"[") else b"\n]\n"

        files.write_chunks(path, chunks())

    def close(self) -> None:
        """Bring what was added to the disk, and close the file."""
        with self.file:
            os.fsync(self.file.fileno())

    def __enter__(self) -> "RowLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def row_places(path: Path) -> Iterator[tuple[str, Place]]:
    """Every key that is whole in the file of JSON lines ``path``, with its first byte and how many bytes it has. What
    is torn or no row is passed over."""
    with path.open("rb") as file:
        key, first, count, place = "", 0, 0, 0
        for line in file:
            start, place = place, place + len(line)
            row = _row(line)
            if row is None:
                key = ""
                continue
            if row[KEY] != key or count >= row[ROWS]:
                key, first, count = row[KEY], start, 0
            count += 1
            if count == row[ROWS]:
                yield key, (first, place - first)


def rows_at(path: Path, place: Place) -> list[dict[str, Any]]:
    """The rows that lie at a ``place`` of the file of JSON lines ``path``."""
    with path.open("rb") as file:
        file.seek(place[0])
        return list(map(json.loads, _lines_of(file.read(place[1]))))


def is_log(path: Path) -> bool:
    """Whether every line of ``path`` but the last, which may be torn, is a JSON object; a few lines are looked at."""
    with path.open("rb") as file:
        lines = [line for line, _ in zip(file, range(3), strict=False)]
    objects = [_parsed(line) for line in lines if line.endswith(b"\n")]
    return all(isinstance(found, dict) and (KEY in found or FAILURE in found) for found in objects)


def _lines_of(data: bytes) -> list[bytes]:
    """Lines of whole rows. They end as those of a file do, and not at a carriage return, which JSON may have inside."""
    return data.removesuffix(b"\n").split(b"\n")


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _row(line: bytes) -> dict[str, Any] | None:
    """The row in ``line``; None for half a line, a failure and anything else."""
    found = _parsed(line) if line.endswith(b"\n") else None
    sound = isinstance(found, dict) and isinstance(found.get(KEY), str) and isinstance(found.get(ROWS), int)
    return found if sound and FAILURE not in found else None


class _saying:
    """Turns an error of the system into one that names the file."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise SemwaveError(f"{self.path}: cannot be written ({error.strerror}); choose another place") from None
