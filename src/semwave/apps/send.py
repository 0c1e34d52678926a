"""Send photographs through the whole chain: the paper's Fig. 1 from left to right.

read, align -> invert -> encode ~~ channel ~~> decode -> draw -> pictures and a row of the report
 a photo each | in batches, for every k |  for every SNR        | a photo each
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from semwave import __version__
from semwave.air.iq import checked_snr
from semwave.air.ratio import snr_text
from semwave.air.seeds import noise_generator
from semwave.air.transports import check_channel, transport
from semwave.apps.options import REPORTED
from semwave.apps.report import report_row
from semwave.errors import SemwaveError, printable
from semwave.interop.engines import TORCH
from semwave.pictures import images
from semwave.pictures.files import file_digest
from semwave.pictures.grid import side_by_side
from semwave.pictures.metrics import LPIPS, psnr
from semwave.pictures.photos import Photo
from semwave.privacy.photo import Framed, framed
from semwave.privacy.settings import Privacy
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import Header, Model, Scene, Signal, Soft

DIGITS = 12


@dataclass(frozen=True)
class Sent:
    """One photo after one channel: uint8 pictures (size, size, 3) sent and received, and the report's row."""

    source: "Source"
    received: np.ndarray
    row: dict

    @property
    def sent(self) -> np.ndarray:
        """The picture that was sent."""
        return self.source.frame.sent


@dataclass(frozen=True)
class Source:
    """A photo in the frame, the key of its rows, and how long reading it took in seconds."""

    photo: Photo
    key: str
    frame: Framed
    seconds: float


@dataclass(frozen=True)
class Arrived:
    """A picture that arrived, uint8 (size, size, 3), over which channel, and how many seconds each stage took."""

    picture: np.ndarray
    header: Header
    snr_db: float
    seconds: dict[str, float]


@dataclass(frozen=True)
class Rows:
    """What the report keeps of one photo: its key, its rows, and a note on how it was read."""

    key: str
    rows: list[dict]
    note: str


class Sender:
    """A transmitter for every k, a channel, and a receiver: :class:`semwave.work.units.Work` on photos.

    Args:
        model: name of a shipped model, or a loaded one.
        ks: numbers of real symbols an image.
        snrs_db: Es/N0 of the channels in dB.
        channel: name of a channel in :data:`semwave.air.channels.CHANNELS`, or of
            :data:`semwave.air.transports.SAMPLED`, which a modem has to cross.
        size: width and height in pixels at which the photo is taken and drawn again; the model's own without it.
        align_faces: find the face and align it; otherwise the photo is already in the frame.
        face: which face to take of several, 1 the largest; None for that one, with a note.
        layers: what to send, of ("codes", "residual"); None for all that the model can.
        refine_steps: steps of gradient descent of the inversion.
        start: where inversion starts, "encoder" or "mean".
        perceptual: refine by MSE and LPIPS(alex) instead of the MSE alone.
        seed: of noise and fading. Every photo has its own, from this seed and its name, the same at every
            SNR, so that a photo's result does not depend on what else is sent.
        lpips: LPIPS by its backbone; a backbone that is not there is left out of the report.
        privacy: what is not to be given away. Every photo has its own draw from the privacy's seed.
        mask: (H, W) bool, private pixels of every photo, which must have the same size.
        out: folder for the pictures; None to write none.

    Raises:
        SemwaveError: any of these that is not offered.
    """

    def __init__(
        self,
        model: str | Model,
        ks: tuple[int, ...],
        snrs_db: tuple[float, ...],
        channel: str = "awgn",
        size: int | None = None,
        align_faces: bool = True,
        face: int | None = None,
        layers: tuple[str, ...] | None = None,
        refine_steps: int = 0,
        start: str = "encoder",
        perceptual: bool = False,
        seed: int = 0,
        lpips: Mapping[str, LPIPS] | None = None,
        privacy: Privacy | None = None,
        mask: np.ndarray | None = None,
        out: Path | None = None,
    ):
        check_channel(channel)
        self.channel_name = channel
        for snr_db in snrs_db:
            checked_snr(snr_db, 1)
        self.receiver = Receiver(model, size)
        self.lpips = dict(lpips or {})
        if perceptual and "alex" not in self.lpips:
            raise SemwaveError("perceptual refinement needs LPIPS(alex)")
        distance = self.lpips["alex"] if perceptual else None
        self.transmitters = [
            Transmitter(self.receiver.model, k, layers, refine_steps, start, distance, privacy) for k in ks
        ]
        self.ks, self.snrs_db, self.size, self.seed = ks, snrs_db, self.receiver.size, seed
        self.align_faces, self.privacy, self.mask, self.face, self.out = align_faces, privacy, mask, face, out
        self.progress: Callable[[int, float], None] | None = None
        """Called after every step of refinement, with its number and the MSE."""
        loaded = self.receiver.model
        used = loaded.config.name, loaded.digest, getattr(loaded, "engine", TORCH), sorted(self.lpips), __version__
        asked = ks, snrs_db, channel, self.size, align_faces, face, layers, refine_steps, start, perceptual, seed
        known = privacy and privacy.knowledge and file_digest(privacy.knowledge)
        hidden = privacy, known, None if mask is None else (mask.shape, hashlib.sha256(mask.tobytes()).hexdigest())
        self.settings = hashlib.sha256(repr((used, asked, hidden)).encode()).hexdigest()
        """Of all that results depend on beside the photo."""

    def __call__(self, photo: Photo) -> list[Sent]:
        """Send ``photo`` once for every k and SNR; without refinement it is inverted once.

        Raises:
            SemwaveError: the photo cannot be read, has no face, is not of the mask's size, or lacks a part that the
                privacy names.
        """
        return self.process([self.prepare(photo)])[0]

    def key(self, photo: Photo, data: bytes | None = None) -> str:
        """What the rows of ``photo`` depend on: its name, the bytes of its file, and the settings.

        Raises:
            SemwaveError: the file cannot be read.
        """
        found = hashlib.sha256(images.read_bytes(photo.path) if data is None else data)
        found.update(f"{self.settings} {photo.name}".encode("utf-8", "surrogateescape"))
        return f"{printable(photo.name)}-{found.hexdigest()[:DIGITS]}"

    def prepare(self, photo: Photo) -> Source:
        """Read ``photo`` and bring it to the frame. Raises as a call does."""
        start = perf_counter()
        data = images.read_bytes(photo.path)
        picture = images.decode_image(data, photo.path)
        frame = framed(picture, self.size, self.align_faces, self.mask, self.face)
        return Source(photo, self.key(photo, data), frame, perf_counter() - start)

    @torch.no_grad()
    def process(self, batch: list[Source]) -> list[list[Sent]]:
        """What arrives of every photo, for every k and SNR. Seconds in the rows are a photo's share of the batch."""
        clock = _Clock(len(batch))
        arrived: list[list[Arrived]] = [[] for _ in batch]
        scene = None
        for transmitter in self.transmitters:
            # Refinement brings closer what arrives in k symbols, so each k has codes of its own.
            if scene is None or transmitter.inversion.steps:
                with clock("invert"):
                    scene = self._scene(transmitter, batch)
            with clock("encode"):
                signal = transmitter.encode(scene)
            for snr_db in self.snrs_db:
                with clock("channel"):
                    soft = self._over_the_air(signal, batch, snr_db)
                with clock("decode"):
                    message = self.receiver.decode(soft)
                with clock("generate"):
                    drawn = [images.to_uint8(image) for image in self.receiver.draw(message).image]
                for place, received in enumerate(drawn):
                    seconds = {"align": batch[place].seconds, **clock.seconds}
                    arrived[place].append(Arrived(received, message.header, snr_db, seconds))
        return [self._measured(source, pictures) for source, pictures in zip(batch, arrived, strict=True)]

    def finish(self, made: list[Sent]) -> Rows:
        """Write the pictures of one photo, if any are to be written, and give its rows."""
        source = made[0].source
        for result in made if self.out else ():
            assert self.out is not None
            stem = picture_name(source.photo, result.row["k"], self.ks, result.row["snr_db"], self.snrs_db)
            images.write_png(self.out / f"{stem}.received.png", result.received)
            images.write_png(self.out / f"{stem}.comparison.png", side_by_side(result.sent, result.received))
        return Rows(source.key, [result.row for result in made], source.frame.note)

    def _scene(self, transmitter: Transmitter, batch: list[Source]) -> Scene:
        """What may be read of a batch, with its codes: together, unless photos draw something of their own or are
        refined, which would depend on what else is in the batch."""
        together = self.privacy is None and not transmitter.inversion.steps
        scenes = []
        for part in [batch] if together else [[source] for source in batch]:
            pictures = torch.cat([images.to_tensor(source.frame.read) for source in part])
            random = noise_generator(self.privacy.seed, part[0].photo.name) if self.privacy else None
            scenes.append(transmitter.scene(pictures, part[0].frame.region, random, self.progress))
        return scenes[0] if len(scenes) == 1 else _joined(scenes)

    def _over_the_air(self, signal: Signal, batch: list[Source], snr_db: float) -> Soft:
        """What arrives of a batch, every photo over a channel of its own."""
        softs = []
        for iq, source in zip(signal.iq.split(1), batch, strict=True):
            random = noise_generator(self.seed, source.photo.name)
            over = transport(self.channel_name, self.receiver.model, snr_db, random)
            softs.append(over(Signal(iq, signal.header)))
        symbols, noise = (torch.cat([getattr(soft, name) for soft in softs]) for name in ("symbols", "noise"))
        return Soft(symbols, noise, softs[0].header)

    def _measured(self, source: Source, arrived: list[Arrived]) -> list[Sent]:
        """What arrived of ``source``, with its rows. Measured last, because features take much memory."""
        sent, pictures = images.to_tensor(source.frame.sent), [images.to_tensor(each.picture) for each in arrived]
        distances: list[dict[str, float]] = [{} for _ in arrived]
        for backbone, lpips in self.lpips.items():
            features = lpips.features(sent)
            features = list(features) if len(pictures) > 1 else features
            for found, picture in zip(distances, pictures, strict=True):
                found[backbone] = round(lpips.distance(features, lpips.features(picture)).item(), 4)
        protection, sents = self.transmitters[0].protection, []
        for each, picture, found in zip(arrived, pictures, distances, strict=True):
            row = report_row(
                source.photo.path.name,
                self.size,
                each.header,
                each.snr_db,
                self.channel_name,
                protection.hidden if protection else (),
                self.privacy.mode if self.privacy else None,
                psnr(sent, picture, data_range=2).item(),
                {backbone: found.get(backbone) for backbone in REPORTED},
                each.seconds,
            )
            sents.append(Sent(source, each.picture, row))
        return sents


class _Clock:
    """Seconds of stages, shared by so many photos."""

    def __init__(self, photos: int):
        self.photos = photos
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self.seconds[stage] = (perf_counter() - start) / self.photos


def _joined(scenes: list[Scene]) -> Scene:
    """One scene of all pictures of ``scenes``, all of which have what one has."""

    def joined(name: str) -> Tensor | None:
        parts = [getattr(scene, name) for scene in scenes]
        return None if parts[0] is None else torch.cat(parts)

    picture = joined("picture")
    assert picture is not None
    return Scene(picture, joined("visible"), joined("codes"))


def picture_name(photo: Photo, k: int, ks: tuple[int, ...], snr_db: float, snrs_db: tuple[float, ...]) -> str:
    """How the pictures of ``photo`` are called, but for what they show; with several ``ks`` or ``snrs_db`` these are
    told apart."""
    return photo.name + (f".k{k}" if len(ks) > 1 else "") + (f".{snr_text(snr_db)}dB" if len(snrs_db) > 1 else "")


def picture_names(photo: Photo, ks: tuple[int, ...], snrs_db: tuple[float, ...]) -> list[str]:
    """Names of all pictures that are written of ``photo``."""
    names = [picture_name(photo, k, ks, snr_db, snrs_db) for k, snr_db in product(ks, snrs_db)]
    return [f"{name}.{kind}.png" for name in names for kind in ("received", "comparison")]
