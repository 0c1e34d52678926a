"""The run: every scheme on every picture, over every channel, at every SNR, under one set of conditions.

photo -> frame -> scheme over a link -> 8-bit picture -> PSNR, LPIPS(alex) -> row
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from semwave.air.channels import channel_class
from semwave.air.link import Link
from semwave.air.ofdm.header import VERSION as FRAME_VERSION
from semwave.air.ratio import snr_text
from semwave.air.seeds import noise_generator
from semwave.air.transports import CONDITIONS, SAMPLED, AirLink
from semwave.errors import SemwaveError, printable
from semwave.evaluation.scheme import Scheme, deliver, facts_of
from semwave.evaluation.store import COLUMNS, Row, RowStore, digest
from semwave.pictures import images
from semwave.pictures.console import bars, track
from semwave.pictures.files import file_digest
from semwave.pictures.metrics import psnr
from semwave.pictures.photos import Photo, read_photo
from semwave.work.local import Local
from semwave.work.units import Engine

SIZE = 512
SNRS_DB = (0.0, 5.0, 10.0, 15.0, 20.0)
HIGHEST_PSNR_DB = 100.0
"""What stands in the tables for equal pictures, whose PSNR is infinite."""


class Perceptual(Protocol):
    """A distance between features of pictures: :class:`semwave.pictures.metrics.LPIPS`."""

    def features(self, images: Tensor) -> Iterable[Tensor]:
        """Features of ``images`` (B, 3, H, W) in [-1, 1]."""
        ...

    def distance(self, a: Iterable[Tensor], b: Iterable[Tensor]) -> Tensor:
        """Distances (B,) of pictures that have the features ``a`` and ``b``."""
        ...


@dataclass(frozen=True)
class Job:
    """One scheme over one channel at some SNRs."""

    scheme: Scheme
    channel: str = "awgn"
    snrs_db: tuple[float, ...] = SNRS_DB


class Original:
    """A ``picture`` (1, 3, S, S) that was sent, with which many received ones are compared."""

    @torch.no_grad()
    def __init__(self, picture: Tensor, lpips: Perceptual):
        self.picture, self.lpips, self.features = picture, lpips, list(lpips.features(picture))
        # What separation delivers is often the same picture at several SNRs.
        self._known: dict[str, tuple[float, float]] = {}

    @torch.no_grad()
    def quality(self, received: np.ndarray) -> tuple[float, float]:
        """PSNR in dB and LPIPS of what was ``received``, (S, S, 3) uint8."""
        told = hashlib.sha256(received.tobytes()).hexdigest()
        if told not in self._known:
            picture = images.to_tensor(received)
            reached = min(psnr(self.picture, picture, data_range=2).item(), HIGHEST_PSNR_DB)
            distance = self.lpips.distance(self.features, self.lpips.features(picture))
            self._known[told] = reached, distance.item()
        return self._known[told]


@dataclass(frozen=True)
class Unit:
    """A photo, and which jobs, by the key of their rows, are to be measured on it: their places in the list of all."""

    photo: Photo
    jobs: dict[str, int]


class MeasuringWork:
    """Measures ``jobs`` on photos: :class:`semwave.work.units.Work` on :class:`Unit`. The other arguments are those of
    :class:`Measuring`."""

    def __init__(self, jobs: list[Job], seed: int, lpips: Perceptual, align_faces: bool, size: int):
        self.jobs, self.seed, self.lpips, self.align_faces, self.size = jobs, seed, lpips, align_faces, size

    def prepare(self, unit: Unit) -> tuple[Unit, Tensor]:
        """The picture (1, 3, size, size) of a unit. Raises :class:`SemwaveError` for one that cannot be read."""
        return unit, read_photo(unit.photo.path, self.size, self.align_faces)

    def process(self, batch: list[tuple[Unit, Tensor]]) -> list[dict[str, list[Row]] | SemwaveError]:
        """The rows of every unit by their key. What breaks a rule is no failure of the photo: it ends the run."""
        measured: list[dict[str, list[Row]] | SemwaveError] = []
        for unit, picture in batch:
            original = Original(picture, self.lpips)
            try:
                rows = {
                    key: [self._row(key, job, unit.photo.name, original, snr_db) for snr_db in job.snrs_db]
                    for key, job in ((key, self.jobs[place]) for key, place in unit.jobs.items())
                }
            except SemwaveError as error:
                measured.append(error)
            else:
                measured.append(rows)
        return measured

    def finish(self, made: dict[str, list[Row]] | SemwaveError) -> dict[str, list[Row]]:
        """The rows of one unit. Raises :class:`SemwaveError` where a scheme has broken a rule."""
        if isinstance(made, SemwaveError):
            raise made
        return made

    def _row(self, key: str, job: Job, name: str, original: Original, snr_db: float) -> Row:
        link = link_for(job.channel, snr_db, self.seed, name)
        delivered = deliver(job.scheme, original.picture, link)
        quality, distance = original.quality(images.to_uint8(delivered.image[0]))
        return Row(
            photo=name,
            scheme=job.scheme.name,
            facts=replace(facts_of(job.scheme), k=delivered.k),
            channel=job.channel,
            snr_db=snr_db,
            psnr_db=round(quality, 4),
            lpips_alex=round(distance, 5),
            signal_power=round(link.signal_power, 5),
            noise_power=round(link.noise_power, 5),
            outcome=delivered.outcome,
            note=delivered.note,
            key=key,
        )


class Measuring:
    """Measures jobs on photos.

    Args:
        folder: where rows are kept in files of JSON lines, by a digest of all that they depend on. New ones go to
            rows.jsonl; all others there, copied from other machines, are read, too.
        seed: of fading and noise, of which every photo has its own, the same for all schemes and SNRs.
        lpips: LPIPS(alex).
        align_faces: find and align the face; otherwise photos are in the frame already.
        size: width and height of the pictures in pixels.
        engine: does the work.
        known: tables (rows.csv) and files of JSON lines from which rows are taken by their key.
    """

    def __init__(
        self, folder: Path, seed: int, lpips: Perceptual, align_faces: bool, size: int = SIZE,
        engine: Engine = Local(0, 1), known: Iterable[Path] = (),
    ):  # fmt: skip
        self.folder, self.engine, self.known = folder, engine, list(known)
        self.settings = seed, lpips, align_faces, size

    def __call__(self, jobs: list[Job], photos: list[Photo], console: Console) -> tuple[list[Row], list[str]]:
        """The rows of ``jobs`` on ``photos``, and a line for each photo that cannot be read, which stops none.

        Raises:
            SemwaveError: a scheme breaks the rules of :func:`semwave.evaluation.scheme.deliver`, or a file of rows
                cannot be read or written.
        """
        failures: list[str] = []
        keys: dict[Photo, dict[str, int]] = {}
        for photo in track(photos, "looking for what is there", console=console):
            try:
                keys[photo] = {self._key(job, photo): place for place, job in enumerate(jobs)}
            except SemwaveError as error:
                failures.append(str(error))
        with RowStore(self.folder, self.known) as store:
            units = [
                Unit(photo, missing)
                for photo, asked in keys.items()
                if (missing := {key: n for key, n in asked.items() if not store.has(key, jobs[n].snrs_db)})
            ]
            make = partial(MeasuringWork, jobs, *self.settings)
            with bars(console) as progress:
                bar = progress.add_task("evaluating", total=sum(len(unit.jobs) for unit in units))
                for outcome in self.engine(make, units):
                    progress.advance(bar, len(outcome.unit.jobs))
                    if outcome.result is None:
                        path, line = str(outcome.unit.photo.path), outcome.failure
                        failures.append(line if path in line else f"{path}: {line}")
                        progress.update(bar, description=f"evaluating, {len(failures)} photos failed")
                        continue
                    for key, measured in outcome.result.items():
                        store.add(key, measured)
            return [row for asked in keys.values() for key in asked for row in store.rows(key)], failures

    def _key(self, job: Job, photo: Photo) -> str:
        seed, _, align_faces, size = self.settings
        of_job = job.scheme.name, job.channel, job.scheme.key, job.snrs_db
        link = (CONDITIONS, FRAME_VERSION) if job.channel in SAMPLED else ()
        told = digest(*of_job, *link, seed, align_faces, size, photo.name, file_digest(photo.path), COLUMNS)
        return f"{printable(photo.name)}-{told}"


def link_for(channel: str, snr_db: float, seed: int, name: str) -> Link:
    """The link that the picture called ``name`` is sent over.

    Raises:
        SemwaveError: an unknown channel, or an SNR out of range.
    """
    random = noise_generator(seed, name)
    return AirLink(channel, snr_db, random) if channel in SAMPLED else Link(channel_class(channel), snr_db, random)


def received_pictures(
    jobs: list[Job], pictures: dict[str, Tensor], folder: Path, seed: int
) -> dict[tuple[str, str, float], Path]:
    """PNG files of what arrives of ``pictures``, by picture, scheme and SNR; those that are there are kept."""
    files = {}
    for name, picture in pictures.items():
        told = digest(images.to_uint8(picture[0]).tobytes().hex())
        for job in jobs:
            for snr_db in job.snrs_db:
                key = digest(job.scheme.key, job.channel, seed, told)
                path = folder / name / f"{job.scheme.name}-{job.channel}-{snr_text(snr_db)}dB-{key}.png"
                if not path.is_file():
                    delivered = deliver(job.scheme, picture, link_for(job.channel, snr_db, seed, name))
                    images.write_png(path, images.to_uint8(delivered.image[0]))
                files[name, job.scheme.name, snr_db] = path
    return files
