"""Rows that grow: whatever tears the file, what was added whole is there and the rest is not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.errors import SemwaveError
from semwave.work.rows import RowLog, row_places, rows_at

GROUPS = {
    "a-1": [{"photo": "a", "k": 2}, {"photo": "a", "k": 4}],
    "b-1": [{"photo": "bé\n"}],
    "c-1": [{"photo": "c"}] * 3,
}


ENDS = (110, 161, 302)
"""Where each of them ends in the file."""


def written(path, groups=GROUPS):
    with RowLog(path) as log:
        for key, rows in groups.items():
            log.add(key, rows)
    return path


def read(path):
    """Rows by key, as they were added."""
    with RowLog(path, dict(row_places(path))) as log:
        return {
            key: [{k: v for k, v in row.items() if k in ("photo", "k")} for row in log.rows([key])]
            for key in log.places
        }


def test_rows_come_back_by_key(tmp_path):
    assert read(written(tmp_path / "new" / "rows.jsonl")) == GROUPS
    for line in (tmp_path / "new" / "rows.jsonl").read_text().splitlines():
        assert json.loads(line)["key"] in GROUPS


def test_a_key_is_there_once(tmp_path):
    path = written(tmp_path / "rows.jsonl")
    with RowLog(path, dict(row_places(path))) as log:
        log.add("b-1", [{"photo": "other"}])
    assert read(path) == GROUPS


def test_a_row_ends_where_its_line_does(tmp_path):
    path, row = tmp_path / "rows.jsonl", {"photo": "a\x0b\x1c\u2028b"}
    lines = written(path, {"a": [row]}).read_bytes() + b'{"photo": "b",\r"key": "b", "rows_of_key": 1}\r\n'
    path.write_bytes(lines)
    assert read(path) == {"a": [row], "b": [{"photo": "b"}]}
    assert [rows_at(path, place)[0]["photo"] for _, place in row_places(path)] == [row["photo"], "b"]


@settings(deadline=None)
@given(st.data())
def test_a_file_that_was_cut_anywhere_goes_on_with_what_is_whole(tmp_path_factory, data):
    path = written(tmp_path_factory.mktemp("cut") / "rows.jsonl")
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut] + data.draw(st.sampled_from([b"", b"\0\0\0", b'{"key": "x'])))
    there = read(path)
    assert list(there.items()) == list(GROUPS.items())[: len(there)]
    assert len(there) == sum(end <= cut for end in ENDS)
    with RowLog(path, dict(row_places(path))) as log:
        for key, rows in GROUPS.items():
            log.add(key, rows)
    assert path.read_bytes() == whole


def test_failures_are_in_the_file_and_in_the_list_but_do_not_stay(tmp_path):
    path = tmp_path / "rows.jsonl"
    with RowLog(path) as log:
        log.add("a-1", GROUPS["a-1"])
        log.add_failure({"photo": "x", "failure": "no face"})
        log.add("b-1", GROUPS["b-1"])
        log.export(tmp_path / "rows.json", ["b-1", "a-1"], [{"photo": "x", "failure": "no face"}])
    assert [row["photo"] for row in map(json.loads, path.read_text().splitlines())] == ["a", "a", "x", "bé\n"]
    assert [row["photo"] for row in json.loads((tmp_path / "rows.json").read_text())] == ["bé\n", "a", "a", "x"]
    with RowLog(path, dict(row_places(path))) as log:
        assert list(log.places) == ["a-1", "b-1"]
    assert "no face" not in path.read_text()


def test_nothing_is_an_empty_list(tmp_path):
    with RowLog(tmp_path / "rows.jsonl") as log:
        log.export(tmp_path / "rows.json", [])
    assert json.loads((tmp_path / "rows.json").read_text()) == []


def test_without_what_is_to_be_kept_a_file_begins_anew(tmp_path):
    path = written(tmp_path / "rows.jsonl")
    RowLog(path).close()
    assert path.read_bytes() == b""


def test_a_full_disk_is_one_error_and_leaves_no_half_line(tmp_path):
    with RowLog(tmp_path / "rows.jsonl") as log:
        log.add("a-1", GROUPS["a-1"])
        file, log.file = log.file, open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        with pytest.raises(SemwaveError, match=r"rows\.jsonl: cannot be written"):
            log.add("b-1", GROUPS["b-1"])
        log.file.close()
        log.file = file
    assert read(tmp_path / "rows.jsonl") == {"a-1": GROUPS["a-1"]}
