"""What others add: by name in a register, as an entry point of an installed package, or as module:Name.

| register   | entry points        | what stands there                                                         |
| ---------- | ------------------- | ------------------------------------------------------------------------- |
| MODELS     | semwave.models      | a folder with a model.json, or a function that gives a types.Model         |
| CHANNELS   | semwave.channels    | a subclass of air.Channel                                                  |
| GENERATORS | semwave.generators  | a function of weights and code space that gives a generator                |
| SCHEMES    | semwave.schemes     | a function without arguments, or class, that gives a scheme of evaluation  |

A package's entry point is imported when its name is asked for, not before.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from semwave.errors import SemwaveError

Entry = TypeVar("Entry")


@cache
def _installed(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


class Register(dict[str, Entry], Generic[Entry]):
    """Entries by name. What stands in it is what is shipped and what a program has entered; what installed packages
    offer under ``group`` is found by name, too."""

    def __init__(self, group: str, entries: dict[str, Entry]):
        super().__init__(entries)
        self.group = group

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in _installed(self.group)

    def __missing__(self, name: str) -> Entry:
        point = _installed(self.group).get(name)
        if point is None:
            raise KeyError(name)
        return imported(point.value)

    def names(self) -> Iterator[str]:
        """All names there are."""
        return iter(dict.fromkeys([*self, *_installed(self.group)]))


def imported(name: str) -> Any:
    """What "module:Name" names; modules of the working folder are found.

    Raises:
        SemwaveError: there is no such module, or nothing of this name in it.
    """
    with _theirs(f"'{name}'"):
        return _named(name)


def made(entry: str | Callable[[], Any], what: str) -> Any:
    """What calling ``entry``, or what "module:Name" names, gives; ``what`` it is called in messages. Raises as
    :func:`imported`, and where the call fails."""
    with _theirs(what):
        return (_named(entry) if isinstance(entry, str) else entry)()


def _named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


@contextmanager
def _theirs(called: str) -> Iterator[None]:
    """Run somebody else's code, which fails in any way, with the working folder on the path."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    except SemwaveError:
        raise
    except Exception as error:
        raise SemwaveError(f"{called} cannot be had: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(Path.cwd()))
