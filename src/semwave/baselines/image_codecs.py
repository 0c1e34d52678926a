"""Source coding of separation: the image file with the best PSNR of all that fit a number of bytes.

    picture -> smaller -> AVIF | WebP | JPEG 2000 -> file, less its header -> frame: side information, payload

Only what the receiver cannot know is counted: a file's header is the same for all pictures of one size but for the
file's length, and :data:`SIDE_INFORMATION` bytes say codec, resolution and length.
"""

import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from semwave.pictures import images
from semwave.pictures.cache import PerPicture

SIDES = (512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16)
SIDE_INFORMATION = 3


@dataclass(frozen=True)
class ImageCodec:
    """An image codec of Pillow. ``options`` makes those of a quality 0..100; ``header`` counts the bytes of a file that
    are the same for every picture of its size, lengths aside."""

    format: str
    options: Callable[[int], dict[str, Any]]
    header: Callable[[bytes], int]


CODECS = {
    "AVIF": ImageCodec("AVIF", lambda quality: {"quality": quality}, lambda file: file.index(b"mdat") + 4),
    "WebP": ImageCodec("WEBP", lambda quality: {"quality": quality, "method": 6}, lambda file: 20),
    # A codestream alone, up to its start of data; a quality is a PSNR of 10 to 50 dB.
    "JPEG 2000": ImageCodec(
        "JPEG2000",
        lambda quality: {
            "no_jp2": True,
            "irreversible": True,
            "quality_mode": "dB",
            "quality_layers": [10 + 0.4 * quality],
        },
        lambda file: file.index(b"\xff\x93") + 2,
    ),
}


@dataclass(frozen=True)
class Coded:
    """A picture that was shrunk to ``side`` pixels and coded: the ``payload`` of its file, and what comes out,
    ``picture`` (S, S, 3) uint8 and its mean squared error."""

    codec: str
    side: int
    payload: bytes
    picture: np.ndarray
    mse: float

    @property
    def frame(self) -> bytes:
        """What is sent: the side information, then the payload."""
        return bytes([list(CODECS).index(self.codec) * len(SIDES) + SIDES.index(self.side)]) + (
            len(self.payload).to_bytes(SIDE_INFORMATION - 1, "big") + self.payload
        )


class Encodings:
    """Every encoding of one picture (1, 3, S, S) that was asked for."""

    def __init__(self, image: Tensor):
        self.original = images.to_uint8(image[0])
        self._shrunk: dict[int, Image.Image] = {}
        self._files: dict[tuple[str, int, int], bytes] = {}
        self._coded: dict[tuple[str, int, int], Coded] = {}

    def best(self, budget: int, codecs: Iterable[str] = CODECS) -> Coded | None:
        """The encoding by one of ``codecs`` with the least squared error whose frame has at most ``budget`` bytes; None
        if none has."""
        sides = [side for side in SIDES if side <= len(self.original)]
        with ThreadPoolExecutor() as pool:
            fitting = pool.map(
                lambda pair: self._finest(pair[0], pair[1], budget - SIDE_INFORMATION), product(codecs, sides)
            )
        return min((coded for coded in fitting if coded), key=lambda coded: coded.mse, default=None)

    def _finest(self, codec: str, side: int, budget: int) -> Coded | None:
        """The finest quality that fits, found by bisection; it costs 0.01 dB on average over trying every quality."""
        if len(self._payload(codec, side, 0)) > budget:
            return None
        low, high = 0, 101
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if len(self._payload(codec, side, middle)) <= budget else (low, middle)
        return self._decoded(codec, side, low)

    def _payload(self, codec: str, side: int, quality: int) -> bytes:
        file = self._file(codec, side, quality)
        return file[CODECS[codec].header(file) :]

    def _file(self, codec: str, side: int, quality: int) -> bytes:
        asked = codec, side, quality
        if asked not in self._files:
            if side not in self._shrunk:
                self._shrunk[side] = _resized(Image.fromarray(self.original), side)
            self._files[asked] = encode(self._shrunk[side], codec, quality)
        return self._files[asked]

    def _decoded(self, codec: str, side: int, quality: int) -> Coded:
        asked = codec, side, quality
        if asked not in self._coded:
            file = self._file(codec, side, quality)
            with Image.open(io.BytesIO(file)) as small:
                picture = np.array(_resized(small.convert("RGB"), len(self.original)))
            mse = np.square(picture.astype(np.float32) - self.original).mean().item()
            self._coded[asked] = Coded(codec, side, self._payload(*asked), picture, mse)
        return self._coded[asked]


encodings = PerPicture(Encodings)
"""The encodings of the picture at hand, shared by all schemes."""


def encode(picture: Image.Image, codec: str, quality: int) -> bytes:
    """The file of ``picture``, one of :data:`CODECS`, ``quality`` 0..100."""
    buffer = io.BytesIO()
    # While it is saved an image holds its options: threads that share one would encode at each other's quality.
    picture.copy().save(buffer, CODECS[codec].format, **CODECS[codec].options(quality))
    return buffer.getvalue()


def _resized(picture: Image.Image, side: int) -> Image.Image:
    return picture if picture.width == side else picture.resize((side, side), Image.Resampling.LANCZOS)
