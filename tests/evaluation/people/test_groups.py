"""Photos find their person in a table, and what is no such table is refused."""

from pathlib import Path

import pytest

from semwave.errors import SemwaveError
from semwave.evaluation.people.groups import groups_of
from semwave.pictures.photos import Photo

TABLE = "face_id,age,gender\n001,24,female\n003,NA,male\n010,35,female\n03,18,x\n\n"


def named(*names):
    return [Photo(Path("photos", name), Path(name).stem) for name in names]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "info.csv"
    path.write_text(TABLE)
    return path


def test_a_photo_has_the_groups_of_the_person_in_its_name(table):
    found = groups_of(table, named("neutral__001_0.jpg", "smiling-003.jpg", "010.png", "03.png"))
    assert found == {
        "neutral__001_0": {"age": "under 25", "gender": "female"},
        "smiling-003": {"age": "not stated", "gender": "male"},
        "010": {"age": "35 and over", "gender": "female"},
        "03": {"age": "under 25", "gender": "x"},
    }


def test_numbers_with_words_among_them_stay_words(table):
    table.write_text("id,age\na,24\nb,old\n")
    assert groups_of(table, named("a.png", "b.png")) == {"a": {"age": "24"}, "b": {"age": "old"}}


@pytest.mark.parametrize("name, message", [("somebody.png", "names nobody in"), ("001_010.png", "names 2 people of")])
def test_a_photo_of_nobody_or_of_several_is_refused(table, name, message):
    with pytest.raises(SemwaveError, match=message):
        groups_of(table, named("001.png", name))


@pytest.mark.parametrize(
    "text", ["", "id\n1\n", "id,age\n1\n", "id,age,age\n1,2,3\n", "id,age\n1,2\n1,3\n", 'id,age\n1,"2', "\xff\xfe,\0\n"]
)
def test_what_is_no_table_is_refused(table, text):
    table.write_bytes(text.encode("latin-1"))
    with pytest.raises(SemwaveError, match=r"info\.csv"):
        groups_of(table, named("1.png"))
    table.unlink()
    with pytest.raises(SemwaveError, match="no such file"):
        groups_of(table, named("1.png"))
