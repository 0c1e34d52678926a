"""``semwave figures people``: what it writes, that it goes on where it was stopped, and what is refused."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from schemes import MeanDifference
from typer.testing import CliRunner

from semwave.apps.cli import app
from semwave.evaluation import kid
from semwave.evaluation.people.measure import Measuring
from semwave.model import load_model
from semwave.pictures import metrics
from semwave.pictures.images import to_uint8
from semwave.privacy.faces import drawn


@pytest.fixture
def people(tmp_path, monkeypatch):
    """Runs the command in an empty folder, with small things in place of networks whose weights tests do not have."""
    monkeypatch.setattr(metrics, "LPIPS", MeanDifference)
    monkeypatch.setattr(kid, "Features", lambda weights: lambda images: images.mean((2, 3)))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, ["figures", "people", *map(str, arguments)], prog_name="semwave")

    return run


@pytest.fixture
def faces(tmp_path):
    """Three generated faces, the last one darkened, and a table of whom they are."""
    model, random = load_model("faces-512"), torch.Generator().manual_seed(5)
    folder = tmp_path / "faces"
    folder.mkdir()
    for i, light in enumerate((1.0, 1.0, 0.4)):
        with torch.no_grad():
            face = to_uint8(drawn(model, random, 512)[0])
        Image.fromarray((light * face).astype(np.uint8)).save(folder / f"face_{i}.png")
    (tmp_path / "info.csv").write_text("id,age\n0,20\n1,30\n2,30\n")
    return folder


@pytest.mark.slow
def test_a_page_a_table_and_a_run_that_goes_on(people, faces, tmp_path, monkeypatch):
    ran = people("--data", faces, "--no-align", "--groups", "info.csv", "--k", 64)
    assert ran.exit_code == 0, ran.output
    with (tmp_path / "out" / "people" / "people.csv").open() as file:
        rows = {row["photo"]: row for row in csv.DictReader(file)}
    tones = [float(rows[f"face_{i}"]["tone"]) for i in range(3)]
    assert tones[2] < min(tones[:2]) and rows["face_2"]["k"] == "64" and rows["face_0"]["group: age"] == "under 25"
    assert all(15 < float(row["psnr_db"]) < 40 and abs(float(row["red_shift"])) < 20 for row in rows.values())
    page = (tmp_path / "out" / "people" / "people.md").read_text()
    assert "| age: 25 to 34 | 2 |" in page and "darkest third" in page and "--k 64 --groups GROUPS --no-align" in page
    assert str(tmp_path) not in page

    monkeypatch.setattr(Measuring, "_features", lambda *_: pytest.fail("measured again"))
    (faces / "face_9.png").write_text("no picture")
    ran = people("--data", faces, "--no-align", "--k", 64, "--report", "people.md")
    assert ran.exit_code == 2 and "face_9.png: not a readable picture" in ran.stderr
    again = (tmp_path / "people.md").read_text()
    assert "age:" not in again and [line for line in again.splitlines() if "third" in line or "all" in line] == [
        line for line in page.splitlines() if "third" in line or "all" in line
    ]


REFUSED = [
    (["--data", "nowhere"], "no such file or folder"),
    (["--k", 65], "k = 65 is not offered"),
    (["--groups", "info.csv"], "names nobody in info.csv"),
    (["--groups", "nothing.csv"], "no such file"),
    (["--report", "results"], "ends in .md"),
    (["--report", "dear.md"], "has no line '# People'"),
    (["--model", "faces"], "faces"),
]


@pytest.mark.parametrize("options, message", REFUSED, ids=lambda value: " ".join(map(str, value)))
def test_what_cannot_be_measured_is_refused(options, message, people, photos, tmp_path):
    (tmp_path / "info.csv").write_text("id,age\nsomebody,20\n")
    (tmp_path / "dear.md").write_text("# Dear\n")
    ran = people("--data", photos, "--no-align", *options)
    assert ran.exit_code == 2 and message in ran.stderr, ran.output
    assert len(ran.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()
