"""Places for requests: how many may wait in all, how many of them may be one client's, and how often it may ask."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

PER_SECOND, AT_ONCE = 20.0, 40.0
"""Requests a second that a client may make for long, and at once after a pause."""
MOST_CLIENTS = 4096


class Refused(Exception):
    """A request that finds no place: the HTTP ``status``, why, and the seconds after which to try again."""

    def __init__(self, status: int, reason: str, seconds: int = 1):
        super().__init__(reason)
        self.status, self.seconds = status, seconds


class Rates:
    """How often clients may ask: each has tokens, one a request, which come back at :data:`PER_SECOND`."""

    def __init__(self, clock: Callable[[], float] = monotonic):
        self.clock = clock
        self._tokens: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> None:
        """A token of ``client``. Raises :class:`Refused`, with 429, where it has none left."""
        now = self.clock()
        if len(self._tokens) >= MOST_CLIENTS:
            self._tokens = {name: kept for name, kept in self._tokens.items() if self._left(kept, now) < AT_ONCE}
        left = self._left(self._tokens.get(client, (AT_ONCE, now)), now)
        if left < 1:
            raise Refused(429, f"this is asked too often; at most {PER_SECOND:g} requests a second are looked at")
        self._tokens[client] = left - 1, now

    def _left(self, kept: tuple[float, float], now: float) -> float:
        return min(AT_ONCE, kept[0] + PER_SECOND * (now - kept[1]))


class Places:
    """``places`` for requests that wait or are worked on, ``own`` of them for one client."""

    def __init__(self, places: int, own: int):
        self.places, self.own = places, own
        self._of: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Requests that have a place."""
        return self._of.total()

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """A place. A request takes it before its body is read: bodies that nobody will look at would fill the memory.

        Raises:
            Refused: 429 where ``client`` has as many as it may, 503 where there is none left.
        """
        if self.waiting >= self.places:
            raise Refused(503, "as many requests as may wait already do; try again")
        if self._of[client] >= self.own:
            raise Refused(429, f"{self.own} of your requests wait already; wait for their answers")
        self._of[client] += 1
        try:
            yield
        finally:
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]
