"""What is private in a photograph, and how it is kept so."""

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from semwave.errors import SemwaveError
from semwave.latent.layout import Layout


class Mode(StrEnum):
    """How private parts are kept so; each mode is described in docs/privacy.md."""

    filter = "filter"
    knowledge = "knowledge"
    strict = "strict"


@dataclass(frozen=True)
class Privacy:
    """What a transmitter must not give away.

    Args:
        hide: private parts, names of the parts in the model's layout.
        keep: parts that are not private while all others are; not together with ``hide``. With neither, only the
            region that comes with a photo is private, in strict mode.
        mode: "filter" (eq. 4), "knowledge" (eqs. 4 and 5) or "strict" (the private pixels are not read at all).
        lambda1: how far the filter moves the private codes, in units of their norm; above 0.
        lambda2: eq. 5's bound, between 0 and 1: the larger, the closer to the average face.
        seed: of the filter's bias and of the choice of replacements. Who knows the seed can take the filter's bias
            back; strict mode does not rest on it.
        knowledge: file of the knowledge base; None for the one that comes with the model.

    Raises:
        SemwaveError: a mode that does not exist, both ``hide`` and ``keep``, or a lambda out of range.
    """

    hide: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    mode: str = Mode.strict
    lambda1: float = 1.0
    lambda2: float = 0.9
    seed: int = 0
    knowledge: Path | None = None

    def __post_init__(self):
        if self.hide and self.keep:
            raise SemwaveError("--hide and --keep exclude each other; name the private parts or those to keep")
        if self.mode not in tuple(Mode):
            raise SemwaveError(f"unknown privacy mode '{self.mode}'; the modes are {', '.join(Mode)}")
        if not (math.isfinite(self.lambda1) and self.lambda1 > 0):
            raise SemwaveError(f"lambda1 must be above 0, not {self.lambda1}")
        if not 0 < self.lambda2 < 1:
            raise SemwaveError(f"lambda2 must lie between 0 and 1, not {self.lambda2}")
        if not (self.hide or self.keep) and self.mode != Mode.strict:
            raise SemwaveError(f"without parts to hide there is only strict mode; {self.mode} moves the codes of parts")

    def hidden(self, layout: Layout) -> tuple[str, ...]:
        """The private parts in the order of ``layout``; none where only a region is private.

        Raises:
            SemwaveError: a part that the layout does not have, or parts to keep that leave nothing private.
        """
        for part in (*self.hide, *self.keep):
            layout.part_index(part)
        hidden = tuple(part for part in layout.parts if part in self.hide or (self.keep and part not in self.keep))
        if self.keep and not hidden:
            raise SemwaveError("every part is kept, so nothing is private; leave parts out of --keep")
        return hidden
