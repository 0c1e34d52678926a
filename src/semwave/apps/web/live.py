"""Live: frames of a camera over a WebSocket, through the channel and back.

    browser: {"k": ..., "snr_db": ...}    how frames are sent from now on, JSON, whenever it changes
    browser: number, JPEG                 a frame; 4 bytes of its number, then the picture
    service: length, JSON, JPEG, JPEG     4 bytes, what became of frame "number", the face sent, the face received

A frame that comes while one is worked on takes the place of the one that waits: frames are dropped, never queued up. An
answer stands for all frames up to its number.
"""

import asyncio
import json
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from semwave.apps.web.asked import Sending
from semwave.apps.web.quick import QuickModel
from semwave.apps.web.service import Service
from semwave.apps.web.studio import Photograph, Studio, constellation
from semwave.apps.web.tracking import Tracker
from semwave.apps.web.worker import Busy
from semwave.errors import SemwaveError
from semwave.model import FaceModel
from semwave.pictures import images
from semwave.types import Model

SIZE = 256
"""Pixels of a live picture, or the smallest that the model draws."""
MOST_FRAME_BYTES = 2**20
MOST_PIXELS = 1280 * 1280
NUMBER_BYTES = 4
SILENCE_SECONDS = 60


@dataclass
class Newest:
    """The frame that waits, and how frames are sent."""

    number: int = 0
    data: bytes | None = None
    asked: Sending = field(default_factory=Sending)


async def serve(socket: WebSocket, service: Service) -> None:
    """Answer the frames of ``socket`` until it closes."""
    await socket.accept()
    try:
        async with service.cameras.place():
            await _answer_frames(socket, service)
    except Busy:
        await socket.close(1013, "as many cameras as may are served already; try again")
    except TimeoutError:
        await socket.close(1001, "no frame came for a while")
    except WebSocketDisconnect:
        return


async def _answer_frames(socket: WebSocket, service: Service) -> None:
    newest, arrived, chain = Newest(), asyncio.Event(), Chain()
    reading = asyncio.create_task(_read(socket, newest, arrived))
    try:
        while not reading.done():
            waiting = asyncio.create_task(arrived.wait())
            await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            arrived.clear()
            number, data, asked = newest.number, newest.data, newest.asked
            newest.data = None
            if data is None:
                continue
            try:
                answer = await service.work(lambda studio, job=(data, asked): chain.frame(studio, *job))
            except SemwaveError as error:
                answer = {"error": str(error)}, b"", b""
            await socket.send_bytes(_packed(number, *answer))
        reading.result()
    finally:
        reading.cancel()


async def _read(socket: WebSocket, newest: Newest, arrived: asyncio.Event) -> None:
    while True:
        async with asyncio.timeout(SILENCE_SECONDS):
            message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        if message.get("text") is not None:
            try:
                newest.asked = Sending.model_validate_json(message["text"])
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"]))
                await socket.send_bytes(_packed(0, {"error": f"{where}: {first['msg']}"}, b"", b""))
            continue
        data = message.get("bytes") or b""
        if not NUMBER_BYTES < len(data) <= MOST_FRAME_BYTES:
            await socket.close(1009, f"a frame has at most {MOST_FRAME_BYTES // 2**20} MiB")
            return
        newest.number, newest.data = int.from_bytes(data[:NUMBER_BYTES], "big"), data[NUMBER_BYTES:]
        arrived.set()


class Chain:
    """The chain for the frames of one camera, which remembers the last one."""

    def __init__(self):
        self.tracker = Tracker()
        self._studio: Studio | None = None
        self._kind: tuple | None = None

    def frame(self, studio: Studio, data: bytes, asked: Sending) -> tuple[dict, bytes, bytes]:
        """What became of a frame: figures, the face sent and the face received as JPEG."""
        start, sizes = perf_counter(), studio.model.config.sizes
        size = SIZE if SIZE in sizes else min(sizes)
        photo = Photograph(self.tracker.face(_picture(data), size), "", None, {"align": perf_counter() - start})
        result = self._studio_for(studio.model, asked).send(photo, asked)
        figures = {
            "seconds": perf_counter() - start,
            "stages": result.row["seconds"],
            "psnr_db": result.row["psnr_db"],
            "k": result.row["k"],
            "snr_db": asked.snr_db,
            "size": size,
            "symbols": constellation(result.soft),
        }
        return figures, images.encode_image(photo.pixels, ".jpg"), images.encode_image(result.picture, ".jpg")

    def _studio_for(self, model: Model, asked: Sending) -> Studio:
        """One that goes on from the last frame, where nothing is hidden and the face was not looked for anew."""
        goes_on = asked.privacy is None and isinstance(model, FaceModel) and len(model.corrections.steps) > 0
        kind = goes_on, self.tracker.found if goes_on else 0
        if self._studio is None or self._kind != kind:
            self._kind = kind
            self._studio = Studio(QuickModel(model) if goes_on and isinstance(model, FaceModel) else model)
        return self._studio


def _picture(data: bytes) -> np.ndarray:
    picture = images.decode_image(data, "the frame")
    if picture.shape[0] * picture.shape[1] > MOST_PIXELS:
        raise SemwaveError("the frame has too many pixels; send at most 1280 x 1280")
    return picture


def _packed(number: int, figures: dict, sent: bytes, received: bytes) -> bytes:
    lengths = {"number": number, "sent_bytes": len(sent), "received_bytes": len(received)}
    text = json.dumps(figures | lengths).encode()
    return len(text).to_bytes(NUMBER_BYTES, "big") + text + sent + received
