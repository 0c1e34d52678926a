"""What is shown: names as they are, whoever shows them."""

import ast
import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

import semwave
from semwave.errors import SemwaveError, printable
from semwave.pictures import console as consoles
from semwave.pictures.console import bars, plain_console, track

PACKAGE = Path(semwave.__file__).parent
ODD = ("[red]b.jpg", "out[/x]", "a[b]c", ":smile:", "[link=http://x]y[/link]", "a\\[b")


def text_of(show, monkeypatch):
    """What ``show(console)`` prints."""
    found = plain_console()
    found.file, found.width = io.StringIO(), 200
    show(found)
    return found.file.getvalue()


@pytest.mark.parametrize("name", ODD)
def test_lines_cells_titles_and_headers_are_as_they_are(name, monkeypatch):
    table = Table(name, title=name)
    table.add_row(name)
    assert text_of(lambda console: console.print(table), monkeypatch).count(name) == 3
    assert name in text_of(lambda console: console.print(f"pictures: {name}"), monkeypatch)


@pytest.mark.parametrize("name", ODD)
def test_bars_are_called_what_they_are_called(name):
    shown = Console(file=io.StringIO(), width=200, force_terminal=True, markup=False, emoji=False, color_system=None)
    with bars(shown) as progress:
        progress.add_task(name, total=2)
    assert name in shown.file.getvalue()
    again = Console(file=io.StringIO(), width=200, force_terminal=True, markup=False, emoji=False, color_system=None)
    assert list(track([1, 2], name, console=again)) == [1, 2]
    assert name in again.file.getvalue()


def test_nobody_has_a_console_or_a_bar_of_another_kind():
    for path in PACKAGE.rglob("*.py"):
        if path == Path(consoles.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "rich.progress":
                assert "track" not in {alias.name for alias in node.names}, path
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if node.func.id == "TextColumn":
                assert given.get("markup") == "False", path
            if node.func.id == "Console":
                assert (given.get("markup"), given.get("emoji")) == ("False", "False"), path
            if node.func.id == "Progress":
                assert "console" in given, path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a  b.png", "a  b.png"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\udcff.png", "\\udcff.png"),
        ("gpj.\u202egnp", "gpj.\\u202egnp"),
        ("a\u2028b", "a\\u2028b"),
        ("Zoë 日本\u3000é.png", "Zoë 日本\u3000é.png"),
    ],
)
def test_what_is_not_seen_or_not_text_is_escaped(text, shown):
    assert printable(text) == str(SemwaveError(text)) == shown
    printable(text).encode("utf-8")
