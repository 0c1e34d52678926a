"""``semwave evaluate`` and ``semwave figures paper``: shipped schemes and your own, and what is refused."""

import csv
import re
from pathlib import Path

import pytest
from schemes import MeanDifference
from typer.testing import CliRunner

from semwave.apps.cli import app
from semwave.evaluation import paper
from semwave.evaluation.run import SNRS_DB
from semwave.pictures import metrics

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def semwave(tmp_path, monkeypatch, linear_model):
    """Runs the command in a folder that holds own.py, the example of the documentation and a class that is none."""
    monkeypatch.setattr(metrics, "LPIPS", MeanDifference)
    monkeypatch.setattr(paper, "GENERATED", 0)
    monkeypatch.setattr(paper.align, "align", lambda photo, size: photo)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"^```python\n# own.py\n(.*?)^```", (DOCS / "evaluation.md").read_text(), re.M | re.S)
    (tmp_path / "own.py").write_text(f"{example}\n\nclass Broken:\n    pass\n")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="semwave")


def test_the_scheme_of_the_documentation_beside_a_shipped_one(semwave, photos, tmp_path):
    schemes = "--scheme", "own:Thumbnail", "--scheme", "faces-512-k256"
    ran = semwave("evaluate", "--data", photos, "--no-align", "--limit", 2, "--out", "out", *schemes)
    assert ran.exit_code == 0, ran.output
    with (tmp_path / "out" / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["scheme"], row["family"], row["k"]) for row in rows} == {
        ("thumbnail-k768", "", "768"), ("faces-512-k256", "semwave", "256"),
    }  # fmt: skip
    assert len(rows) == 2 * 2 * 2 * len(SNRS_DB)
    text = (tmp_path / "out" / "results.md").read_text()
    assert "--scheme own:Thumbnail" in text and "2 of photos" in text and "| thumbnail-k768 | 768 |" in text
    assert str(tmp_path) not in text
    drawn = sorted(path.name for path in (tmp_path / "out" / "results").iterdir())
    curves = [f"figure-{n}{c}.{kind}" for n in (3, 4) for c in ("", "-rayleigh") for kind in ("png", "svg")]
    assert drawn == sorted([*curves, "pictures-astronaut.png", "pictures-astronaut.svg", "rows.csv"])
    assert all(f"results/{name}" in text for name in drawn if name.endswith(".png"))

    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "results").iterdir()}
    again = semwave("figures", "paper", "--out", "out", "--report", "docs/results.md")
    assert again.exit_code == 0, again.output
    assert {path.name: path.read_bytes() for path in (tmp_path / "docs" / "results").iterdir()} == before
    assert (tmp_path / "docs" / "results.md").read_text() == text


def test_schemes_cross_the_air_beside_a_receiver_that_knows_h(semwave, photos, tmp_path):
    channels = ("tdl-a-30ns", "tdl-a-30ns-known-h")
    options = [option for name in channels for option in ("--channel", name)]
    schemes = "--scheme", "own:Thumbnail", "--scheme", "faces-512-k2560"
    ran = semwave("evaluate", "--data", photos, "--no-align", "--limit", 1, "--out", "out", *schemes, *options)
    assert ran.exit_code == 0, ran.output
    with (tmp_path / "out" / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * len(SNRS_DB) and {row["channel"] for row in rows} == {*channels}
    heard, known = ([float(row["noise_power"]) for row in rows if row["channel"] == name] for name in channels)
    # Of the same echoes, 20 dB of SNR: what the estimates cost is little beside what the echoes do.
    assert all(0.7 < a / b < 1.5 for a, b in zip(heard, known, strict=True) if a)
    text = (tmp_path / "out" / "results.md").read_text()
    assert "## TDL-A-30 ns" in text and "## TDL-A-30 ns, h known" in text and "figure-3-tdl-a-30ns.png" in text


REFUSED = [
    (["--scheme", "ideal-k256", "--channel", "tdl-a"], "none of these schemes is measured over tdl-a"),
    (["--scheme", "telepathy"], "unknown scheme 'telepathy'; the schemes are faces-512-k256"),
    (["--scheme", "nowhere:Blur"], "nowhere"),
    (["--scheme", "own:Missing"], "Missing"),
    (["--scheme", "own:Broken"], "needs name, key and send"),
    (["--data", "no/such/folder"], "no such file or folder"),
    (["--limit", "0"], "--limit"),
    (["--channel", "rician"], "unknown channel 'rician'; schemes are measured over awgn, rayleigh"),
    (["--out", "own.py"], "is not a folder"),
    (["--report", "results"], "ends in .md"),
]


@pytest.mark.parametrize("options, message", REFUSED, ids=[" ".join(options) for options, _ in REFUSED])
def test_what_cannot_be_evaluated_is_refused(options, message, semwave, photos, tmp_path):
    before = {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts}
    scheme = () if "--scheme" in options else ("--scheme", "own:Thumbnail")
    ran = semwave("evaluate", "--data", photos, "--no-align", *scheme, *options)
    assert ran.exit_code == 2 and message in ran.stderr, ran.output
    assert len(ran.stderr.splitlines()) == 1 and ran.stderr.startswith("semwave: ")
    assert {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts} == before


def test_a_photo_that_cannot_be_read_is_named_at_the_end(semwave, photos):
    (photos / "photo-1.png").write_text("no picture")
    ran = semwave("evaluate", "--data", photos, "--no-align", "--out", "out", "--scheme", "own:Thumbnail")
    assert ran.exit_code == 3 and "photo-1.png" in ran.stderr and "results.md" in ran.stdout


def test_figures_of_nothing_are_refused(semwave):
    ran = semwave("figures", "paper", "--out", "out")
    assert ran.exit_code == 2 and "semwave evaluate" in ran.stderr


def test_figures_of_rows_without_the_columns_of_schemes_are_refused(semwave, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "rows.csv").write_text("photo,scheme,channel,snr_db,k\na,faces-512-k256,awgn,0.0,256\n")
    ran = semwave("figures", "paper", "--out", "out")
    assert ran.exit_code == 2 and "writes it again" in ran.stderr
