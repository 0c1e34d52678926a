"""All machines of a Ray cluster: batches of units as tasks, each on one core.

    units -> batches -> tasks, a few for every core -> outcomes, as they arrive

A task that dies with its process or its machine is done again elsewhere, and machines may come and go. Nothing but
units and outcomes crosses the network: pictures are read from and written to a file system that all machines share.
"""

import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from semwave.errors import SemwaveError
from semwave.work.local import in_turn
from semwave.work.units import Outcome, Work

RETRIES = 5
"""How often a task is done again whose process or machine has died."""
WAITING = 2
"""Tasks for every core, so that none waits for the next one to be sent."""
LOOK_SECONDS = 1.0
"""After so long without an outcome it is looked whether machines have come or gone."""
ANSWER_SECONDS = 10.0
_made: dict[str, Work] = {}


class Cluster:
    """An :class:`semwave.work.units.Engine` on Ray.

    Args:
        address: of a cluster, as Ray has it: "auto" for the one that runs on this machine, host:port, ray://host:port;
            empty for a new one of this machine's cores, for as long as the work takes.
        batch: units of a task, which the network takes at once.
    """

    def __init__(self, address: str, batch: int):
        self.address, self.batch = address, batch

    def __call__(self, make: Callable[[], Work], units: Iterable[Any]) -> Iterator[Outcome]:
        """The outcomes as they arrive, in no order. ``make`` and the units are pickled; the work is made once in every
        process.

        Raises:
            SemwaveError: Ray is not installed, there is no cluster, or a file cannot be written.
        """
        ray = _ray()
        own = not ray.is_initialized()
        if own:
            _join(ray, self.address)
        try:
            yield from self._tasks(ray, make, iter(units))
        finally:
            if own:
                ray.shutdown()

    def _tasks(self, ray: Any, make: Callable[[], Work], units: Iterator[Any]) -> Iterator[Outcome]:
        name, recipe = uuid.uuid4().hex, ray.put(make)
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_do)
        running: dict[Any, list[Any]] = {}
        alone: list[list[Any]] = []  # of a task that nothing could be made of: each unit by itself
        try:
            while True:
                room = WAITING * max(int(ray.cluster_resources().get("CPU", 1)), 1) - len(running)
                for _ in range(room):
                    batch = alone.pop() if alone else list(islice(units, self.batch))
                    if not batch:
                        break
                    running[task.remote(name, [recipe], batch)] = batch
                if not running:
                    return
                for done in ray.wait(list(running), timeout=LOOK_SECONDS)[0]:
                    batch = running.pop(done)
                    try:
                        outcomes = ray.get(done)
                    except ray.exceptions.RayError as error:
                        if len(batch) > 1:
                            alone += [[unit] for unit in batch]
                            continue
                        outcomes = [Outcome(batch[0], failure=_reason(error))]
                    if isinstance(outcomes, str):
                        raise SemwaveError(outcomes)
                    yield from outcomes
        finally:
            for left in running:
                ray.cancel(left)


def _do(name: str, recipe: list[Any], batch: list[Any]) -> list[Outcome] | str:
    """The outcomes of ``batch``; where nothing can be written, why. In a process of Ray's, which keeps the work and
    fetches the recipe, in a list lest Ray does so for every task, once."""
    try:
        if name not in _made:
            _made.clear()
            _made[name] = _ray().get(recipe[0])()
        return in_turn(_made[name], batch)
    except SemwaveError as error:
        return str(error)


def _ray() -> Any:
    try:
        # Read when it is imported. Nobody has agreed to statistics being sent from here.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
    except ImportError:
        raise SemwaveError("Ray is not installed: pip install 'semwave[ray]'") from None
    return ray


def _join(ray: Any, address: str) -> None:
    try:
        if ":" in address:
            # Ray itself waits for minutes for a machine that does not answer.
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
        dashboard = None if address else False
        ray.init(address or "local", include_dashboard=dashboard, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SemwaveError(f"no Ray cluster at {address or 'this machine'} ({line}); check the address") from None


def _reason(error: Exception) -> str:
    """One line on a task of one unit that could not be done."""
    if hasattr(error, "cause") and getattr(error, "cause", None) is not None:
        return f"stopped by an error of the program: {error.cause!r}"
    return f"the process that did it died {RETRIES + 1} times ({type(error).__name__}); it may need more memory"
