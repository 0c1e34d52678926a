"""A process that works, and the queue before it, which has an end.

    requests -> places -> queue -> one job at a time -> process: what ``load`` gave, and one function after the other

One process for everything heavy, because two passes at once on the same cores are no faster than one after the other.
When it dies, of a crash or for want of memory, another one takes its place, and the job at hand is done again.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import Any

from semwave.apps.web.places import Places
from semwave.generators.memory import keep_one_pool

PLACES, OWN = 8, 6
TRIES = 2
"""Processes that may die of one job."""
Job = tuple[Callable[..., Any], tuple, asyncio.Future]


class Crashed(Exception):
    """The job ended the process, again and again."""


def process() -> Executor:
    """A process that is forked from a clean one, in which no thread holds a lock, where there is forking."""
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload(["semwave.apps.web.jobs"])
    return ProcessPoolExecutor(1, context, _begin)


class Worker(Places):
    """Does jobs, functions of what ``load`` gives, one after the other in the executor that ``pool`` makes. With
    :func:`process` all of it is pickled."""

    def __init__(
        self,
        load: Callable[[], Any],
        pool: Callable[[], Executor] = process,
        places: int = PLACES,
        own: int = OWN,
    ):
        super().__init__(places, own)
        self.load, self.pool, self.deaths = load, pool, 0

    def start(self) -> None:
        """Begin to work, in the running event loop."""
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._executor = self.pool()
        self._working = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End after the job at hand."""
        self._working.cancel()
        with suppress(asyncio.CancelledError):
            await self._working
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    def submit(self, function: Callable[..., Any], *given: Any) -> asyncio.Future:
        """What ``function`` of the loaded and ``given`` will give. Cancelled before its turn it is never worked on.
        :class:`Crashed` where it ends the process every time."""
        answer = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((function, given, answer))
        return answer

    async def _work(self) -> None:
        while True:
            function, given, answer = await self._queue.get()
            if answer.done():
                continue
            try:
                result = await self._done(function, given)
            except Exception as error:
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

    async def _done(self, function: Callable[..., Any], given: tuple) -> Any:
        for _ in range(TRIES):
            try:
                return await asyncio.wrap_future(self._executor.submit(_contained, self.load, function, given))
            except BrokenExecutor:
                self.deaths += 1
                self._executor.shutdown(wait=False)
                self._executor = self.pool()
        raise Crashed


_loaded = lru_cache(2)(lambda load: load())


def _contained(load: Callable[[], Any], function: Callable[..., Any], given: tuple) -> Any:
    """In the process. What would end it in order, such as ``sys.exit``, must not end the service."""
    try:
        return function(_loaded(load), *given)
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"a job ended with {type(error).__name__}") from error


def _begin() -> None:
    """The first thing in a new process: Ctrl-C is the service's to answer, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_one_pool()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
