"""The whole evaluation, in one run that can be resumed.

data folder -> fitted codecs -> every scheme on every photo -> rows.csv
            -> the limit, pictures, conditions              -> run.json
                                                            -> figures, tables, results.md
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from skimage.data import astronaut
from torch import Tensor

from semwave import model as models
from semwave.air.channels import CHANNELS
from semwave.air.transports import ECHOES, KNOWN_H, SAMPLED
from semwave.baselines.facts import FITTED, IDEAL, Facts
from semwave.errors import SemwaveError
from semwave.evaluation import fitted
from semwave.evaluation.conditions import conditions_of
from semwave.evaluation.figures import FIGURE_5_SNR_DB, draw_curves, draw_matrix
from semwave.evaluation.limit import Gap, gaps
from semwave.evaluation.ours import Ours, WithCodec, inversion
from semwave.evaluation.registry import CODES_KS, SCHEMES, SWEPT, channels, find_scheme
from semwave.evaluation.report import results
from semwave.evaluation.run import SIZE, SNRS_DB, Job, Measuring, received_pictures
from semwave.evaluation.scheme import facts_of
from semwave.evaluation.store import digest, read_csv, write_csv
from semwave.pictures import align, files, images
from semwave.pictures.files import FILE, file_digest, kind_of
from semwave.pictures.metrics import LPIPS
from semwave.pictures.photos import Photo, find_photos, read_photo
from semwave.privacy.faces import drawn
from semwave.work.local import Local
from semwave.work.units import Engine
from semwave.zoo import CODES, DEFAULT, MODELS, models_with_codes, weights_digest

PAPER = "paper"
GENERATED = 2
MATRIX_K = 2560
"""Of the channel code held to one SNR that the matrix of pictures shows."""
ROWS, RUN = "rows.csv", "run.json"


def evaluate(
    names: list[str],
    photos: list[Photo],
    data: Path,
    out: Path,
    report: Path,
    seed: int,
    align_faces: bool,
    lpips: LPIPS,
    command: str,
    console: Console,
    over: Collection[str] | None = None,
    engine: Engine = Local(0, 1),
    known: Collection[Path] = (),
) -> list[str]:
    """Measure the schemes called ``names`` on ``photos``; write rows, figures and ``report``.

    ``data`` is the folder that they come from; its ``train.txt`` is for fitted codecs. The scheme "paper" stands for
    all that the paper's figures need. Channels are those in ``over``; all where it is None. ``command`` is what the
    report says made it. ``engine`` measures what is not among the ``known`` rows of other runs. Rows, fitted codecs and
    pictures are kept in ``out``. Returns a line for every photo that could not be read.

    Raises:
        SemwaveError: a scheme or the data cannot be had, or no photo can be read.
    """
    named = [(find_scheme(name), name) for name in names if name != PAPER]
    asked = tuple(channel for channel in over or () if channel in SAMPLED)
    jobs = [Job(scheme, channel, _snrs_db(name)) for scheme, name in named for channel in channels(name, asked)]
    if PAPER in names:
        jobs = _paper_jobs(data, out / "fitted", seed) + jobs
    jobs = [job for job in jobs if over is None or job.channel in over]
    if not jobs:
        raise SemwaveError(
            f"none of these schemes is measured over {', '.join(over or ())}; docs/evaluation.md says which"
        )
    rows, failures = Measuring(out / "measured", seed, lpips, align_faces, engine=engine, known=known)(
        jobs, photos, console
    )
    if not rows:
        raise SemwaveError(failures[0])
    write_csv(out / ROWS, rows)
    measured = {row.photo for row in rows}
    photos = [photo for photo in photos if photo.name in measured]
    run: dict = {"conditions": _conditions(command, data, photos, seed, align_faces), "limit": []}
    if PAPER in names:
        run["limit"] = _limit(data, photos, jobs, out, seed, align_faces)
    run["pictures"] = _pictures(jobs, out / "pictures", seed)
    files.write_json(out / RUN, run)
    draw(out, report)
    return failures


def photos_of(data: Path, limit: int | None) -> list[Photo]:
    """The photos that ``data/test.txt`` names, or those in the folder ``data``; ``limit`` takes so many.

    Raises:
        SemwaveError: as :func:`semwave.pictures.photos.find_photos`.
    """
    listing = data / "test.txt"
    return find_photos([listing if kind_of(listing) == FILE else data])[:limit]


def check_scheme(name: str) -> None:
    """Raises :class:`SemwaveError` for a name that no scheme has; one of the user's own is looked for later."""
    if name != PAPER and name not in SCHEMES and ":" not in name:
        find_scheme(name)


def check_channel(name: str) -> None:
    """Raises :class:`SemwaveError` for a channel over which nothing is measured."""
    if name not in (*CHANNELS, *SAMPLED):
        there_are = ", ".join((*CHANNELS, *ECHOES))
        raise SemwaveError(f"unknown channel '{name}'; schemes are measured over {there_are}, and these with {KNOWN_H}")


@dataclass(frozen=True)
class Run:
    """What :func:`evaluate` keeps of a run beside its rows: conditions, gaps to the limit, and pictures by their names,
    each as sent and then as it arrived: (scheme, SNR, file)."""

    conditions: dict[str, str]
    limit: list[Gap]
    pictures: dict[str, list[tuple[str, float, str]]]


def read_run(path: Path) -> Run:
    """The run in ``path``. Raises :class:`SemwaveError` if it holds something else."""
    value = files.read_json(path)
    try:
        pictures = {
            name: [(str(scheme), float(snr_db), str(file)) for scheme, snr_db, file in listed]
            for name, listed in value["pictures"].items()
        }
        if not all(pictures.values()):
            raise ValueError("a picture that was not sent")
        conditions = {str(name): str(said) for name, said in value["conditions"].items()}
        return Run(conditions, [files.structured(Gap, gap, str(path)) for gap in value["limit"]], pictures)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise SemwaveError(f"{path}: does not hold a run; 'semwave evaluate' writes it again") from None


def draw(out: Path, report: Path) -> list[Path]:
    """Draw the figures and write ``report`` from what :func:`evaluate` left in ``out``. Returns the files.

    Figures and rows go to a folder beside the report that has its name.

    Raises:
        SemwaveError: ``out`` holds no measurements.
    """
    rows, run = read_csv(out / ROWS), read_run(out / RUN)
    folder = report.with_suffix("")
    curves = draw_curves(rows, folder)
    matrices = []
    for name, listed in run.pictures.items():
        sent, *received = (images.read_image(out / path) for *_, path in listed)
        named = {(scheme, snr_db): picture for (scheme, snr_db, _), picture in zip(listed[1:], received, strict=True)}
        if named:  # over AWGN alone
            matrices += draw_matrix(sent, named, folder / f"pictures-{name}")
    lines = results(rows, list(run.limit), run.conditions, curves, matrices, report.parent)
    files.write_text(report, "\n".join([*lines, ""]))
    write_csv(folder / ROWS, rows)
    return [report, folder / ROWS, *curves, *matrices]


def _paper_jobs(data: Path, folder: Path, seed: int) -> list[Job]:
    jobs = [Job(find_scheme(name), channel, _snrs_db(name)) for name in SCHEMES for channel in channels(name)]
    for model in models_with_codes():
        for scheme in fitted.schemes(model, data, folder, seed):
            swept = scheme.facts.k in fitted.ENDS and scheme.facts.flow
            jobs.append(Job(scheme, snrs_db=SNRS_DB if swept else (FIGURE_5_SNR_DB,)))
    return jobs


def _snrs_db(name: str) -> tuple[float, ...]:
    return (FIGURE_5_SNR_DB,) if name in SWEPT else SNRS_DB


def _limit(data: Path, photos: list[Photo], jobs: list[Job], out: Path, seed: int, align_faces: bool) -> list[dict]:
    """The gaps of shipped codecs, and of those fitted alike with the flow, as dictionaries; once for all models that
    draw the same codes."""
    found = []
    for name in models_with_codes():
        model = models.load_face_model(name)
        flow = model.config.flow is not None
        codecs = {f"{name}-codes-k{k}": (model.codec, k) for k in CODES_KS if k <= model.config.codec.symbols}
        keys = [weights_digest(name, (CODES,))]
        ours = [scheme for scheme in dict.fromkeys(job.scheme for job in jobs) if isinstance(scheme, Ours)]
        for scheme in ours:
            if isinstance(scheme.model, WithCodec) and _at_an_end(scheme.facts, name, flow):
                codecs[scheme.name] = scheme.model.codec, scheme.facts.k
                keys.append(scheme.key)
        told = digest(keys, seed, align_faces, [file_digest(photo.path) for photo in photos])
        path = out / "limit" / f"{name}-{told}.json"
        if not path.is_file():
            sent = {photo.name: _numbers(model, photo, align_faces) for photo in photos}
            source = fitted.sources(name, data, out / "fitted", seed)[flow]
            files.write_json(path, [asdict(gap) for gap in gaps(sent, source, codecs, SNRS_DB, seed)])
        found += files.read_json(path)
    return found


def _at_an_end(facts: Facts, model: str, flow: bool) -> bool:
    """Whether a scheme of ``facts`` has the codec that is fitted to ``model`` as its own one is, for the first or the
    last k."""
    return (facts.model, facts.flow, facts.channel_noise) == (model, flow, True) and facts.k in fitted.ENDS


@torch.no_grad()
def _numbers(model: models.FaceModel, photo: Photo, align_faces: bool) -> Tensor:
    """N (1, codes, coordinates) of a photo."""
    scene = inversion(model)(read_photo(photo.path, SIZE, align_faces))
    assert scene.codes is not None
    return model.flow(model.space.coordinates(scene.codes))


def _in_matrix(facts: Facts) -> bool:
    """Whether the matrix of pictures shows a scheme of ``facts``: what bounds others is left out, and so are codes that
    are held to one SNR but one."""
    return facts.family not in (IDEAL, FITTED) and (facts.held_snr_db is None or facts.k == MATRIX_K)


def _pictures(jobs: list[Job], folder: Path, seed: int) -> dict[str, list[tuple[str, float, str]]]:
    """Files of the astronaut and of generated faces, as sent and as they arrive over AWGN, relative to ``out``."""
    shown = [
        job for job in jobs if job.channel == "awgn" and job.snrs_db == SNRS_DB and _in_matrix(facts_of(job.scheme))
    ]
    model = models.load_model(DEFAULT)
    random = torch.Generator().manual_seed(seed + 1)
    pictures: dict[str, Tensor] = {"astronaut": images.to_tensor(align.align(astronaut(), SIZE))}
    for i in range(1, GENERATED + 1):
        pictures[f"face-{i}"] = images.to_tensor(images.to_uint8(drawn(model, random, SIZE)[0]))
    found: dict[str, list[tuple[str, float, str]]] = {}
    for name, picture in pictures.items():
        images.write_png(folder / name / "sent.png", images.to_uint8(picture[0]))
        found[name] = [("sent", 0.0, f"{folder.name}/{name}/sent.png")]
    for (name, scheme, snr_db), path in received_pictures(shown, pictures, folder, seed).items():
        found[name].append((scheme, snr_db, path.relative_to(folder.parent).as_posix()))
    return found


def _conditions(command: str, data: Path, photos: list[Photo], seed: int, align_faces: bool) -> dict[str, str]:
    """What the report says of how it was made."""
    return {
        **conditions_of(command, data, photos, align_faces),
        "models": ", ".join(f"{name} (digest {weights_digest(name)})" for name in MODELS),
        "codecs fitted on": "generated faces and the photographs of train.txt"
        if (data / "train.txt").is_file()
        else "generated faces",
        "seed": str(seed),
        "SNR": "Es/N0 of a complex symbol; two of the k real symbols make one",
    }
