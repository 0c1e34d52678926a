"""Codecs fitted alike, for what cannot be told from the shipped ones: any k, with and without flow and channel noise.

    photographs, generated faces -> shipped encoder -> coordinates -> flow or nothing -> N -> codec <-> AWGN

Encoder, flow and generator stay as they are shipped. Every codec has the same width, starts from the best linear one
and learns for as many steps on the same codes. It minimises the squared error of N weighted by how much the picture
moves (:func:`semwave.training.codec.code_metric`), so no picture is drawn and a codec takes seconds. What it learns is
kept only if codes that it did not learn from gain too.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import load_file, save
from torch import Tensor, nn

from semwave import model as models
from semwave.air.channels import CHANNELS
from semwave.coding.codec import Codec
from semwave.evaluation.ours import Ours, WithCodec, inversion
from semwave.evaluation.store import file_digest
from semwave.inversion.parser import INPUT
from semwave.latent.space import used_coordinates
from semwave.pictures import files
from semwave.pictures.photos import Photo, find_photos
from semwave.training.codec import SNR_DB, code_metric, coordinates_of, draw_snr_db
from semwave.training.data import VALIDATION, pick, read_pictures
from semwave.training.faces import compose, save_tensors, to_bytes
from semwave.training.flow import CODE_NOISE
from semwave.training.loop import Schedule, fit

KS = tuple(range(256, 2561, 256))
ENDS = (KS[0], KS[-1])
WIDTH = 96
FACES = 400
PROBES = 320
SILENT_DB = 60.0
SCHEDULE = Schedule(steps=300, batch=64, rate=3e-4, warmup=20, checkpoint_every=300)


@dataclass(frozen=True)
class Source:
    """What a codec sends: ``n`` (N, 28, 256) to learn from, the first of them of ``photos``, mirrored ones counted;
    ``held_out`` (M, 28, 256) to check it; and the ``metric`` (28, 256, 256) of an error in either."""

    n: Tensor
    photos: int
    held_out: Tensor
    metric: Tensor

    @property
    def of_photos(self) -> Tensor:
        """The rows of ``n`` that are of photos; all where none is."""
        return self.n[: self.photos or None]

    def errors(self, sent: Tensor, arrived: Tensor) -> Tensor:
        """Squared error of every code set (B,), weighted by the metric."""
        difference = arrived - sent
        return torch.einsum("bci,cij,bcj->b", difference, self.metric, difference)


def sources(name: str, data: Path, folder: Path, seed: int) -> dict[bool, Source]:
    """The codes of the shipped model ``name``, after its flow (True) and without it (False); kept in ``folder``.

    They are of the photographs that ``data/train.txt`` names, where there is such a list, and of as many generated
    faces either way; the last 40 are held out. Nothing of test photographs is among them.
    """
    model = models.load_model(name)
    listing = data / "train.txt"
    digest = file_digest(listing) if listing.is_file() else "generated"
    path = folder / f"{name}-{models.weights_digest(name, ())}-{digest}-{seed}.pt"
    if not path.is_file():
        save_tensors(_measured(model, find_photos([listing]) if listing.is_file() else [], seed), path)
    kept = torch.load(path, weights_only=True)
    return {flow: Source(*kept[key]) for flow, key in ((True, "flow"), (False, "none")) if key in kept}


@torch.no_grad()
def _measured(model: models.Model, photos: list[Photo], seed: int) -> dict[str, list[Tensor]]:
    faces = _faces(model, seed)
    if photos:
        read = read_pictures([photo.path for photo in photos], INPUT)
        learned = torch.cat([read[:-VALIDATION], read[:-VALIDATION].flip(3)])
        every, count = torch.cat([read[-VALIDATION:], learned, faces]), len(learned)
    else:
        every, count = faces, 0
    coordinates = coordinates_of(model, every)
    measured = {}
    for key, flow in (("none", None), ("flow", model.flow)):
        if key == "none" or flow:
            n = torch.cat([flow(rows) for rows in coordinates.split(64)]) if flow else coordinates
            held_out, n = n[:VALIDATION], n[VALIDATION:]
            with torch.enable_grad():
                metric = code_metric(model, n[: count or None], flow, PROBES, seed)
            measured[key] = [n, count, held_out, metric]
    return measured


def _faces(model: models.Model, seed: int) -> Tensor:
    """Generated faces (2 FACES, 3, 256, 256) uint8: half of them random, half composed of parts of three."""
    random = torch.Generator().manual_seed(seed)
    codes = torch.cat([model.sample(4, random) for _ in track(range(0, FACES, 4), "sampling faces")])
    others = codes[torch.randint(len(codes), (len(codes), 2), generator=random)]
    every = torch.cat([codes, compose(codes, others, random)])
    drawn = track(every.split(4), "drawing faces")
    return torch.cat([to_bytes(model.generate(rows, INPUT).image.clamp(-1, 1)) for rows in drawn])


def schemes(name: str, data: Path, folder: Path, seed: int) -> Iterator[Ours]:
    """Schemes of the shipped model ``name`` with codecs that are fitted here and kept in ``folder``.

    For every k in 256, 512 ... 2560 with the flow and without ("-no-flow"); for the first and the last also fitted
    without channel noise ("-no-noise"), with the flow. Models of the same codes share their codecs.
    """
    model, codes, digest = models.load_model(name), models.codes_of(name), models.weights_digest(name, ())
    for flow, source in sources(codes, data, folder, seed).items():
        for k in KS:
            for noisy in (True, False) if flow and k in ENDS else (True,):
                kind = f"fitted-k{k}{'' if flow else '-no-flow'}{'' if noisy else '-no-noise'}"
                path = folder / f"{codes}-{kind}-{models.weights_digest(codes, ())}-{seed}.safetensors"
                if not path.is_file():
                    fit_codec(source, k, noisy, path, seed)
                codec = Codec(k, WIDTH)
                codec.load_state_dict(load_file(path))
                with_codec = WithCodec(model, codec.eval().requires_grad_(False), flow)
                yield Ours(f"{name}-{kind}", f"{digest}-{file_digest(path)}", with_codec, k, inversion(model))


def fit_codec(
    source: Source, k: int, noisy: bool, path: Path, seed: int, width: int = WIDTH, schedule: Schedule = SCHEDULE
) -> None:
    """Fit a codec for ``k`` real symbols to ``source`` and write it to ``path``.

    The SNR is uniform in 5..10 dB where ``noisy``, and 60 dB otherwise.
    """
    channel, used = CHANNELS["awgn"](), used_coordinates()
    span = SNR_DB if noisy else (SILENT_DB, SILENT_DB)

    def error(codec: nn.Module, n: Tensor, random: torch.Generator) -> Tensor:
        snr_db = draw_snr_db(len(n), random, span)
        received = channel(codec.encode(n), snr_db, random)
        return source.errors(n, codec.decode(received.symbols, snr_db)).mean() / used.sum()

    def loss(codec: nn.Module, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        n = source.n[pick(len(source.n), schedule.batch, random)]
        # Without it a codec of many weights learns single faces.
        return {"loss": error(codec, n + CODE_NOISE * torch.randn(n.shape, generator=random) * used, random)}

    codec = Codec(k, width)
    codec.start_linear(source.n, source.metric)
    start = {name: tensor.clone() for name, tensor in codec.state_dict().items()}
    with torch.no_grad():
        before = error(codec, source.held_out, torch.Generator().manual_seed(seed))
    run = path.with_suffix("")
    codec = fit(codec, loss, schedule, run)
    with torch.no_grad():
        after = error(codec, source.held_out, torch.Generator().manual_seed(seed))
    state = codec.state_dict() if after < before else start
    files.write_bytes(path, save({name: tensor.half().contiguous() for name, tensor in state.items()}))
    shutil.rmtree(run)
