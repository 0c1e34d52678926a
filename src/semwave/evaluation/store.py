"""Measurements, one row for each picture, scheme, channel and SNR, kept so that a run goes on where it was stopped."""

import csv
import hashlib
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from semwave.errors import SemwaveError
from semwave.pictures import files


@dataclass(frozen=True)
class Row:
    """What came of one picture. Powers were measured at the channel, per complex symbol; 0 where nothing was sent."""

    photo: str
    scheme: str
    channel: str
    snr_db: float
    k: int
    psnr_db: float
    lpips_alex: float
    signal_power: float
    noise_power: float
    outcome: str
    note: str


def kept_rows(path: Path) -> list[Row]:
    """The rows of a JSON file that :func:`keep_rows` wrote."""
    return [Row(**row) for row in files.read_json(path)]


def keep_rows(path: Path, rows: list[Row]) -> None:
    """Write ``rows`` as JSON."""
    files.write_json(path, [asdict(row) for row in rows])


def write_csv(path: Path, rows: list[Row]) -> None:
    """Write ``rows`` as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    files.write_text(path, text.getvalue())


def read_csv(path: Path) -> list[Row]:
    """The rows that :func:`write_csv` wrote.

    Raises:
        SemwaveError: there is no such file, or it holds something else.
    """
    types = {field.name: field.type for field in fields(Row)}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [Row(**{name: types[name](value) for name, value in row.items()}) for row in csv.DictReader(file)]
    except OSError:
        raise SemwaveError(f"{path} is missing; 'semwave evaluate' writes it") from None
    except (KeyError, TypeError, ValueError):
        raise SemwaveError(f"{path} does not hold measurements; 'semwave evaluate' writes it again") from None


def file_digest(path: Path) -> str:
    """Twelve hexadecimal digits of the SHA-256 of a file. Raises :class:`SemwaveError` if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise SemwaveError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def digest(*values: object) -> str:
    """The same of anything that JSON can write."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]
