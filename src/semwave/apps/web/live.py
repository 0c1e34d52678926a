"""Live: frames of a camera over a WebSocket, through the channel and back.

    browser: {"k": ..., "snr_db": ...}    how frames are sent from now on, JSON, whenever it changes
    browser: number, JPEG                 a frame; 4 bytes of its number, then the picture
    service: length, JSON, JPEG, JPEG     4 bytes, what became of frame "number", the face sent, the face received

Two frames may wait while one is worked on, and a third takes the place of the older one: frames are dropped, never
queued up. (With one place a client that has three frames under way, one drawn, one sent, one that waits, would lose one
of those with which it fills an empty chain, and the chain run empty again.) An answer stands for all frames up to its
number. It comes when the next frame has been sent, or at once where none comes (:mod:`semwave.apps.web.chain`).
"""

import asyncio
import json
import secrets
from collections import deque
from dataclasses import dataclass, field

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from semwave.apps.web import chain
from semwave.apps.web.asked import Sending
from semwave.apps.web.places import Refused
from semwave.apps.web.service import Service
from semwave.apps.web.worker import Crashed

MOST_FRAME_BYTES = 2**20
NUMBER_BYTES = 4
SILENCE_SECONDS = 60
WAITING = 2
"""Frames that may wait."""
NEXT_SECONDS = 0.08
"""For which the answer of a frame waits for the next one, to be sent meanwhile; the frame is drawn in any case."""


@dataclass
class Newest:
    """The frames that wait, with their numbers, and how frames are sent."""

    frames: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=WAITING))
    asked: Sending = field(default_factory=Sending)


async def serve(socket: WebSocket, service: Service) -> None:
    """Answer the frames of ``socket`` until it closes."""
    await socket.accept()
    camera = secrets.token_urlsafe()
    try:
        async with service.cameras.place(camera):
            await _answer_frames(socket, service, camera)
    except Refused:
        await socket.close(1013, "as many cameras as may are served already; try again")
    except TimeoutError:
        await socket.close(1001, "no frame came for a while")
    except Crashed:
        await socket.close(1011, "a frame ended the process that worked on it; start live again")
    except WebSocketDisconnect:
        return
    finally:
        service.worker.submit(chain.end, camera)


async def _answer_frames(socket: WebSocket, service: Service, camera: str) -> None:
    newest, arrived = Newest(), asyncio.Event()
    on_air: int | None = None
    reading = asyncio.create_task(_read(socket, newest, arrived))
    try:
        while not reading.done():
            if not newest.frames:
                waiting = asyncio.create_task(arrived.wait())
                patience = None if on_air is None else NEXT_SECONDS
                await asyncio.wait({reading, waiting}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
            arrived.clear()
            number, data = newest.frames.popleft() if newest.frames else (None, None)
            if data is None and on_air is None:
                continue
            answer = await service.worker.submit(chain.step, camera, data, newest.asked)
            if answer is not None and on_air is not None:
                await socket.send_bytes(_packed(on_air, *answer))
            on_air = number
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
        newest.frames.append((int.from_bytes(data[:NUMBER_BYTES], "big"), data[NUMBER_BYTES:]))
        arrived.set()


def _packed(number: int, figures: dict, sent: bytes, received: bytes) -> bytes:
    lengths = {"number": number, "sent_bytes": len(sent), "received_bytes": len(received)}
    text = json.dumps(figures | lengths).encode()
    return len(text).to_bytes(NUMBER_BYTES, "big") + text + sent + received
