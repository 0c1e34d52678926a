"""Pictures as bytes, and the failures of the service."""

import io
import json

import numpy as np
from PIL import Image


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def error_of(answer) -> str:
    """The message of a failure, which is one line of JSON."""
    message = json.loads(answer.content)["error"]
    assert message and "\n" not in message and "Traceback" not in message
    return message
