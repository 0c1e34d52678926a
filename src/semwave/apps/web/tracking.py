"""The face of a camera's picture, frame after frame, in a frame that does not jitter.

    first picture -> detector -> frame
    the next ones -> landmarks in the frame before -> frame, smoothed; every so often the detector confirms it

Landmarks where the face was take a fifth of the time of a search.
"""

import numpy as np

from semwave.errors import SemwaveError
from semwave.pictures import align
from semwave.pictures.frame import Frame, between

CONFIRMED_EVERY = 15
"""Pictures after which the detector has to see the face again."""
STILL, MOVED = 0.01, 0.08
"""Movement, in sides of the frame, that is landmarks' noise, and that is followed at once."""
SLOWEST = 0.15
"""Share of a movement that a frame follows while it is within noise."""


class Tracker:
    """Finds the face again where it was. ``found`` counts how often it had to be looked for anew."""

    def __init__(self):
        self.frame: Frame | None = None
        self._since = self.found = 0

    def face(self, picture: np.ndarray, size: int) -> np.ndarray:
        """The face in ``picture``, uint8 (H, W, 3), as uint8 (size, size, 3).

        Raises:
            SemwaveError: there is none.
        """
        self._since += 1
        if self.frame is not None:
            found = self._followed(picture, self.frame)
            if found is not None:
                self.frame = smoothed(self.frame, found)
                return align.crop(picture, self.frame, size)
        self.frame, self._since, self.found = None, 0, self.found + 1
        faces = align.find_upright(picture)
        if not faces:
            raise SemwaveError("no face found; look into the camera, in good light")
        self.frame = align.looked_at(picture, faces[0])
        return align.crop(picture, self.frame, size)

    def _followed(self, picture: np.ndarray, before: Frame) -> Frame | None:
        """Where the face of the frame ``before`` is now; None where that is not sure."""
        if self._since >= CONFIRMED_EVERY:
            if align.upright_score(picture, before) <= align.CONFIRMED:
                return None
            self._since = 0
        found = align.looked_at(picture, before)
        # Landmarks are found in anything: what jumps is no face.
        return found if between(found, before) < 0.5 and found.side > 20 else None


def smoothed(before: Frame, now: Frame) -> Frame:
    """A frame between two: the nearer they are the nearer to the one ``before``."""
    moved = between(now, before)
    share = SLOWEST + (1 - SLOWEST) * float(np.clip((moved - STILL) / (MOVED - STILL), 0, 1))
    return Frame(before.centre + share * (now.centre - before.centre), before.half + share * (now.half - before.half))
