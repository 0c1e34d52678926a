"""Thirds, groups and the page, from rows that are made up."""

import csv

import pytest

from semwave.evaluation.people.measure import Measured, Row
from semwave.evaluation.people.report import by_group, page, thirds, write_csv

GROUPS = {f"p{i}": {"eth": "white" if i % 2 else "black", "age_of": "under 25"} for i in range(7)}


def measured(i, k=256):
    """A photo the lighter, the larger its number; its skin arrives lighter the darker it is."""
    row = Row(f"p{i}", k, 10.0, 20.0 + i, 0.3, 0.5 + i / 20, 10.0 * i - 30, 60, 10, 15, 6.0 - 2 * i, 1, -1)
    return Measured(row, (float(i), 1.0), (float(i) / 2, 1.0))


def test_thirds_go_from_the_darkest_to_the_lightest():
    rows = [measured(i).row for i in (6, 0, 5, 1, 4, 2, 3)]
    found = [(name, [row.photo for row in part]) for name, part in thirds(rows)]
    assert found == [
        ("darkest third", ["p0", "p1"]),
        ("middle third", ["p2", "p3", "p4"]),
        ("lightest third", ["p5", "p6"]),
    ]
    assert thirds(rows[:2]) == []


def test_every_group_of_every_column():
    found = {name: len(rows) for name, rows in by_group([measured(i).row for i in range(7)], GROUPS)}
    assert found == {"eth: black": 4, "eth: white": 3, "age of: under 25": 7}
    assert not list(by_group([measured(0).row], {}))


def test_the_page_has_what_was_measured():
    lines = list(page([measured(i, k) for i in range(7) for k in (2560, 256)], GROUPS, {"seed": "0"}))
    assert [line for line in lines if line.startswith("#")] == [
        "# People", "## k = 256, AWGN at 10 dB", "## k = 2560, AWGN at 10 dB",
    ]  # fmt: skip
    # Two of seven photos, p5 and p6, have an identity distance above 0.6 by more than rounding; so have p3 and p4.
    assert "| all | 7 | 0° | 23.00 | 0.300 | 0.65 | 57 % | +0.0 ± 3.2 | 3.4 | +1.0 | -1.0 |" in lines
    (shifts,) = {line for line in lines if line.startswith("- L*")}
    assert "by +5.00 ± 1.96, of the lightest by -5.00 ± 1.96" in shifts and "1.00 times" in shifts
    assert all(line.count("|") == 12 for line in lines if line.startswith("| ") and "---" not in line)
    assert list(page([measured(0)], {}, {}))[-1].startswith("| all | 1 |")


def test_a_line_a_photo_with_its_groups(tmp_path):
    write_csv(tmp_path / "people.csv", [measured(i) for i in range(3)], GROUPS)
    with (tmp_path / "people.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["photo"] for line in lines] == ["p0", "p1", "p2"]
    assert float(lines[2]["lightness_shift"]) == pytest.approx(2) and lines[1]["group: eth"] == "white"
