"""What the service does with photographs, in the worker's thread: the chain of the paper's Fig. 1, step by step.

    bytes -> read, align -> Photograph -> invert -> Scene -> encode -> Signal ~~ channel ~~> decode, draw -> picture
                  once a photograph  |  once for each privacy  |  for every k  |  for every SNR

The same reader, frames, random numbers and report as ``semwave send`` has for a file called photo.
"""

import math
import tempfile
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from semwave.air.files import SUFFIX, read_soft
from semwave.air.iq import to_complex
from semwave.air.seeds import noise_generator
from semwave.air.transports import transport
from semwave.apps.report import report_row
from semwave.apps.web.asked import Example, Framing, Receiving, Sending
from semwave.apps.web.shelf import MOST
from semwave.errors import SemwaveError
from semwave.pictures import images
from semwave.pictures.metrics import LPIPS, psnr
from semwave.privacy.photo import framed
from semwave.privacy.settings import Privacy
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import Generative, Message, Model, Scene, Signal, Soft

if TYPE_CHECKING:
    from semwave.apps.web.chain import Chain

NAME = "photo"
"""What errors, reports and seeds call a photograph that came without a file's name."""
LABELS = 128
MOST_SCENES, MOST_TRANSMITTERS = 4, 16
SHOWN_SYMBOLS = 2048
"""Complex symbols in the picture of the constellation."""
FACES = 5
EXAMPLES = (
    *(Example(number=i, name=f"made-up face {i + 1}", aligned=True) for i in range(FACES)),
    Example(number=FACES, name="astronaut", aligned=False),
)
Made = TypeVar("Made")


@dataclass
class Photograph:
    """A photograph in the frame, uint8 (size, size, 3), and what was made of it once."""

    pixels: np.ndarray
    note: str
    labels: np.ndarray | None
    seconds: dict[str, float]
    scenes: OrderedDict[Privacy | None, tuple[Scene, float]] = field(default_factory=OrderedDict)
    signal: tuple[tuple, Signal, float] | None = None
    features: list[Tensor] | None = None

    @property
    def size(self) -> int:
        """Width and height in pixels."""
        return len(self.pixels)


@dataclass(frozen=True)
class OnAir:
    """A photograph's ``signal``, the scene that it was made of, and the seconds of every stage until then."""

    signal: Signal
    scene: Scene
    seconds: dict[str, float]


@dataclass(frozen=True)
class Arrived:
    """What arrived of a photograph, what was read of it, and the seconds of every stage until then."""

    soft: Soft
    message: Message
    seconds: dict[str, float]


@dataclass(frozen=True)
class Result:
    """A received picture uint8 (size, size, 3), the report's row, what arrived, and where the photograph was private,
    (128, 128) bool."""

    picture: np.ndarray
    row: dict
    soft: Soft
    private: np.ndarray | None


class Studio:
    """Everything that is done with one ``model``, and the photographs that it was done to. Not for several threads at
    once.

    ``lpips`` is LPIPS(alex), or None to leave it out.
    """

    def __init__(self, model: Model, lpips: LPIPS | None = None):
        self.model, self.lpips = model, lpips
        self.photographs: OrderedDict[str, Photograph] = OrderedDict()
        self.chains: dict[str, Chain] = {}
        # One with privacy reads its knowledge base from the disk.
        self._transmitter = lru_cache(MOST_TRANSMITTERS)(
            lambda k, layers, privacy: Transmitter(model, k, layers, privacy=privacy)
        )

    def photograph(self, data: bytes, framing: Framing) -> Photograph:
        """The picture in ``data``, in the frame. Raises :class:`SemwaveError` for no picture, or none with a face."""
        size, start = self.model.config.checked_size(framing.size), perf_counter()
        if not data:
            raise SemwaveError("the picture is empty; send the bytes of a JPEG, PNG or WebP file")
        picture = framed(images.decode_image(data, "the picture"), size, not framing.aligned, face=framing.face)
        return Photograph(picture.sent, picture.note, self._labels(picture.sent), {"align": perf_counter() - start})

    def known(self, name: str, photo: Photograph) -> Photograph:
        """The photograph that came as ``photo``, with what was made of it already under ``name``."""
        known = self.photographs.setdefault(name, photo)
        self.photographs.move_to_end(name)
        if len(self.photographs) > MOST:
            self.photographs.popitem(last=False)
        return known

    def forget(self, names: Container[str]) -> None:
        """Forget the photographs but those with one of ``names``."""
        self.photographs = OrderedDict((name, photo) for name, photo in self.photographs.items() if name in names)

    def transmit(self, photo: Photograph, asked: Sending) -> Signal:
        """The symbols of ``photo``; codes are those of an earlier call where nothing else is private."""
        return self.on_air(photo, asked).signal

    def send(self, photo: Photograph, asked: Sending, first: int | None = None, size: int | None = None) -> Result:
        """``photo`` over the channel, drawn at ``size`` pixels, or its own; of the symbols only the ``first`` have
        arrived where that is not None. LPIPS is left out of the row at another size than the photograph's.

        Raises:
            SemwaveError: what is not offered, or a photograph without a part that is to be hidden.
        """
        on_air = self.on_air(photo, asked)
        arrived = self.arrived(asked, on_air, lambda soft: _prefix(soft, first))
        return self.drawn(photo, asked, on_air, arrived, size)

    def arrived(self, asked: Sending, on_air: OnAir, heard: Callable[[Soft], Soft] = lambda soft: soft) -> Arrived:
        """What a receiver reads of what is ``on_air``, where what arrives is ``heard`` so."""
        seconds, random = dict(on_air.seconds), noise_generator(asked.seed, NAME)
        over = transport(asked.channel, self.model, asked.snr_db, random)
        soft = heard(_timed(seconds, "channel", lambda: over(on_air.signal)))
        return Arrived(soft, _timed(seconds, "decode", lambda: Receiver(self.model).decode(soft)), seconds)

    def drawn(
        self, photo: Photograph, asked: Sending, on_air: OnAir, arrived: Arrived, size: int | None = None
    ) -> Result:
        """What :meth:`send` gives of ``photo``, of which so much has ``arrived``."""
        receiver, message, seconds = Receiver(self.model, size or photo.size), arrived.message, dict(arrived.seconds)
        picture = _timed(seconds, "generate", lambda: images.to_uint8(receiver.draw(message).image[0]))
        quality, distance = compared(self.lpips, photo, picture)
        distances = {"alex": distance}
        hidden = asked.privacy.hidden(self.model.config.layout) if asked.privacy else ()
        mode = asked.privacy.mode if asked.privacy else None
        row = report_row(
            NAME, photo.size, message.header, asked.snr_db, asked.channel, hidden, mode, quality, distances, seconds
        )
        return Result(picture, row, arrived.soft, _private(on_air.scene))

    def receive(self, data: bytes, asked: Receiving) -> np.ndarray:
        """The picture uint8 (size, size, 3) of a file of symbols. Raises as ``semwave receive``."""
        # The reader maps a file into memory. It lies in a folder of its own, which is gone when it was read.
        with tempfile.TemporaryDirectory(prefix="semwave-") as folder:
            path = Path(folder, f"symbols{SUFFIX}")
            path.write_bytes(data)
            try:
                soft = read_soft(path, asked.snr_db)
            except SemwaveError as error:
                raise SemwaveError(str(error).replace(str(path), "the symbols")) from None
        assert soft.header is not None
        if len(soft.symbols) > 1:
            raise SemwaveError(f"the symbols are those of {len(soft.symbols)} pictures; receive draws one")
        size = asked.size or (soft.header.size if soft.header.size in self.model.config.sizes else None)
        return images.to_uint8(Receiver(self.model, size)(soft)[0])

    @torch.no_grad()
    def example(self, number: int) -> np.ndarray:
        """The picture, uint8 (H, W, 3), of :data:`EXAMPLES` with this ``number``; faces are made up by the model."""
        if number == FACES:
            from skimage.data import astronaut

            return astronaut()
        model = cast(Generative, self.model)
        codes = model.sample(1, torch.Generator().manual_seed(number))
        return images.to_uint8(model.generate(codes, model.config.size).image[0])

    def on_air(self, photo: Photograph, asked: Sending) -> OnAir:
        """``photo`` as symbols. Raises as :meth:`send`."""
        k = self.model.config.k if asked.k is None else asked.k
        transmitter = self._transmitter(k, asked.layers, asked.privacy)
        if asked.privacy not in photo.scenes:
            random = noise_generator(asked.privacy.seed, NAME) if asked.privacy else None
            start = perf_counter()
            scene = transmitter.scene(images.to_tensor(photo.pixels), random=random)
            photo.scenes[asked.privacy] = scene, perf_counter() - start
            if len(photo.scenes) > MOST_SCENES:
                photo.scenes.popitem(last=False)
        scene, inversion = photo.scenes[asked.privacy]
        key = asked.privacy, transmitter.k, transmitter.layers
        if photo.signal is None or photo.signal[0] != key:
            start = perf_counter()
            photo.signal = key, transmitter.encode(scene), perf_counter() - start
        return OnAir(photo.signal[1], scene, photo.seconds | {"invert": inversion, "encode": photo.signal[2]})

    def _labels(self, pixels: np.ndarray) -> np.ndarray | None:
        """Part of every pixel (128, 128) uint8; None where the model has no parser."""
        parser = getattr(self.model, "labels", None)
        return parser(images.to_tensor(pixels), LABELS)[0].numpy() if parser else None


@torch.no_grad()
def compared(lpips: LPIPS | None, photo: Photograph, picture: np.ndarray) -> tuple[float, float | None]:
    """PSNR in dB and LPIPS(alex) of ``picture``, uint8 (S, S, 3), to ``photo``; at another size, PSNR alone, to the
    photograph made as small."""
    sent, received = images.to_tensor(photo.pixels), images.to_tensor(picture)
    if len(picture) != photo.size:
        return psnr(images.resized(sent, len(picture)), received, data_range=2).item(), None
    quality = psnr(sent, received, data_range=2).item()
    if lpips is None:
        return quality, None
    if photo.features is None:
        photo.features = list(lpips.features(sent))
    return quality, round(lpips.distance(photo.features, lpips.features(received)).item(), 4)


def constellation(soft: Soft) -> list[float]:
    """Real and imaginary parts in turn of the first complex symbols that were received."""
    received = to_complex(soft.symbols)[0, soft.noise[0, ::2].isfinite()][:SHOWN_SYMBOLS]
    return [round(value, 3) for value in torch.view_as_real(received).flatten().tolist()]


def base64_of(data: bytes) -> str:
    """``data`` as text."""
    return b64encode(data).decode()


def _timed(seconds: dict[str, float], stage: str, call: Callable[[], Made]) -> Made:
    start = perf_counter()
    made = call()
    seconds[stage] = perf_counter() - start
    return made


def _prefix(soft: Soft, first: int | None) -> Soft:
    """``soft`` before more than the ``first`` symbols have arrived: the noise of the others is infinite."""
    if first is None or first >= soft.symbols.shape[1]:
        return soft
    later = torch.arange(soft.symbols.shape[1]) >= first
    return replace(soft, noise=soft.noise.masked_fill(later, math.inf))


def _private(scene: Scene) -> np.ndarray | None:
    if scene.visible is None:
        return None
    return (functional.adaptive_avg_pool2d(scene.visible.float(), LABELS)[0, 0] < 0.5).numpy()
