"""What is shown while a run goes on. Text of users is never markup: a folder called ``[red]`` is called that."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from semwave.errors import printable

Item = TypeVar("Item")


def plain_console(stderr: bool = False) -> Console:
    """A console that prints text, and cells of tables, as they are."""
    return Console(stderr=stderr, markup=False, emoji=False)


class Remaining(ProgressColumn):
    """The time that is left at the mean pace since the beginning: work that ends in batches, on many workers, has no
    pace of the last moment."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """h:mm:ss, dashes before anything is done."""
        if not task.completed or task.total is None or task.elapsed is None:
            return Text("-:--:--")
        return Text(str(timedelta(seconds=round(task.elapsed / task.completed * (task.total - task.completed)))))


def bars(console: Console, *more: TextColumn) -> Progress:
    """Bars of progress with plain descriptions, gone when they are done; none where nobody watches."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Remaining(),
        *more,
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def track(items: Iterable[Item], what: str, total: int | None = None, console: Console | None = None):
    """``items``, with a bar of progress on stderr that says ``what``."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    with bars(console or plain_console(stderr=True)) as progress:
        yield from progress.track(items, total=total, description=printable(what))
