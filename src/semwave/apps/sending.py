"""Send many photographs: which are left to send, the report that grows with them, what became of them.

photos - those whose rows are there -> engine -> row log, a photo at a time -> summary, JSON list
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from semwave.air.ratio import snr_text
from semwave.apps.options import REPORTED
from semwave.apps.outputs import row_log_of
from semwave.apps.send import Sender, picture_names
from semwave.errors import SemwaveError, printable
from semwave.generators.memory import keep_one_pool
from semwave.interop.engines import drawn_by
from semwave.pictures.console import bars, track
from semwave.pictures.files import FILE, FOLDER, MISSING, STREAM, kind_of
from semwave.pictures.metrics import LPIPS
from semwave.pictures.photos import Photo
from semwave.work.rows import FAILURE, Place, RowLog, row_places
from semwave.work.units import Engine

READERS = 4
"""Threads that look at the content of photos."""
LOOKED = 1000
"""Photos that are handed to them at once."""


@dataclass
class Sending:
    """What a run gave: how many photos were ``sent`` and how many were ``there`` already, a line for each that failed,
    and the ``table`` of means over all."""

    sent: int = 0
    there: int = 0
    failures: list[str] = field(default_factory=list)
    table: Table | None = None


def new_sender(
    backbones: tuple[str, ...], lpips_weights: Path | None, engine: str, model: str, **settings: Any
) -> Sender:
    """A sender of ``settings`` with ``model``, which ``engine`` draws, and LPIPS of ``backbones``: what a process makes
    for itself.

    Raises:
        SemwaveError: as :class:`Sender`, or a backbone that is not at hand on the process's machine.
    """
    from semwave.model import load_model

    # Threads beside the network measure LPIPS; each would keep a pool of its own.
    keep_one_pool()
    lpips = {name: LPIPS(name, lpips_weights) for name in backbones}
    return Sender(model=drawn_by(load_model(model), engine), lpips=lpips, **settings)


def send_photos(
    make: Callable[[], Sender],
    photos: list[Photo],
    report: Path,
    engine: Engine,
    console: Console,
    resume: bool = False,
    note: Callable[[str], object] = lambda _: None,
) -> Sending:
    """Have ``engine`` send ``photos`` by the sender that ``make`` gives.

    The rows of every photo are added to the row log beside ``report`` once its pictures are there; the JSON list
    ``report`` is written with the first photo and at the end. A photo that fails stops no other. An earlier run's
    report is replaced when the first photo has arrived; with ``resume`` its rows stay and photos of the same content,
    name and settings, whose pictures are there, are not sent again. ``note`` is called with what else the user should
    know.

    Raises:
        SemwaveError: a file cannot be written, or ``resume`` without a report in a file.
    """
    sender = make()
    if sender.out is not None and kind_of(sender.out) not in (FOLDER, MISSING):
        raise SemwaveError(f"{sender.out}: is not a folder; choose another --out")
    if kind_of(report) == FOLDER:
        raise SemwaveError(f"{report}: is a folder; give a file name to --report")
    done = Sending()
    failed: list[dict] = []
    with ExitStack() as stack:
        path = row_log_of(report)
        if path is None:
            if resume:
                raise SemwaveError(f"{report}: --resume goes on with a report in a file; choose another --report")
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "rows.jsonl"
        log: RowLog | None = None
        left = photos
        if resume and kind_of(path) == FILE:
            kept, left = _kept(sender, photos, path, console)
            log = stack.enter_context(RowLog(path, kept))
            done.there = len(photos) - len(left)

        def export(last: bool = True) -> None:
            # What goes into a device or a pipe cannot be replaced.
            if log is not None and path != report and (last or kind_of(report) != STREAM):
                order = {printable(photo.name): place for place, photo in enumerate(photos)}
                log.export(report, sorted(log.places, key=lambda key: order.get(_name(key), -1)), failed)

        try:
            export(last=False)
            with bars(console) as shown:
                bar = shown.add_task("photos", total=len(left))
                steps = shown.add_task("refining", visible=False, total=sender.transmitters[0].inversion.steps)
                sender.progress = lambda step, *_: shown.update(steps, completed=step, visible=True)
                for outcome in engine(make, left):
                    photo, rows = outcome.unit, outcome.result
                    shown.advance(bar)
                    if rows is None:
                        where = str(photo.path)
                        line = outcome.failure if where in outcome.failure else f"{where}: {outcome.failure}"
                        done.failures.append(line)
                        shown.update(bar, description=f"photos, {len(done.failures)} failed")
                        failed.append({"photo": printable(photo.path.name), FAILURE: printable(line)})
                        if log is not None:
                            log.add_failure(failed[-1])
                        continue
                    first = log is None
                    if log is None:
                        log = stack.enter_context(RowLog(path))
                        for row in failed:
                            log.add_failure(row)
                    log.add(rows.key, rows.rows)
                    done.sent += 1
                    if first:
                        export(last=False)
                    if rows.note:
                        note(f"{printable(photo.path)}: {rows.note}")
        finally:
            export()
        if log is not None:
            done.table = summary(log.rows(log.places))
    return done


def _kept(sender: Sender, photos: list[Photo], path: Path, console: Console) -> tuple[dict[str, Place], list[Photo]]:
    """What stays of the row log in ``path``, and which of ``photos`` are left to send.

    Rows of photos that are not asked for stay; of those that are, rows of the same content and settings do.
    """
    there = dict(row_places(path))
    names = {_name(key) for key in there}

    def key_of(photo: Photo) -> str:
        try:
            return sender.key(photo) if printable(photo.name) in names else ""
        except SemwaveError:  # said again when it is sent
            return ""

    with ThreadPoolExecutor(READERS) as pool:
        keys: list[str] = []
        for start in track(range(0, len(photos), LOOKED), "looking for what is there", console=console):
            keys += pool.map(key_of, photos[start : start + LOOKED])
    left = [photo for photo, key in zip(photos, keys, strict=True) if key not in there or not _drawn(sender, photo)]
    again = {printable(photo.name) for photo in photos}
    asked = set(keys)
    return {key: place for key, place in there.items() if key in asked or _name(key) not in again}, left


def _drawn(sender: Sender, photo: Photo) -> bool:
    """Whether all pictures of ``photo`` that are asked for are there."""
    if sender.out is None:
        return True
    return all((sender.out / name).is_file() for name in picture_names(photo, sender.ks, sender.snrs_db))


def _name(key: str) -> str:
    """The photo's name in the ``key`` of its rows."""
    return key.rpartition("-")[0]


def summary(rows: Iterable[dict]) -> Table:
    """Mean PSNR and LPIPS over the photos, for every ratio and SNR."""
    metrics = ("psnr_db", *(f"lpips_{backbone}" for backbone in REPORTED))
    names = [f"LPIPS\n({backbone})" for backbone in REPORTED]
    table = Table("ratio", "k", "complex symbols", "SNR [dB]", "photos", "PSNR [dB]", *names)
    ratios: dict[int, str] = {}
    snrs_db: dict[float, None] = {}
    photos: Counter[tuple[int, float]] = Counter()
    sums: defaultdict[tuple[int, float, str], list[float]] = defaultdict(lambda: [0.0, 0])
    for row in rows:
        k, snr_db = row["k"], row["snr_db"]
        ratios.setdefault(k, row["ratio"])
        snrs_db.setdefault(snr_db)
        photos[k, snr_db] += 1
        for metric in metrics:
            if row[metric] is not None:
                total = sums[k, snr_db, metric]
                total[0], total[1] = total[0] + row[metric], total[1] + 1
    for k, snr_db in product(ratios, snrs_db):
        if not photos[k, snr_db]:
            continue
        means = [_mean(sums[k, snr_db, metric], 3 if place else 2) for place, metric in enumerate(metrics)]
        table.add_row(ratios[k], str(k), str(k // 2), snr_text(snr_db), str(photos[k, snr_db]), *means)
    return table


def _mean(total: list[float], digits: int) -> str:
    return f"{total[0] / total[1]:.{digits}f}" if total[1] else "-"
