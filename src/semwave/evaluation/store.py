"""Measurements, one row for each picture, scheme, channel and SNR, kept so that a run goes on where it was stopped."""

import csv
import hashlib
import io
import json
import types
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from semwave.baselines.facts import Facts
from semwave.errors import SemwaveError
from semwave.pictures import files

JOIN = "+"
"""Between the layers of a scheme in a CSV cell."""


@dataclass(frozen=True)
class Row:
    """What came of one picture. Powers were measured at the channel, per complex symbol; 0 where nothing was sent. The
    k in ``facts`` is what was used."""

    photo: str
    scheme: str
    facts: Facts
    channel: str
    snr_db: float
    psnr_db: float
    lpips_alex: float
    signal_power: float
    noise_power: float
    outcome: str
    note: str

    @property
    def k(self) -> int:
        """Real symbols that were used."""
        return self.facts.k


HINTS: dict[str, Any] = {}
"""Type of every column of a CSV file; facts have a column each."""
for _name, _hint in get_type_hints(Row).items():
    HINTS |= get_type_hints(Facts) if _hint is Facts else {_name: _hint}
OF_FACTS = tuple(field.name for field in fields(Facts))


def kept_rows(path: Path) -> list[Row]:
    """The rows of a JSON file that :func:`keep_rows` wrote. Raises :class:`SemwaveError` if it holds something else."""
    rows = files.read_json(path)
    if not isinstance(rows, list):
        raise SemwaveError(f"{path}: does not hold measurements; delete it, and it is made again")
    return [files.structured(Row, row, str(path)) for row in rows]


def keep_rows(path: Path, rows: list[Row]) -> None:
    """Write ``rows`` as JSON."""
    files.write_json(path, [asdict(row) for row in rows])


def write_csv(path: Path, rows: list[Row]) -> None:
    """Write ``rows`` as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(HINTS), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        values = asdict(row)
        values |= values.pop("facts")
        writer.writerow({name: _cell(value) for name, value in values.items()})
    files.write_text(path, text.getvalue())


def read_csv(path: Path) -> list[Row]:
    """The rows that :func:`write_csv` wrote.

    Raises:
        SemwaveError: there is no such file, or it holds something else.
    """
    if files.kind_of(path) != files.FILE:
        raise SemwaveError(f"{path} is missing; 'semwave evaluate' writes it")
    try:
        reader = csv.DictReader(io.StringIO(files.read_text(path), newline=""), strict=True)
        if reader.fieldnames != list(HINTS):
            raise ValueError("other columns")
        return [_row(cells) for cells in reader]
    except (KeyError, TypeError, ValueError, csv.Error):
        raise SemwaveError(f"{path} does not hold measurements; 'semwave evaluate' writes it again") from None


def _row(cells: dict[str, str]) -> Row:
    values = {name: _value(hint, cells[name]) for name, hint in HINTS.items()}
    facts = Facts(**{name: values.pop(name) for name in OF_FACTS})
    return Row(facts=facts, **values)


def _cell(value: Any) -> Any:
    """``value`` in a CSV file: yes, no, layers joined, empty for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return JOIN.join(value) if isinstance(value, tuple) else value


def _value(hint: Any, cell: str) -> Any:
    """What :func:`_cell` wrote, of type ``hint``."""
    if get_origin(hint) is tuple:
        return tuple(cell.split(JOIN)) if cell else ()
    if get_origin(hint) is types.UnionType:
        return _value(get_args(hint)[0], cell) if cell else None
    if hint is bool:
        return {"yes": True, "no": False}[cell]
    return hint(cell)


def digest(*values: object) -> str:
    """Twelve hexadecimal digits of the SHA-256 of anything that JSON can write."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]
