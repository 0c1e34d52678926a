"""What is shown while a run goes on. Text of users is never markup: a folder called ``[red]`` is called that."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from semwave.errors import printable

Item = TypeVar("Item")


def plain_console(stderr: bool = False) -> Console:
    """A console that prints text, and cells of tables, as they are."""
    return Console(stderr=stderr, markup=False, emoji=False)


def bars(console: Console, *more: TextColumn) -> Progress:
    """Bars of progress with plain descriptions, gone when they are done; none where nobody watches."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        *more,
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def track(items: Iterable[Item], what: str, total: int | None = None, console: Console | None = None):
    """``items``, with a bar of progress on stderr that says ``what``."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    with bars(console or plain_console(stderr=True)) as progress:
        yield from progress.track(items, total=total, description=printable(what))
