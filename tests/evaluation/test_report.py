"""The report holds the tables that its rows give, and only the figures that there are."""

from dataclasses import replace
from pathlib import Path

import pytest
from schemes import rows_of, rows_of_model

from semwave.baselines.facts import FITTED, SEPARATION, Facts
from semwave.evaluation.limit import Gap
from semwave.evaluation.report import results
from semwave.evaluation.store import read_csv
from semwave.types import NOTHING_FITS

DOCS = Path(__file__).parents[2] / "docs"
VALUES = {0.0: (18.0, 0.4), 10.0: (20.0, 0.3)}


@pytest.fixture(scope="module")
def rows():
    lost = [
        replace(row, outcome=NOTHING_FITS, note="6 bytes", noise_power=0.0)
        for row in rows_of("small", Facts(SEPARATION, k=256), VALUES)
    ]
    fitted = rows_of("f", Facts(FITTED, "m", 256, ("codes",), True, False), {10.0: (19.0, 0.3)})
    return rows_of_model(256, VALUES) + lost + fitted


def test_the_lines_of_a_report(rows, tmp_path):
    stems = ("figure-3", "quality-over-snr", "rate-distortion")
    figures = [tmp_path / "results" / f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")]
    gaps = [Gap("f", 10.0, weighted, 0.4, 0.2) for weighted in (False, True)]
    lines = list(results(rows, gaps, {"seed": "0"}, figures, [tmp_path / "results" / "pictures-a.png"], tmp_path))
    assert "- **seed**: 0" in lines
    assert "| m-k256 | 256 | 1/3072 | 19.00, 0.410 | 21.00, 0.310 |" in lines
    missing = "(100 % nothing fits)"
    assert f"| small | 256 | 1/3072 | 19.00, 0.410 {missing} | 21.00, 0.310 {missing} |" in lines
    assert "| small | 6 bytes | 6 bytes |" in lines
    assert "| m | 256 | yes | no | 20.00, 0.310 |" in lines
    assert "| f | 10 | 0.4000 | 0.2000 | 3.01 | 0.4000 | 0.2000 | 3.01 |" in lines
    # Nothing crossed the link of what was not sent: no power to tell of.
    assert [line for line in lines if line.startswith("| small | awgn")] == []
    shown = [line for line in lines if line.startswith("![")]
    # What leads comes first, before the claims.
    assert [line.partition("](results/")[2] for line in shown] == [
        "rate-distortion.png)", "quality-over-snr.png)", "figure-3.png)", "pictures-a.png)",
    ]  # fmt: skip
    assert lines.index(shown[1]) < lines.index("## How it was measured") < lines.index(shown[2])


def test_the_tables_of_the_results_are_those_of_their_rows():
    written = set((DOCS / "results.md").read_text(encoding="utf-8").splitlines())
    lines = list(results(read_csv(DOCS / "results" / "rows.csv"), [], {}, [], [], DOCS))
    assert len(lines) > 120 and set(lines) <= written
