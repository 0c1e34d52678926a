"""Measurements, one row for each picture, scheme, channel and SNR, kept so that a run goes on where it was stopped."""

import csv
import hashlib
import io
import json
import types
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from semwave.baselines.facts import Facts
from semwave.errors import SemwaveError
from semwave.pictures import files
from semwave.work.rows import KEY, ROWS, Place, RowLog, is_log, row_places, rows_at

JOIN = "+"
"""Between the layers of a scheme in a CSV cell."""
FILE = "rows.jsonl"


@dataclass(frozen=True)
class Row:
    """What came of one picture. Powers were measured at the channel, per complex symbol; 0 where nothing was sent. The
    k in ``facts`` is what was used; ``key`` names the photo, and by a digest all that the row depends on."""

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
    key: str = ""

    @property
    def k(self) -> int:
        """Real symbols that were used."""
        return self.facts.k


HINTS: dict[str, Any] = {}
"""Type of every column of a CSV file; facts have a column each."""
for _name, _hint in get_type_hints(Row).items():
    HINTS |= get_type_hints(Facts) if _hint is Facts else {_name: _hint}
COLUMNS = [name for name in HINTS if name != KEY]
"""Of a CSV file without keys, as an earlier version wrote it."""
OF_FACTS = tuple(field.name for field in fields(Facts))


class RowStore:
    """Rows by their key, in the files of JSON lines of a ``folder``, which may be copied from one machine to another,
    and in other ``known`` files: such ones, or tables (.csv). New rows go to rows.jsonl in the folder.

    Raises:
        SemwaveError: a file that cannot be read, or holds something else.
    """

    def __init__(self, folder: Path, known: Iterable[Path] = ()):
        own = folder / FILE
        kept = dict(row_places(own)) if files.kind_of(own) == files.FILE else None
        self.log = RowLog(own, kept)
        self._tables: dict[str, list[Row]] = {}
        self._places: dict[str, tuple[Path, Place]] = {}
        for path in [*sorted(set(folder.glob("*.jsonl")) - {own}), *known]:
            if path.suffix == ".csv":
                for row in read_csv(path):
                    self._tables.setdefault(row.key, []).append(row)
            elif files.kind_of(path) != files.FILE or not is_log(path):
                raise SemwaveError(f"{path}: does not hold measurements; give a rows.csv or a rows.jsonl of evaluate")
            else:
                self._places |= {key: (path, place) for key, place in row_places(path)}
        self._tables.pop("", None)

    def has(self, key: str, snrs_db: tuple[float, ...]) -> bool:
        """Whether there are rows of ``key``; a table may have lost some, so those at all ``snrs_db`` are looked for."""
        if key in self.log or key in self._places:
            return True
        return key in self._tables and [row.snr_db for row in self._tables[key]] == list(snrs_db)

    def rows(self, key: str) -> list[Row]:
        """The rows of ``key``; none where there are none.

        Raises:
            SemwaveError: a file of JSON lines that holds something else.
        """
        if key in self.log:
            path, found = self.log.path, self.log.rows([key])
        elif key in self._places:
            path, place = self._places[key]
            found = rows_at(path, place)
        else:
            return self._tables.get(key, [])
        return [files.structured(Row, {k: v for k, v in row.items() if k != ROWS}, str(path)) for row in found]

    def add(self, key: str, rows: list[Row]) -> None:
        """Keep ``rows``. Raises :class:`SemwaveError` where they cannot be written."""
        self.log.add(key, [asdict(row) for row in rows])

    def __enter__(self) -> "RowStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.log.close()


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
        if reader.fieldnames not in (list(HINTS), COLUMNS):
            raise ValueError("other columns")
        return [_row({KEY: "", **cells}) for cells in reader]
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
