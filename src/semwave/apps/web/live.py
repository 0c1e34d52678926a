"""Live: frames of a camera over a WebSocket, through the channel and back.

    browser: {"k": ..., "snr_db": ...}    how frames are sent from now on, JSON, whenever it changes
    browser: number, JPEG                 a frame; 4 bytes of its number, then the picture
    service: length, JSON, JPEG, JPEG     4 bytes, what became of frame "number", the face sent, the face received

A frame that comes while one is worked on takes the place of the one that waits: frames are dropped, never queued up. An
answer stands for all frames up to its number. It comes when the next frame has been sent, or at once where none comes
(:mod:`semwave.apps.web.chain`).
"""

import asyncio
import json
import secrets
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
NEXT_SECONDS = 0.03
"""For which a frame that is on air waits for the next one, to be received while that is sent."""


@dataclass
class Newest:
    """The frame that waits, and how frames are sent."""

    number: int = 0
    data: bytes | None = None
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
    newest, arrived, on_air = Newest(), asyncio.Event(), 0
    reading = asyncio.create_task(_read(socket, newest, arrived))
    try:
        while not reading.done():
            waiting = asyncio.create_task(arrived.wait())
            patience = NEXT_SECONDS if on_air else None
            await asyncio.wait({reading, waiting}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            arrived.clear()
            number, data, asked = newest.number, newest.data, newest.asked
            newest.data = None
            if data is None and not on_air:
                continue
            answer = await service.worker.submit(chain.step, camera, data, asked)
            if answer is not None:
                await socket.send_bytes(_packed(on_air, *answer))
            on_air = number if data is not None else 0
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


def _packed(number: int, figures: dict, sent: bytes, received: bytes) -> bytes:
    lengths = {"number": number, "sent_bytes": len(sent), "received_bytes": len(received)}
    text = json.dumps(figures | lengths).encode()
    return len(text).to_bytes(NUMBER_BYTES, "big") + text + sent + received
