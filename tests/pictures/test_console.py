"""What is shown: names as they are, whoever shows them."""

import ast
import io
import os
import pty
import subprocess
import sys
import termios
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


PICTURE = """
import numpy as np
from semwave.pictures.console import plain_console, show
picture = np.zeros((64, 64, 3), np.uint8)
picture[:, :32], picture[:, 32:] = (200, 10, 20), (30, 40, 210)
show(plain_console(), picture)
"""


def in_a_terminal(script, size=(40, 60), **environment):
    """What ``script`` writes to a terminal of ``size``, lines and columns, that answers no question."""
    end, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, size)
    known = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    streams = {"stdin": terminal, "stdout": terminal, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", script], env=os.environ | known | environment, **streams)
    os.close(terminal)
    written = b""
    while True:
        try:
            piece = os.read(end, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(end)
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    return written.decode()


def test_a_terminal_shows_a_picture_in_half_blocks():
    shown = in_a_terminal(PICTURE)
    assert "200;10;20" in shown and "30;40;210" in shown


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=str)
def test_a_terminal_that_cannot_shows_none(environment):
    assert in_a_terminal(PICTURE, **environment) == ""


def test_a_terminal_of_no_size_is_shown_none():
    assert in_a_terminal(PICTURE, size=(0, 0)) == ""


def test_a_file_is_not_shown_pictures():
    done = subprocess.run([sys.executable, "-c", PICTURE], capture_output=True, stdin=subprocess.DEVNULL, check=True)
    assert done.stdout == b""
