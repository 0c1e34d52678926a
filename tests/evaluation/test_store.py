"""Rows survive the disk, with what schemes say of themselves in columns; anything else is refused."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.baselines.facts import Facts
from semwave.errors import SemwaveError
from semwave.evaluation.store import Row, RowStore, digest, read_csv, write_csv
from semwave.pictures.files import file_digest
from semwave.types import DELIVERED

ROWS = Path(__file__).parents[2] / "docs" / "results" / "rows.csv"
FACTS = st.builds(
    Facts,
    family=st.sampled_from(["", "semwave", "ideal"]),
    model=st.sampled_from(["", "faces-512"]),
    k=st.integers(0, 2**20),
    layers=st.sampled_from([(), ("codes",), ("codes", "residual")]),
    flow=st.none() | st.booleans(),
    channel_noise=st.none() | st.booleans(),
    held_snr_db=st.none() | st.floats(-20, 60),
    image_codec=st.sampled_from(["", "JPEG 2000"]),
)


@settings(deadline=None)
@given(st.lists(FACTS, max_size=3))
def test_rows_survive_the_disk(tmp_path_factory, facts):
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        Row(f"p{i}", "a, b", f, "awgn", 7.5, 20.1, 0.3, 1.0, 0.1, DELIVERED, 'x "y", z', f"p{i}-0")
        for i, f in enumerate(facts)
    ]
    write_csv(folder / "rows.csv", rows)
    with RowStore(folder / "measured") as store:
        for row in rows:
            store.add(row.key, [row])
    assert read_csv(folder / "rows.csv") == rows
    for known in (folder / "rows.csv", folder / "measured" / "rows.jsonl"):
        with RowStore(folder / "other", [known]) as store:
            assert all(store.has(row.key, (7.5,)) and store.rows(row.key) == [row] for row in rows)
            assert not store.has("", ()) and not store.rows("p9-0")


def test_a_table_says_what_schemes_are():
    with ROWS.open(newline="") as file:
        first = next(csv.DictReader(file))
    assert first["family"] == "semwave" and first["model"] == "faces-512" and first["layers"] == "codes+residual"
    assert first["flow"] == first["channel_noise"] == "yes" and first["k"] == "256" and first["held_snr_db"] == ""


def test_the_results_are_rows():
    rows = read_csv(ROWS)
    assert len(rows) == 9_900 and all(row.k > 0 for row in rows)
    # The same scheme says the same of itself in every row.
    pairs = {(row.scheme, row.facts) for row in rows}
    assert len(pairs) == len({scheme for scheme, _ in pairs}) == len({facts for _, facts in pairs}) == 27


def test_what_holds_no_rows_is_refused(tmp_path):
    with pytest.raises(SemwaveError, match="is missing; 'semwave evaluate'"):
        read_csv(tmp_path / "rows.csv")
    for text in ("photo,scheme,k\na,b,256\n", "\0", ROWS.read_text()[:200] + "\n"):
        (tmp_path / "rows.csv").write_text(text)
        with pytest.raises(SemwaveError, match="does not hold measurements"):
            read_csv(tmp_path / "rows.csv")
    for text in ("[{}]\n", "{\n", '{"photo": 1}\n'):
        (tmp_path / "rows.jsonl").write_text(text)
        with pytest.raises(SemwaveError, match="does not hold measurements"):
            RowStore(tmp_path / "own", [tmp_path / "rows.jsonl"])
    (tmp_path / "rows.jsonl").write_text('{"photo": 1, "key": "a-0", "rows_of_key": 1}\n')
    with (
        RowStore(tmp_path / "own", [tmp_path / "rows.jsonl"]) as store,
        pytest.raises(SemwaveError, match="photo must"),
    ):
        store.rows("a-0")


def test_digests(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "ba7816bf8f01"
    assert digest("a", 1) == digest("a", 1) != digest("a", 2)
    with pytest.raises(SemwaveError, match="cannot be read"):
        file_digest(tmp_path / "none")
