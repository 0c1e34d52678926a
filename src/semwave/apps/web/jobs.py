"""What the worker does for a request: functions of the loaded :class:`.studio.Studio`, whose results are ready to send.

They run in a process of their own, so all that they are given and give is pickled.
"""

from dataclasses import dataclass
from pathlib import Path

from semwave.air.files import signal_bytes
from semwave.apps.web.asked import Framing, Receiving, SendAnswer, Sending, ViewAnswer, Viewing, Whole
from semwave.apps.web.studio import EXAMPLES, Photograph, Studio, base64_of, constellation
from semwave.errors import SemwaveError
from semwave.interop.engines import TORCH, drawn_by
from semwave.model import load_model
from semwave.pictures import images
from semwave.pictures.metrics import LPIPS


@dataclass(frozen=True)
class Loading:
    """How a studio is made: the ``model``'s name, where the weights of LPIPS(alex) are (without them, no LPIPS), and
    what draws pictures."""

    model: str
    lpips_weights: Path | None
    engine: str = TORCH

    def __call__(self) -> Studio:
        """Load it. Raises :class:`SemwaveError` where that is not possible."""
        return Studio(drawn_by(load_model(self.model), self.engine), LPIPS("alex", self.lpips_weights))


@dataclass(frozen=True)
class LoadingLpips:
    """How LPIPS(alex) is had for other schemes."""

    weights: Path | None

    def __call__(self) -> LPIPS:
        """Load it."""
        return LPIPS("alex", self.weights)


def examples(studio: Studio) -> dict[int, bytes]:
    """JPEG files of the examples that the model has, by their numbers."""
    found = {}
    for example in EXAMPLES:
        try:
            found[example.number] = images.encode_image(studio.example(example.number), ".jpg")
        except SemwaveError:  # a checkpoint's model may not make up faces
            continue
    return found


def transmit(studio: Studio, data: bytes, asked: Whole) -> bytes:
    """The picture in ``data`` as a file of symbols."""
    return signal_bytes(studio.transmit(studio.photograph(data, asked), asked))


def receive(studio: Studio, data: bytes, asked: Receiving) -> bytes:
    """A file of symbols as a PNG file."""
    return images.encode_image(studio.receive(data, asked), ".png")


def send(studio: Studio, data: bytes, asked: Whole) -> SendAnswer:
    """The picture in ``data`` over the channel."""
    photo = studio.photograph(data, asked)
    result = studio.send(photo, asked)
    received = base64_of(images.encode_image(result.picture, ".png"))
    return SendAnswer.model_validate({"report": result.row, "received": received, "note": photo.note})


def photograph(studio: Studio, data: bytes, framing: Framing) -> tuple[Photograph, str]:
    """The picture in ``data`` in the frame, and as PNG in base64."""
    photo = studio.photograph(data, framing)
    return photo, base64_of(images.encode_image(photo.pixels, ".png"))


def view(studio: Studio, name: str, photo: Photograph, asked: Viewing) -> ViewAnswer:
    """``photo``, which is kept under ``name``, over the channel."""
    size = min(studio.model.config.sizes) if asked.draft else None
    result = studio.send(studio.known(name, photo), asked, asked.first, size)
    suffix = ".jpg" if asked.draft else ".png"
    snr_db = result.soft.snr_db[0].item()
    return ViewAnswer.model_validate(
        {
            "report": result.row,
            "received": base64_of(images.encode_image(result.picture, suffix)),
            "media_type": "image/png" if suffix == ".png" else "image/jpeg",
            "note": photo.note,
            "received_snr_db": round(snr_db, 2) if abs(snr_db) < 1000 else None,
            "symbols": constellation(result.soft),
            "private": None if result.private is None else base64_of(result.private.astype("uint8").tobytes()),
        }
    )


def symbols(studio: Studio, name: str, photo: Photograph, asked: Sending) -> bytes:
    """``photo``, which is kept under ``name``, as a file of symbols."""
    return signal_bytes(studio.transmit(studio.known(name, photo), asked))
