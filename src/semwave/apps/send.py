"""Send photographs through the whole chain: the paper's Fig. 1 from left to right.

read, align -> invert -> encode ~~ channel ~~> decode -> draw -> pictures and a row of the report
        once a photo        |  for every k   |  for every SNR
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from semwave.air.iq import checked_snr
from semwave.air.ratio import snr_text
from semwave.air.seeds import noise_generator
from semwave.air.transports import check_channel, transport
from semwave.apps.options import REPORTED
from semwave.apps.report import report_row
from semwave.errors import SemwaveError, printable
from semwave.pictures import files, images
from semwave.pictures.console import bars
from semwave.pictures.files import FOLDER, MISSING, kind_of
from semwave.pictures.grid import side_by_side
from semwave.pictures.metrics import LPIPS, psnr
from semwave.pictures.photos import Photo
from semwave.privacy.photo import framed
from semwave.privacy.settings import Privacy
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import Header, Model, Signal


@dataclass(frozen=True)
class Sent:
    """One photo after one channel: uint8 pictures (size, size, 3) sent and received, the report's row, and a note on
    how the photo was read."""

    sent: np.ndarray
    received: np.ndarray
    row: dict
    note: str = ""


@dataclass(frozen=True)
class _Source:
    """A photo in the frame, what its LPIPS compares (once for every k and SNR), and how long its stages took."""

    photo: Photo
    pixels: np.ndarray
    features: dict[str, list[Tensor]]
    seconds: dict[str, float]
    note: str = ""


class Sender:
    """A transmitter for every k, a channel, and a receiver.

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
        self.snrs_db, self.size, self.seed = snrs_db, self.receiver.size, seed
        self.align_faces, self.privacy, self.mask, self.face = align_faces, privacy, mask, face

    def __call__(self, photo: Photo, progress: Callable[[int, float], None] | None = None) -> Iterator[Sent]:
        """Send ``photo`` once for every k and SNR; without refinement it is inverted once.

        ``progress(step, mse)`` is called after every step of refinement.

        Raises:
            SemwaveError: the photo cannot be read, has no face, is not of the mask's size, or lacks a part that the
                privacy names.
        """
        start = perf_counter()
        picture = framed(images.read_image(photo.path), self.size, self.align_faces, self.mask, self.face)
        readable, seconds = images.to_tensor(picture.read), {"align": perf_counter() - start}
        source = _Source(photo, picture.sent, self._features(picture.sent), seconds, picture.note)

        scene = None
        for transmitter in self.transmitters:
            # Refinement brings closer what arrives in k symbols, so each k has codes of its own.
            if scene is None or transmitter.inversion.steps:
                start = perf_counter()
                random = noise_generator(self.privacy.seed, photo.name) if self.privacy else None
                scene = transmitter.scene(readable, picture.region, random, progress)
                seconds["invert"] = perf_counter() - start
            start = perf_counter()
            signal = transmitter.encode(scene)
            seconds["encode"] = perf_counter() - start
            for snr_db in self.snrs_db:
                yield self._over_the_air(source, signal, snr_db)

    def _over_the_air(self, source: _Source, signal: Signal, snr_db: float) -> Sent:
        seconds, start = dict(source.seconds), perf_counter()
        random = noise_generator(self.seed, source.photo.name)
        soft = transport(self.channel_name, self.receiver.model, snr_db, random)(signal)
        seconds["channel"] = perf_counter() - start

        start = perf_counter()
        message = self.receiver.decode(soft)
        seconds["decode"] = perf_counter() - start

        start = perf_counter()
        received = images.to_uint8(self.receiver.draw(message).image[0])
        seconds["generate"] = perf_counter() - start
        return Sent(source.pixels, received, self._row(source, received, message.header, snr_db, seconds), source.note)

    @torch.no_grad()
    def _features(self, picture: np.ndarray) -> dict[str, list[Tensor]]:
        return {backbone: lpips.features(images.to_tensor(picture)) for backbone, lpips in self.lpips.items()}

    @torch.no_grad()
    def _row(
        self, source: _Source, received: np.ndarray, header: Header, snr_db: float, seconds: dict[str, float]
    ) -> dict:
        quality = psnr(images.to_tensor(source.pixels), images.to_tensor(received), data_range=2).item()
        features = self._features(received)
        distances = {
            backbone: round(lpips.distance(source.features[backbone], features[backbone]).item(), 4)
            for backbone, lpips in self.lpips.items()
        }
        protection = self.transmitters[0].protection
        return report_row(
            source.photo.path.name,
            self.size,
            header,
            snr_db,
            self.channel_name,
            protection.hidden if protection else (),
            self.privacy.mode if self.privacy else None,
            quality,
            {backbone: distances.get(backbone) for backbone in REPORTED},
            seconds,
        )


def send_photos(
    sender: Sender,
    photos: list[Photo],
    out: Path,
    report: Path,
    pictures: bool,
    console: Console,
    note: Callable[[str], object] = lambda _: None,
) -> tuple[list[dict], list[str]]:
    """Send ``photos``, write their pictures to ``out`` and, after every photo, the rows so far to ``report``.

    A photo that fails does not stop the others. An earlier run's report is replaced, as a whole, when the first photo
    has arrived. Returns the rows and one line for every photo that failed; ``note`` is called with what else the user
    should know.

    Raises:
        SemwaveError: a file cannot be written.
    """
    if kind_of(out) not in (FOLDER, MISSING):
        raise SemwaveError(f"{out}: is not a folder; choose another --out")
    if kind_of(report) == FOLDER:
        raise SemwaveError(f"{report}: is a folder; give a file name to --report")
    rows: list[dict] = []
    failures: list[str] = []
    with bars(console) as shown:
        bar = shown.add_task("photos", total=len(photos))
        steps = shown.add_task("refining", visible=False, total=sender.transmitters[0].inversion.steps)
        for photo in photos:
            shown.update(steps, completed=0, visible=False)
            try:
                results = list(sender(photo, lambda step, *_: shown.update(steps, completed=step, visible=True)))
            except SemwaveError as error:
                failures.append(str(error) if str(photo.path) in str(error) else f"{photo.path}: {error}")
                continue
            finally:
                shown.advance(bar)
            for result in results if pictures else ():
                ks = tuple(transmitter.k for transmitter in sender.transmitters)
                name = photo.name + _variant(result.row["k"], ks, result.row["snr_db"], sender.snrs_db)
                images.write_png(out / f"{name}.received.png", result.received)
                images.write_png(out / f"{name}.comparison.png", side_by_side(result.sent, result.received))
            rows += [result.row for result in results]
            if results[0].note:
                note(f"{printable(photo.path)}: {results[0].note}")
            files.write_json(report, rows)
    return rows, failures


def picture_names(photos: list[Photo], ks: tuple[int, ...], snrs_db: tuple[float, ...]) -> list[str]:
    """Names of all pictures that :func:`send_photos` writes."""
    names = [photo.name + _variant(k, ks, snr_db, snrs_db) for photo, k, snr_db in product(photos, ks, snrs_db)]
    return [f"{name}.{kind}.png" for name in names for kind in ("received", "comparison")]


def _variant(k: int, ks: tuple[int, ...], snr_db: float, snrs_db: tuple[float, ...]) -> str:
    """What tells the pictures of one photo apart: nothing unless it is sent with several k or SNRs."""
    return (f".k{k}" if len(ks) > 1 else "") + (f".{snr_text(snr_db)}dB" if len(snrs_db) > 1 else "")


def summary(rows: list[dict]) -> Table:
    """Mean PSNR and LPIPS over the photos, for every ratio and SNR."""
    names = [f"LPIPS\n({backbone})" for backbone in REPORTED]
    table = Table("ratio", "k", "complex symbols", "SNR [dB]", "photos", "PSNR [dB]", *names)
    ks, snrs_db = (dict.fromkeys(row[key] for row in rows) for key in ("k", "snr_db"))
    for k, snr_db in product(ks, snrs_db):
        group = [row for row in rows if row["k"] == k and row["snr_db"] == snr_db]
        table.add_row(
            group[0]["ratio"],
            str(k),
            str(k // 2),
            snr_text(snr_db),
            str(len(group)),
            _mean([row["psnr_db"] for row in group], 2),
            *(_mean([row[f"lpips_{backbone}"] for row in group], 3) for backbone in REPORTED),
        )
    return table


def _mean(values: list[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.{digits}f}" if known else "-"
