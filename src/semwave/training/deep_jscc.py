"""Train Deep JSCC, with which semwave is compared, on the same photographs and generated faces.

MSE over AWGN, SNR uniform in 5..10 dB, on random crops, half of them of generated faces. Training goes in rounds of as
many steps each, the rate starting anew, and ends with the round that gains no more than 0.05 dB on the photographs that
are kept for validation: then the curve is flat.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from semwave.air.channels import noisy
from semwave.baselines.deep_jscc import DeepJSCC
from semwave.generators.weights import write_weights
from semwave.model import FaceModel
from semwave.pictures import files
from semwave.pictures.arrays import read_torch
from semwave.pictures.metrics import psnr
from semwave.pictures.photos import find_photos
from semwave.training.codec import draw_snr_db
from semwave.training.data import VALIDATION, pick, read_pictures, to_float
from semwave.training.faces import AGAIN, ALONE, draw_codes
from semwave.training.loop import Schedule, fit
from semwave.work.units import Engine

SIZE = 512
FLAT_DB = 0.05
VALIDATION_SNR_DB = 7.5
VALIDATE_EVERY = 500
CROPS = {4: 128, 32: 256}
"""Width of the crops by how much the symbols' grid is smaller than the picture."""


def read_split(data: Path) -> tuple[Tensor, Tensor]:
    """The photographs that ``data/train.txt`` names, for training and for validation, (N, 3, 512, 512) uint8."""
    every = read_pictures([photo.path for photo in find_photos([data / "train.txt"])], SIZE)
    return every[:-VALIDATION], every[-VALIDATION:]


@torch.no_grad()
def draw_faces(model: FaceModel, coordinates: Tensor, path: Path, engine: Engine = ALONE) -> Tensor:
    """Pictures (N, 3, 512, 512) uint8 of ``coordinates`` (N, codes, coordinates) by ``model``; made by ``engine`` and
    kept in ``path``."""
    if path.exists():
        return read_torch(path, AGAIN)
    codes = model.space.codes(coordinates.float())
    assert isinstance(model.generator, nn.Module)
    return draw_codes(model.generator, codes, SIZE, path, "drawing faces", lambda images: images, engine)


def train_deep_jscc(
    network: DeepJSCC, photos: Tensor, faces: Tensor, validation: Tensor, run: Path, schedule: Schedule,
    precision: str = "bf16",
) -> DeepJSCC:  # fmt: skip
    """Train ``network`` on ``photos`` and ``faces``, (N, 3, 512, 512) uint8 each, until it is flat on ``validation``.

    ``schedule`` is that of one round. The PSNR on the validation photographs is logged every 500 steps, and after
    every round to ``validation.json`` in ``run``.
    """
    crop = CROPS[network.layout.down]

    def loss(model: DeepJSCC, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        half = schedule.batch // 2
        chosen = [_crops(of, n, crop, random) for of, n in ((photos, schedule.batch - half), (faces, half))]
        images = to_float(torch.cat(chosen)).to(device)
        arrived = noisy(model.encode(images), draw_snr_db(len(images), random), random)
        mse = (model.decode(arrived, crop, crop) - images).square().mean()
        terms = {"loss": mse, "psnr": 10 * torch.log10(4 / mse.detach())}
        if step % VALIDATE_EVERY == 0:
            terms["validation"] = torch.tensor(validation_psnr(model, validation))
        return terms

    network.requires_grad_(True)
    reached = [validation_psnr(network, validation)]
    while len(reached) < 2 or reached[-1] - reached[-2] > FLAT_DB:
        number = len(reached)
        fit(network, loss, replace(schedule, seed=schedule.seed + number), run / f"round-{number}", precision)
        reached.append(validation_psnr(network, validation))
        files.write_json(run / "validation.json", {"steps a round": schedule.steps, "psnr_db": reached})
    return network.eval()


def _crops(images: Tensor, batch: int, crop: int, random: torch.Generator) -> Tensor:
    """``batch`` windows (3, crop, crop) of random ``images`` (N, 3, S, S), half of them mirrored."""
    places = torch.randint(images.shape[-1] - crop + 1, (batch, 2), generator=random).tolist()
    rows = zip(pick(len(images), batch, random).tolist(), places, strict=True)
    windows = torch.stack([images[i, :, top : top + crop, left : left + crop] for i, (top, left) in rows])
    mirrored = torch.rand(batch, generator=random) < 0.5
    return torch.where(mirrored[:, None, None, None], windows.flip(3), windows)


@torch.no_grad()
def validation_psnr(network: DeepJSCC, validation: Tensor) -> float:
    """Mean PSNR in dB over AWGN at 7.5 dB, of ``validation`` (N, 3, S, S) uint8."""
    random = torch.Generator().manual_seed(0)
    device = next(network.parameters()).device
    reached = []
    for image in validation:
        image = to_float(image[None]).to(device)
        symbols = noisy(network.encode(image), VALIDATION_SNR_DB, random)
        reached.append(psnr(network.decode(symbols, *image.shape[-2:]), image, data_range=2).item())
    return sum(reached) / len(reached)


def save_network(network: DeepJSCC, path: Path) -> None:
    """Write the weights to ``path`` as safetensors, fp16."""
    write_weights(path, network.cpu())
