"""What is shown. Text of users is never markup: a folder called ``[red]`` is called that."""

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from semwave.errors import printable

if TYPE_CHECKING:
    import numpy as np

Item = TypeVar("Item")
SHOWN_COLUMNS = 80
"""Of a terminal that a picture takes at most."""


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


def show(console: Console, picture: "np.ndarray") -> None:
    """Show ``picture`` (H, W, 3) uint8 in a terminal: as pixels by Kitty's protocol or Sixel, as half blocks in colours
    elsewhere. Nothing where nobody watches."""
    watched = all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stdout__))
    if not watched or console.file is not sys.__stdout__ or console.is_dumb_terminal or console.no_color:
        return
    if 0 in os.get_terminal_size(console.file.fileno()):  # one that does not know how large it is
        return
    from PIL.Image import fromarray

    # On import it asks the terminal what it can do.
    from textual_image.renderable import Image

    console.print(Image(fromarray(picture), width=min(SHOWN_COLUMNS, console.width)))


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
