"""All cores of this machine: one network, in batches, with threads beside it that read and write.

    units -> threads: prepare -> batch -> this thread: process -> threads: finish -> outcomes, in the order of the units

What threads do is decoding, finding faces and writing PNG, which release Python's lock. The network uses all of torch's
threads and has them first: what is beside it runs at a lower priority, in the gaps that it leaves.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any

from semwave.errors import SemwaveError
from semwave.work.units import Outcome, Work

AHEAD = 2
"""Batches that are read before the network asks for them; so many are written behind it."""
NICENESS = 10


class Local:
    """An :class:`semwave.work.units.Engine` of ``workers`` threads beside the network, which takes ``batch`` units at
    once. Without workers everything happens one after the other."""

    def __init__(self, workers: int, batch: int):
        self.workers, self.batch = workers, batch

    def __call__(self, make: Callable[[], Work], units: Iterable[Any]) -> Iterator[Outcome]:
        """The outcomes in the order of ``units``, of which few are in memory. Raises :class:`SemwaveError` where a
        file cannot be written."""
        work = make()
        if not self.workers:
            left = iter(units)
            while batch := list(islice(left, self.batch)):
                yield from in_turn(work, batch)
            return
        pool = ThreadPoolExecutor(self.workers, "semwave-beside", _yield_to_network)
        try:
            yield from self._flow(pool, work, iter(units))
        finally:
            # Whoever stops early (an interruption, a full disk) waits for what has begun alone.
            pool.shutdown(cancel_futures=True)

    def _flow(self, pool: ThreadPoolExecutor, work: Work, units: Iterator[Any]) -> Iterator[Outcome]:
        reading: deque[tuple[Any, Future]] = deque()
        writing: deque[Future] = deque()
        while True:
            room = AHEAD * self.batch + self.workers - len(reading)
            reading.extend((unit, pool.submit(_prepared, work, unit)) for unit in islice(units, room))
            if not reading:
                break
            batch = [reading.popleft() for _ in range(min(self.batch, len(reading)))]
            for unit, made in _processed(work, [(unit, prepared.result()) for unit, prepared in batch]):
                writing.append(pool.submit(_finished, work, unit, made))
            while writing and (writing[0].done() or len(writing) > AHEAD * self.batch):
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()


def in_turn(work: Work, batch: list[Any]) -> list[Outcome]:
    """The outcomes of a ``batch`` of units, all in this thread. Raises :class:`SemwaveError` where a file cannot be
    written."""
    made = _processed(work, [(unit, _prepared(work, unit)) for unit in batch])
    return [_finished(work, unit, each) for unit, each in made]


class _Failure(str):
    """Why there is nothing to go on with."""


def _prepared(work: Work, unit: Any) -> Any:
    try:
        return work.prepare(unit)
    except SemwaveError as error:
        return _Failure(error)


def _processed(work: Work, batch: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every unit of ``batch`` with what the network made of what was prepared, or with its failure."""
    sound = [(place, ready) for place, (_, ready) in enumerate(batch) if not isinstance(ready, _Failure)]
    made = {place: ready for place, (_, ready) in enumerate(batch) if isinstance(ready, _Failure)}
    if not sound:
        return batch
    try:
        made |= dict(zip((place for place, _ in sound), work.process([ready for _, ready in sound]), strict=True))
    except SemwaveError as error:
        if len(sound) == 1:
            made[sound[0][0]] = _Failure(error)
        else:  # one of them spoils the batch: each by itself
            made |= {place: _processed(work, [(batch[place][0], ready)])[0][1] for place, ready in sound}
    return [(unit, made[place]) for place, (unit, _) in enumerate(batch)]


def _finished(work: Work, unit: Any, made: Any) -> Outcome:
    if isinstance(made, _Failure):
        return Outcome(unit, failure=str(made))
    return Outcome(unit, work.finish(made))


def _yield_to_network() -> None:
    """Have this thread run where the network leaves room. On Linux a thread has a niceness of its own."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
