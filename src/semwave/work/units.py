"""What is done to a unit of work, such as a photograph, and what comes of it.

    unit -> prepare, beside the network -> process, in batches on the network -> finish, beside the network -> Outcome

All three are pure functions of the unit and of the work's settings: done twice, by whatever machine, they give and
write the same. A unit counts as done once its outcome has arrived, which is after all that it writes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Unit, Result]):
    """What came of ``unit``: a ``result``, or one line that says why there is none."""

    unit: Unit
    result: Result | None = None
    failure: str = ""


class Work(Protocol):
    """What is done to every unit. A :class:`semwave.SemwaveError` of the first two steps is that unit's failure and
    stops no other; one of the last step, which writes, ends the run."""

    def prepare(self, unit: Any, /) -> Any:
        """Whatever needs no network; called in several threads."""
        ...

    def process(self, batch: list[Any], /) -> Sequence[Any]:
        """What the network makes of a ``batch`` of what :meth:`prepare` gave, one for each; called in one thread."""
        ...

    def finish(self, made: Any, /) -> Any:
        """Write what :meth:`process` gave for one unit, and give the result; called in several threads."""
        ...


class Engine(Protocol):
    """Does work. What it gives does not depend on how, but for rounding, and neither does what is written."""

    def __call__(self, make: Callable[[], Work], units: Iterable[Any]) -> Iterator[Outcome]:
        """The outcome of every unit, once, as it arrives. ``make`` gives the work, once a process.

        Raises:
            SemwaveError: a file cannot be written, or there are no machines.
        """
        ...
