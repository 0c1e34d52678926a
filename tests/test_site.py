"""The documentation as a site, and the notebook."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "tutorial.ipynb"


@pytest.mark.slow
def test_the_docs_build_without_a_warning(tmp_path):
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-b", "html", "-d", tmp_path / "kept"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ROOT / "docs", tmp_path / "html"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    pages = {path.stem for path in (tmp_path / "html").glob("*.html")}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= pages
    assert {path.stem for path in (ROOT / "docs" / "tutorials").glob("*.md")} == {
        path.stem for path in (tmp_path / "html" / "tutorials").glob("*.html")
    }
    notebook = (tmp_path / "html" / "notebook.html").read_text(encoding="utf-8")
    assert "semwave in ten minutes" in notebook and "Transmitter" in notebook
    reference = (tmp_path / "html" / "reference.html").read_text(encoding="utf-8")
    assert all(f'id="semwave.{name}"' in reference for name in ("transmitter.Transmitter", "receiver.Receiver.decode"))


def test_every_page_is_in_the_contents():
    listed = re.findall(r"^([a-z/-]+)$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed) == sorted({page.as_posix() for page in pages} - {"index"} | {"notebook"})


def test_the_notebook_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "__main__"}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    assert names["received"].keys() == {256, 2560} and names["link"].k == 768
    quality = {k: names["psnr"](picture, names["photo"], 2).item() for k, picture in names["received"].items()}
    assert 17 < quality[256] < quality[2560]
    assert names["psnr"](names["Receiver"]("faces-512")(names["heard"]), names["photo"], 2).item() > 20
