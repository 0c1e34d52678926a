"""Codecs fitted alike, for what cannot be told from the shipped one: with and without flow and channel noise.

    photographs, generated faces -> shipped encoder -> coordinates -> flow or nothing -> N -> codec <-> AWGN

Encoder, flow and generator stay as they are shipped. Every codec is for any k up to 2560, has the same width, starts
from the best linear one and learns for as many steps on the same codes. It minimises the squared error of N weighted by
how much the picture moves (:func:`semwave.training.codec.code_metric`), so no picture is drawn and a codec takes
seconds. What it learns is kept only if codes that it did not learn from gain too.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from semwave.air.iq import noise_power
from semwave.baselines.facts import FITTED
from semwave.coding.codec import Codec
from semwave.coding.flow import IdentityFlow
from semwave.evaluation.ours import Ours, WithCodec, inversion
from semwave.generators.weights import read_weights, write_weights
from semwave.latent.layout import FACES, Layout
from semwave.latent.space import used_coordinates
from semwave.model import FaceModel, load_face_model
from semwave.pictures.arrays import read_torch, write_torch
from semwave.pictures.console import track
from semwave.pictures.files import file_digest
from semwave.pictures.images import INPUT
from semwave.pictures.photos import Photo, find_photos
from semwave.training.codec import SNR_DB, code_metric, coordinates_of, draw_k, draw_snr_db
from semwave.training.data import VALIDATION, pick, read_pictures
from semwave.training.faces import compose, to_bytes
from semwave.training.flow import CODE_NOISE
from semwave.training.loop import Schedule, fit
from semwave.zoo import CODES, config_of, weights_digest

KS = (64, 128, 256, 512, 1024, 2560)
ENDS = (256, KS[-1])
WIDTH = 96
GENERATED = 400
PHOTOS = 800
"""The last so many of train.txt are learnt from, of which the last 40 are held out."""
PROBES = 320
CHECKS = 8
SILENT_DB = 60.0
SCHEDULE = Schedule(steps=300, batch=64, rate=3e-4, warmup=20, checkpoint_every=300)


@dataclass(frozen=True)
class Source:
    """What a codec sends.

    Args:
        n: (N, codes, coordinates) to learn from.
        photos: how many rows of ``n``, the first ones, are of photographs and their mirror images.
        held_out: (M, codes, coordinates) to check it.
        metric: (codes, coordinates, coordinates), of an error in either.
        layout: of the codes.
    """

    n: Tensor
    photos: int
    held_out: Tensor
    metric: Tensor
    layout: Layout = FACES

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

    They are of the last photographs that ``data/train.txt`` names, where there is such a list, and of as many generated
    faces either way; the last 40 are held out. Nothing of test photographs is among them.
    """
    model = load_face_model(name)
    listing = data / "train.txt"
    digest = file_digest(listing) if listing.is_file() else "generated"
    path = folder / f"source-{name}-{weights_digest(name, (CODES,))}-{digest}-{seed}.pt"
    if not path.is_file():
        write_torch(path, _measured(model, find_photos([listing]) if listing.is_file() else [], seed))
    kept = read_torch(path, "delete it, and it is made again")
    photos, layout = int(kept["photos"]), model.config.layout
    return {
        flow: Source(kept[f"{kind}.n"], photos, kept[f"{kind}.held_out"], kept[f"{kind}.metric"], layout)
        for flow, kind in ((True, "flow"), (False, "none"))
        if f"{kind}.n" in kept
    }


@torch.no_grad()
def _measured(model: FaceModel, photos: list[Photo], seed: int) -> dict[str, Tensor]:
    """The numbers of :class:`Source` by name: "photos", and "n", "held_out" and "metric" with and without the flow."""
    faces = _faces(model, seed)
    if photos:
        read = read_pictures([photo.path for photo in photos[-PHOTOS:]], INPUT)
        learned = torch.cat([read[:-VALIDATION], read[:-VALIDATION].flip(3)])
        every, count = torch.cat([read[-VALIDATION:], learned, faces]), len(learned)
    else:
        every, count = faces, 0
    coordinates = coordinates_of(model, every)
    measured = {"photos": torch.tensor(count)}
    for kind, flow in (("none", IdentityFlow()), ("flow", model.flow)):
        if kind == "none" or model.config.flow:
            n = torch.cat([flow(rows) for rows in coordinates.split(64)])
            held_out, n = n[:VALIDATION], n[VALIDATION:]
            with torch.enable_grad():
                metric = code_metric(model, n[: count or None], flow, PROBES, seed)
            measured |= {f"{kind}.n": n, f"{kind}.held_out": held_out, f"{kind}.metric": metric}
    return measured


def _faces(model: FaceModel, seed: int) -> Tensor:
    """Generated faces (2 GENERATED, 3, 256, 256) uint8: half of them random, half composed of parts of three."""
    random = torch.Generator().manual_seed(seed)
    codes = torch.cat([model.sample(4, random) for _ in track(range(0, GENERATED, 4), "sampling faces")])
    others = codes[torch.randint(len(codes), (len(codes), 2), generator=random)]
    every = torch.cat([codes, compose(codes, others, random)])
    drawn = track(every.split(4), "drawing faces")
    return torch.cat([to_bytes(model.generate(rows, INPUT).image.clamp(-1, 1)) for rows in drawn])


def schemes(name: str, data: Path, folder: Path, seed: int) -> Iterator[Ours]:
    """Schemes of the shipped model ``name`` with codecs that are fitted here and kept in ``folder``.

    For every k of :data:`KS` with the flow and without ("-no-flow"); for two of them also fitted without channel noise
    ("-no-noise"), with the flow. Models of the same codes share their codecs.
    """
    model, codes, digest = load_face_model(name), config_of(name).code_model, weights_digest(name, (CODES,))
    for flow, source in sources(codes, data, folder, seed).items():
        for through_noise in (True, False) if flow else (True,):
            kind = f"{'' if flow else '-no-flow'}{'' if through_noise else '-no-noise'}"
            path = folder / f"{codes}-fitted{kind}-{weights_digest(codes, (CODES,))}-{seed}.safetensors"
            if not path.is_file():
                fit_codec(source, KS[-1], through_noise, path, seed, WIDTH, SCHEDULE)
            codec = Codec(KS[-1], WIDTH, source.layout)
            read_weights(path, codec)
            with_codec = WithCodec(model, codec.eval().requires_grad_(False), flow)
            key = f"{digest}-{file_digest(path)}"
            for k in KS if through_noise else ENDS:
                label = f"{name}-fitted-k{k}{kind}"
                yield Ours(label, key, with_codec, k, inversion(model), None, FITTED, through_noise)


def fit_codec(
    source: Source,
    symbols: int,
    through_noise: bool,
    path: Path,
    seed: int,
    width: int,
    schedule: Schedule,
) -> None:
    """Fit a codec of so many ``symbols`` to ``source`` and write it to ``path``.

    The SNR is uniform in 5..10 dB where ``through_noise``, and 60 dB otherwise; k is uniform in its logarithm.
    """
    used = used_coordinates(source.layout)
    span = SNR_DB if through_noise else (SILENT_DB, SILENT_DB)

    def error(codec: Codec, n: Tensor, random: torch.Generator) -> Tensor:
        plan = codec.plan(draw_k(symbols, random))
        noise = noise_power(draw_snr_db(len(n), random, span))[:, None]
        arrived = codec.decode(*plan.over_noise(plan.sent(codec.encode(n)), noise, random))
        return source.errors(n, arrived).mean() / used.sum()

    def loss(codec: Codec, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        n = source.n[pick(len(source.n), schedule.batch, random)]
        # Without it a codec of many weights learns single faces.
        return {"loss": error(codec, n + CODE_NOISE * torch.randn(n.shape, generator=random) * used, random)}

    def held_out(codec: Codec) -> float:
        """The mean error of what it did not learn from, over as many k and SNRs each time."""
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return sum(error(codec, source.held_out, random).item() for _ in range(CHECKS)) / CHECKS

    codec = Codec(symbols, width, source.layout)
    codec.start_linear(source.n, source.metric)
    start = {name: tensor.clone() for name, tensor in codec.state_dict().items()}
    before = held_out(codec)
    codec = fit(codec, loss, schedule, path.with_suffix(""))
    if held_out(codec) >= before:
        codec.load_state_dict(start)
    write_weights(path, codec.settle(source.n))
    shutil.rmtree(path.with_suffix(""))
