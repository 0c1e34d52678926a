"""Photographs that the page is working with: in memory, a few, for a while, under names that nobody can guess."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

Kept = TypeVar("Kept")
MOST, SECONDS = 16, 15 * 60


class Shelf(Generic[Kept]):
    """Keeps ``most`` things at most, each until it was not asked for during ``seconds``; the longest unused goes first.

    For one thread: the event loop's.
    """

    def __init__(self, most: int = MOST, seconds: float = SECONDS, clock: Callable[[], float] = monotonic):
        self.most, self.seconds, self.clock = most, seconds, clock
        self._kept: OrderedDict[str, tuple[float, Kept]] = OrderedDict()

    def __len__(self) -> int:
        self.tidy()
        return len(self._kept)

    @property
    def names(self) -> frozenset[str]:
        """Of all that is kept."""
        return frozenset(self._kept)

    def put(self, thing: Kept) -> str:
        """Keep ``thing``; returns its name of 256 random bits."""
        self.tidy()
        while len(self._kept) >= self.most:
            self._kept.popitem(last=False)
        name = secrets.token_urlsafe(32)
        self._kept[name] = self.clock(), thing
        return name

    def get(self, name: str) -> Kept | None:
        """What is kept under ``name``, and again for a while; None where it is no longer."""
        self.tidy()
        if name not in self._kept:
            return None
        thing = self._kept.pop(name)[1]
        self._kept[name] = self.clock(), thing
        return thing

    def drop(self, name: str) -> None:
        """Forget what is kept under ``name``."""
        self._kept.pop(name, None)

    def tidy(self) -> None:
        """Forget what nobody asked for in time."""
        while self._kept and self.clock() - next(iter(self._kept.values()))[0] > self.seconds:
            self._kept.popitem(last=False)
