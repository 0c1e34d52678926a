"""Groups that people say they belong to, from a table beside their photographs.

id,age,gender,ethnicity          anna_7.jpg, 7-smiling.png -> {"age": "25 to 34", "gender": "female", ...}
7,31,female,black
"""

import csv
import io
import re
from pathlib import Path

from semwave.errors import SemwaveError
from semwave.pictures.files import read_text
from semwave.pictures.photos import Photo

NUMBER = re.compile(r"\d+(\.\d+)?")
UNSTATED = ("", "na", "n/a", "nan")
"""Cells that say nothing, in lower case."""
BANDS = ((25, "under 25"), (35, "25 to 34"), (float("inf"), "35 and over"))
"""What numbers, such as ages, are sorted into: the first band whose end is above them."""
Groups = dict[str, str]
"""Group by column of the table."""


def groups_of(table: Path, photos: list[Photo]) -> dict[str, Groups]:
    """The groups of the person in every one of ``photos``, by the photo's name.

    The first column of the CSV file ``table`` is the person: the whole name of a file without its suffix, or a word or
    number in it. Every other column is a way to group; one of numbers alone is sorted into :data:`BANDS`.

    Raises:
        SemwaveError: no such table, or a photo that belongs to no person in it, or to several.
    """
    people = _people(table)
    return {photo.name: people[_person(photo, people, table)] for photo in photos}


def _person(photo: Photo, people: dict[str, Groups], table: Path) -> str:
    stem = photo.path.stem
    found = {stem} & people.keys() or {*re.split(r"[^0-9A-Za-z]+", stem)} & people.keys()
    if len(found) != 1:
        what = f"names {len(found)} people of {table}" if found else f"names nobody in {table}"
        raise SemwaveError(f"{photo.path}: {what}; its name must have one cell of the first column as a word")
    return found.pop()


def _people(table: Path) -> dict[str, Groups]:
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(read_text(table), newline=""), strict=True) if row]
        if len(header) < 2 or len({*header}) < len(header) or any(len(row) != len(header) for row in rows):
            raise ValueError
    except (ValueError, csv.Error):
        raise SemwaveError(
            f"{table}: is no table of people; write CSV with a line of names, first the person, then the groups"
        ) from None
    columns = {name: _grouped([row[i].strip() for row in rows]) for i, name in enumerate(header) if i}
    ids = [row[0].strip() for row in rows]
    if len({*ids}) < len(ids):
        raise SemwaveError(f"{table}: has a person twice; the first column must tell people apart")
    return {person: {name: cells[i] for name, cells in columns.items()} for i, person in enumerate(ids)}


def _grouped(cells: list[str]) -> list[str]:
    """The groups that the ``cells`` of one column name."""
    numbers = all(NUMBER.fullmatch(cell) for cell in cells if cell.lower() not in UNSTATED)
    return ["not stated" if cell.lower() in UNSTATED else _band(float(cell)) if numbers else cell for cell in cells]


def _band(number: float) -> str:
    return next((name for end, name in BANDS if number < end), BANDS[-1][1])  # a number of 400 digits is infinite
