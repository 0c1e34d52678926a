"""The whole evaluation of the paper, small: fitted codecs, limit, pictures, report; and what its matrix shows."""

import json
from dataclasses import replace

import pytest
from PIL import Image
from rich.console import Console
from schemes import MeanDifference

from semwave.baselines.facts import FITTED
from semwave.evaluation import fitted, limit, paper
from semwave.evaluation.registry import CODES_KS, find_scheme
from semwave.evaluation.scheme import facts_of
from semwave.evaluation.store import read_csv
from semwave.pictures.photos import find_photos


def test_the_matrix_shows_schemes_that_can_be_built():
    names = ["separation-k2560", "separation-k2560-for-10dB", "separation-k256-for-10dB", "ideal-k2560"]
    shown = [name for name in names if paper._in_matrix(facts_of(find_scheme(name)))]
    assert shown == names[:2]


@pytest.mark.slow
def test_the_paper_in_small(tmp_path, squares, monkeypatch):
    for module, name, value in (
        (fitted, "KS", (256,)), (fitted, "ENDS", (256,)), (fitted, "WIDTH", 10), (fitted, "GENERATED", 4),
        (fitted, "VALIDATION", 2), (fitted, "PROBES", 4), (paper, "GENERATED", 1),
        (fitted, "SCHEDULE", replace(fitted.SCHEDULE, steps=2, batch=2, checkpoint_every=2)),
        # In earnest a matrix of 7168 x 7168, whose axes take minutes.
        (limit, "variances", lambda known, seen: seen.flatten(1).square().mean(0)),
        (paper, "SCHEMES", {name: None for name in ("faces-512-codes-k256", "ideal-k256")}),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(paper.align, "align", lambda photo, size: photo)
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    Image.fromarray(squares(0)).save(data / "photo.png")

    def evaluate():
        photos, console = find_photos([data]), Console(quiet=True)
        return paper.evaluate(
            ["paper"],
            photos,
            data,
            out,
            out / "results.md",
            0,
            False,
            MeanDifference(),
            "command",
            console,
        )

    assert evaluate() == []
    rows = read_csv(out / "rows.csv")
    codecs = {(row.scheme, row.facts.flow, row.facts.channel_noise) for row in rows if row.facts.family == FITTED}
    assert codecs == {
        ("faces-512-fitted-k256", True, True),
        ("faces-512-fitted-k256-no-noise", True, False),
        ("faces-512-fitted-k256-no-flow", False, True),
    }
    run = json.loads((out / "run.json").read_text())
    gaps = {gap["scheme"] for gap in run["limit"]}
    assert gaps == {*(f"faces-512-codes-k{k}" for k in CODES_KS), "faces-512-fitted-k256"}
    assert set(run["pictures"]) == {"astronaut", "face-1"}
    text = (out / "results.md").read_text()
    assert "## The limit" in text and "Fig. 5" in text and "faces-512 has a higher PSNR with the flow" in text
    kept = {path: path.stat().st_mtime_ns for path in (out / "fitted").iterdir()}
    assert evaluate() == [] and (out / "results.md").read_text() == text
    assert {path: path.stat().st_mtime_ns for path in (out / "fitted").iterdir()} == kept
