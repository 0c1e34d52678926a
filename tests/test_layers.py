"""The order of the rooms: an import never goes upwards, so the data path can be read in one direction."""

import ast
from pathlib import Path

import pytest

import semwave

PACKAGE = Path(semwave.__file__).parent
ORDER = (
    "errors", "plugins", "pictures", "work", "latent", "zoo", "types", "air", "generators", "inversion", "coding",
    "baselines", "privacy", "model", "pretrained", "transmitter", "receiver", "interop", "training", "evaluation",
    "apps",
)  # fmt: skip
FACE = {"__init__", "__main__", "py.typed", "weights"}
"""What is no room: the front door, which hands names on, and data."""
FRONT = (PACKAGE / "__init__.py", PACKAGE / "__main__.py")
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path not in FRONT)
MOST_LINES = 300


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    """The rooms that a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "semwave" and len(parts) > 1 and parts[1] != "__version__":
                yield parts[1] if parts[1] in ORDER else "front door"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_goes_upwards(path):
    here = ORDER.index(room(path))
    above = {other for other in imported_rooms(path) if other == "front door" or ORDER.index(other) > here}
    assert not above, f"{room(path)} imports {above} from above"


def test_every_room_has_its_place():
    entries = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if not path.name.startswith("__pycache__")}
    assert entries == {*ORDER, *FACE}
    assert len(ORDER) <= 21


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_long_module_says_why(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES or "one module" in " ".join(lines[:12]), f"{len(lines)} lines"


def test_tests_mirror_the_tree():
    tests = Path(__file__).parent
    rooms = {path.name for path in tests.iterdir() if path.is_dir() and path.name not in ("data", "__pycache__")}
    assert rooms <= {*ORDER} and {"air", "coding", "latent", "pictures", "privacy", "training"} <= rooms
