"""The chain for the frames of a camera: one is drawn while the next is sent, each on half of the cores.

    frame n      picture -> face, tracked -> codes, symbols ~~ channel ~~> codes                        one thread
    frame n - 1                                                           codes -> picture -> JPEG      another one

Drawing takes longer than all before it, so what arrives is read in the thread that has sent it. Every frame meets noise
of its own.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch

from semwave.apps.web.asked import LARGEST_SEED, Sending
from semwave.apps.web.quick import QuickModel
from semwave.apps.web.steady import Steady
from semwave.apps.web.studio import Arrived, OnAir, Photograph, Studio, constellation
from semwave.apps.web.tracking import Tracker
from semwave.errors import SemwaveError
from semwave.model import FaceModel
from semwave.pictures import images
from semwave.types import Model

SIZE = 256
"""Pixels of a live picture, or the smallest that the model draws."""
MOST_PIXELS = 1280 * 1280
MOST_CHAINS = 2
Answer = tuple[dict, bytes, bytes]
"""Figures, the face sent and the face received as JPEG; what is wrong in place of figures."""


@dataclass(frozen=True)
class Sent:
    """A frame that was sent: when it came, its face, how it was sent, by which studio, and what has arrived."""

    start: float
    photo: Photograph
    asked: Sending
    on_air: OnAir
    studio: Studio
    arrived: Arrived


class Chain:
    """The chain for one camera, which remembers the last frame."""

    def __init__(self):
        self.tracker, self.count = Tracker(), 0
        self._steady = Steady()
        self._drawing: Future[Answer] | None = None
        self._studio: Studio | None = None
        self._kind: tuple | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="drawing")

    def step(self, studio: Studio, data: bytes | None, asked: Sending) -> Answer | None:
        """Send the frame in ``data``, if any, and begin to draw it; the answer of the one before, if any, is returned
        when that is drawn."""
        before, self._drawing = self._drawing, None
        if data is not None:
            every = torch.get_num_threads()
            half = max(every // 2, 1)
            with _threads(half if before and not before.done() else every):
                try:
                    sent = self._send(studio, data, asked)
                except SemwaveError as error:
                    sent = {"error": str(error)}, b"", b""
            # At once, so that whoever draws never waits for the way of an answer and of the next frame.
            self._drawing = self._executor.submit(_on, half, self._drawn, sent)
        return before.result() if before else None

    def _send(self, studio: Studio, data: bytes, asked: Sending) -> Sent:
        start, sizes = perf_counter(), studio.model.config.sizes
        self.count += 1
        asked = asked.model_copy(update={"seed": (asked.seed + self.count) % LARGEST_SEED})
        size = SIZE if SIZE in sizes else min(sizes)
        photo = Photograph(self.tracker.face(_picture(data), size), "", None, {"align": perf_counter() - start})
        quick = self._studio_for(studio.model, asked)
        on_air = quick.on_air(photo, asked)
        return Sent(start, photo, asked, on_air, quick, quick.arrived(asked, on_air, self._steady))

    def _studio_for(self, model: Model, asked: Sending) -> Studio:
        """One that goes on from the last frame, where nothing is hidden and the face was not looked for anew."""
        goes_on = asked.privacy is None and isinstance(model, FaceModel) and len(model.corrections.steps) > 0
        kind = goes_on, self.tracker.found if goes_on else 0
        if self._studio is None or self._kind != kind:
            self._kind = kind
            self._studio = Studio(QuickModel(model) if goes_on and isinstance(model, FaceModel) else model)
        return self._studio

    def _drawn(self, sent: Sent | Answer) -> Answer:
        if not isinstance(sent, Sent):
            return sent
        try:
            result = sent.studio.drawn(sent.photo, sent.asked, sent.on_air, sent.arrived)
        except SemwaveError as error:
            return {"error": str(error)}, b"", b""
        face, picture = (images.encode_image(pixels, ".jpg") for pixels in (sent.photo.pixels, result.picture))
        figures = {
            "seconds": perf_counter() - sent.start,
            "stages": result.row["seconds"],
            "psnr_db": result.row["psnr_db"],
            "k": result.row["k"],
            "snr_db": sent.asked.snr_db,
            "size": sent.photo.size,
            "symbols": constellation(result.soft),
        }
        return figures, face, picture


def step(studio: Studio, camera: str, data: bytes | None, asked: Sending) -> Answer | None:
    """:meth:`Chain.step` for ``camera``."""
    if camera not in studio.chains:
        while len(studio.chains) >= MOST_CHAINS:
            studio.chains.pop(next(iter(studio.chains)))
        studio.chains[camera] = Chain()
    return studio.chains[camera].step(studio, data, asked)


def end(studio: Studio, camera: str) -> None:
    """Forget the frames of ``camera``."""
    studio.chains.pop(camera, None)


def _picture(data: bytes) -> np.ndarray:
    picture = images.decode_image(data, "the frame")
    if picture.shape[0] * picture.shape[1] > MOST_PIXELS:
        raise SemwaveError("the frame has too many pixels; send at most 1280 x 1280")
    return picture


@contextmanager
def _threads(count: int) -> Iterator[int]:
    """torch works with ``count`` threads for the thread that asks."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield count
    finally:
        torch.set_num_threads(before)


def _on(threads: int, function: Callable[..., Answer], *given: object) -> Answer:
    with _threads(threads):
        return function(*given)
