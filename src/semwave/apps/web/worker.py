"""A thread that works, and the queue before it, which has an end.

One thread for everything heavy: freed memory is kept by each thread for itself, and two passes at once on the same
cores are no faster than one after the other.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

Result = TypeVar("Result")
PLACES = 8


class Busy(Exception):
    """As many requests wait as may."""


class Places:
    """``places`` for requests that wait or are worked on."""

    def __init__(self, places: int):
        self.places, self.waiting = places, 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place. A request takes it before its body is read: bodies that nobody will look at would fill the memory.
        Raises :class:`Busy` where there is none."""
        if self.waiting >= self.places:
            raise Busy
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


class Worker(Places):
    """One thread, and places for requests to it."""

    def __init__(self, name: str, places: int = PLACES):
        super().__init__(places)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, job: Callable[[], Result]) -> Result:
        """What ``job`` gives, in the thread. Who is cancelled while waiting is never worked on."""
        return await asyncio.wrap_future(self._thread.submit(_contained, job))

    def stop(self) -> None:
        """End after the job at hand."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def _contained(job: Callable[[], Result]) -> Result:
    """What ``job`` gives. What would end a thread must not end the service."""
    try:
        return job()
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"a job ended with {type(error).__name__}") from error
