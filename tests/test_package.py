"""The package by itself: a wheel that runs outside the checkout, and what it says of itself."""

import os
import subprocess
import sys
import tomllib
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest
import yaml

import semwave

ROOT = Path(__file__).parents[1]
GITHUB = sorted(path.relative_to(ROOT) for path in (ROOT / ".github").rglob("*.yml"))
MOST_BYTES = 100_000_000
"""Of a file that PyPI takes."""
CODE = """
import torch
from semwave import Receiver, Transmitter, air, model
assert model.__file__.startswith({folder!r})
picture = Receiver()(air.AWGN(10.0, random=0)(Transmitter(k=256)(torch.zeros(1, 3, 512, 512))))
assert picture.isfinite().all()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the checkout, built from a copy of its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-WEIGHTS", "src"):
        (source / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, source]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_has_what_it_needs_and_says_what_it_is(wheel):
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as files:
        names = {name.removeprefix("semwave/") for name in files.namelist()}
        (metadata,) = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        said = BytesParser().parsebytes(files.read(metadata))
    data = {path.relative_to(ROOT / "src/semwave") for path in (ROOT / "src/semwave/weights").rglob("*.*")}
    assert {str(path) for path in data} <= names and "py.typed" in names
    assert said["Version"] == semwave.__version__
    assert "Research-Only-Weights" in said["License-Expression"]
    assert sorted(said.get_all("License-File")) == ["LICENSE", "LICENSE-WEIGHTS"]
    assert {"air", "dev", "heic", "ray"} <= {*said.get_all("Provides-Extra")}


@pytest.mark.slow
def test_the_wheel_sends_outside_of_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as files:
        files.extractall(tmp_path / "installed")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    script = [sys.executable, "-c", CODE.format(folder=str(tmp_path / "installed"))]
    for command in (script, [sys.executable, "-m", "semwave", "models"]):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr


def test_python_m_semwave_is_the_command():
    done = subprocess.run([sys.executable, "-m", "semwave", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == semwave.__version__


def test_what_is_said_twice_is_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dynamic"] == ["version"] and "version" not in project
    requires = project["requires-python"].removeprefix(">=")
    assert f"Python {requires} or newer" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Programming Language :: Python :: {requires}" in project["classifiers"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == semwave.__version__ and cited["repository-code"] == project["urls"]["Repository"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{semwave.__version__}] - {cited['date-released']}" in changes


@pytest.mark.parametrize("file", [".pre-commit-config.yaml", *GITHUB], ids=str)
def test_what_other_programs_read_is_yaml(file):
    assert isinstance(yaml.safe_load((ROOT / file).read_text(encoding="utf-8")), dict)
