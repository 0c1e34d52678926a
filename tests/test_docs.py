"""What the pages show is what happens: their Python runs, and their links lead somewhere."""

import doctest
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import torch
import typer
from PIL import Image
from skimage.data import astronaut
from typer.testing import CliRunner

import semwave
from semwave import zoo
from semwave.air.channels import CHANNELS
from semwave.apps.cli import app
from semwave.generators.registry import GENERATORS

ROOT = Path(__file__).parents[1]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
ABSOLUTE = (f"{REPOSITORY}/blob/main/", REPOSITORY.replace("github.com", "raw.githubusercontent.com") + "/main/")
"""How README's links begin, which is shown elsewhere too."""
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY_BLOCK = re.compile(r"^```(python|)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CHANGED = (zoo.MODELS, CHANNELS, GENERATORS)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with a photograph; what a page enters in a register is taken out again."""
    Image.fromarray(astronaut()).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    before = [dict(register) for register in CHANGED]
    yield tmp_path
    for register, entries in zip(CHANGED, before, strict=True):
        register.clear()
        register.update(entries)


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, workplace):
    names: dict = {}
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        exec(compile(block, str(page), "exec"), names)
    if page.name == "extending.md":
        assert (workplace / "received.png").stat().st_size > 100_000
        assert names["picture"].shape == (1, 3, 256, 256)
    if page.name == "contributing.md":
        assert names["picture"].isfinite().all() and names["signal"].header.model == "mosaic-512"
        symbols = names["symbols"]
        assert symbols.shape == (100, 64) and 0.5 < symbols.square().mean() < 1.5


WRITTEN = {
    "send.md": ["out/photo.received.png", "out/photo.k256.0dB.received.png", "received.png", "after-64.png"],
    "hide.md": ["out/photo.comparison.png", "kept/report.json"],
    "over-the-air.md": ["heard/report.jsonl", "heard.png"],
    "scheme.md": ["compared/results.md", "compared/rows.csv"],
    "machines.md": ["sent/report.jsonl", "sent/report.json"],
    "data.md": ["measured/results.md", "own.safetensors", "sent/report.json"],
}
"""By tutorial, some of what its reader finds in the working folder at the end."""


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.name)
def test_a_tutorial_runs_from_top_to_bottom(page, workplace):
    names: dict = {}
    for language, block in ANY_BLOCK.findall(page.read_text(encoding="utf-8")):
        if language:
            exec(compile(block, str(page), "exec"), names)
            continue
        for line in block.splitlines():
            done = CliRunner().invoke(app, shlex.split(line, comments=True)[1:], prog_name="semwave")
            assert done.exit_code == 0, f"{line}: {done.output}"
    assert all((workplace / path).stat().st_size for path in WRITTEN[page.name])


@pytest.mark.parametrize("page", PAGES + TUTORIALS, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        base = next((base for base in ABSOLUTE if target.startswith(base)), "")
        assert page.name != "README.md" or "://" in target, f"{target}: not absolute"
        if "://" in target and not base:
            continue
        file = ROOT / path.removeprefix(base) if base else page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md":
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs, f"{page.name}: {target}"


def test_modules_that_pages_name_exist():
    package = Path(semwave.__file__).parent
    for page in PAGES + TUTORIALS:
        for name in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", page.read_text(encoding="utf-8")):
            assert list(package.rglob(name)) or (ROOT / name).exists(), f"{page.name}: {name}"


MODULES = sorted(path for path in Path(semwave.__file__).parent.rglob("*.py") if ">>> " in path.read_text())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_examples_of_docstrings_run(path):
    name = ".".join(path.relative_to(Path(semwave.__file__).parents[1]).with_suffix("").parts)
    module = importlib.import_module(name.removesuffix(".__init__"))
    found = doctest.testmod(module, extraglobs={"torch": torch})
    assert found.attempted and not found.failed


SHELL = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = [
    pytest.param(line, id=f"{page.name}: {line}")
    for page in PAGES + TUTORIALS
    for block in SHELL.findall(page.read_text(encoding="utf-8"))
    for line in re.sub(r"\\\n", " ", block).splitlines()
    if re.match(r"(\.venv/bin/)?semwave( |$)", line)
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_of_a_page_are_those_that_there_are(line):
    command = typer.main.get_command(app)
    for word in shlex.split(line.split("|")[0].split(" < ")[0], comments=True)[1:]:
        if word.startswith("--"):
            options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
            assert word.split("=")[0] in options | {"--help", "--install-completion"}, word
        elif word in getattr(command, "commands", {}):
            command = command.commands[word]
