"""Results of units that something large is made of: each in a file of its own until it is made, so that a run that was
stopped goes on.

    units -> those in files ----------------------------+-> outcomes -> what is made of all -> no files any more
          -> others -> engine -> outcomes -> into files -+
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from semwave.pictures.arrays import read_torch, write_torch
from semwave.pictures.files import FILE, kind_of
from semwave.work.units import Engine, Outcome, Work


class Pieces:
    """The results of units, tensors and plain values, in a hidden folder beside what is made of them.

    Args:
        path: of what is made of them.
        about: all that they depend on beside the unit, such as a digest of weights and a seed; other pieces have
            another folder.
        key: names a unit by what its result depends on; fit for a file name.
    """

    def __init__(self, path: Path, about: tuple[object, ...], key: Callable[[Any], str]):
        told = hashlib.sha256(repr(about).encode("utf-8", "surrogateescape")).hexdigest()[:12]
        self.folder, self.key = path.with_name(f".{path.name}-{told}.pieces"), key

    def __call__(self, engine: Engine, make: Callable[[], Work], units: Sequence[Any]) -> Iterator[Outcome]:
        """The outcome of every unit: those that are there first, the others from ``engine``, which takes arguments as
        :class:`semwave.work.units.Engine` does. This process alone writes the files.

        Raises:
            SemwaveError: a file cannot be read or written, and what the engine raises.
        """
        left = []
        for unit in units:
            if kind_of(self._path(unit)) == FILE:
                yield Outcome(unit, read_torch(self._path(unit), "delete it, and it is made again"))
            else:
                left.append(unit)
        for outcome in engine(make, left):
            if outcome.result is not None:
                write_torch(self._path(outcome.unit), outcome.result)
            yield outcome

    def remove(self) -> None:
        """Once what was to be made of them is there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, unit: Any) -> Path:
        return self.folder / f"{self.key(unit)}.pt"
